/**
 * Runs from the moment they are wanted until they are recorded. What a run says to the API is answered here; how it ends becomes a runnable call.
 * A run that could not be carried out by no fault of its own waits and begins again.
 */

import type { RunnableLog } from '@polyedge/contracts/bus/runnables';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { isObject } from '@polyedge/saga/elements';
import type { PostResult } from '@polyedge/saga/work';
import type { Log } from '@polyedge/service-kit/log';
import type { Api } from './api/api.ts';

import { type ChainLimits, Chains } from './chains.ts';
import { Conducts } from './conduct.ts';
import { FairQueue } from './fair-queue.ts';
import type { Ended, RunLimits } from './isolate/messages.ts';
import type { Packages } from './packages/packages.ts';
import type { Pool, Taken } from './pool.ts';
import type { Records } from './records.ts';
import { type Result, Run, type Wanted } from './run.ts';
import { errorOf } from './run-error.ts';
import { fileOf, mayUse, type Runnable, sourceOf } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Stats } from './stats.ts';
import { digestId } from './writing.ts';

export interface RunsOptions {
  readonly api: Api;
  readonly records: Records;
  readonly pool: Pool;
  readonly stats: Stats;
  readonly log: Log;
  readonly limits: RunLimits;
  readonly jobWallMs: number;
  readonly chains: ChainLimits;
  readonly perTenant: number;
  readonly perRunnable: number;
  /** Runs of one tenant that changes fired and that wait; one runnable may have half of them. */
  readonly maxFired: number;
  table(tenant: string): RunnableTable | undefined;
  readonly packages: Packages;
}

export interface RunStats {
  succeeded: number;
  threw: number;
  broke: number;
  refused: number;
  /** Begun again because their process ended, or something could not be read. */
  repeated: number;
}

const RETRY_MS = 500;
const UNWRITABLE = { is: 'threw', name: 'Error', message: 'the parameters cannot be written as JSON', stack: '' } as const;
const REFUSED_MS = 1000;
const MAX_REFUSED = 10_000;
const JOB_CPU = 10;
const FEW = 16;

export class Runs {
  readonly stats: RunStats = { succeeded: 0, threw: 0, broke: 0, refused: 0, repeated: 0 };
  readonly #options: RunsOptions;
  readonly #queue: FairQueue<Run>;
  readonly #conducts = new Conducts();
  readonly #chains: Chains;
  /** When a runnable's refusal was last recorded. */
  readonly #refused = new Map<string, number>();
  readonly #idle: (() => void)[] = [];
  /** Resolved when a run has begun. */
  #begun: PromiseWithResolvers<void> | undefined;
  #running = 0;
  #pumping = false;
  #stopped = false;

  constructor(options: RunsOptions) {
    this.#options = options;
    this.#queue = new FairQueue({ perTenant: options.perTenant, perRunnable: options.perRunnable });
    this.#chains = new Chains(options.chains);
  }

  get waiting(): number {
    return this.#queue.waiting;
  }

  get running(): number {
    return this.#running;
  }

  waitingOf(tenant: string): number {
    return this.#queue.waitingOf(tenant);
  }

  /**
   * Undefined when a change may fire the runnable now; else what to wait for before it is looked at again. A few of each may wait in any case, so
   * that those of which many wait do not keep out the others.
   */
  roomFor({ tenant, id }: Runnable): Promise<void> | undefined {
    const { maxFired } = this.#options;
    const own = this.#queue.waitingOf(tenant, id);
    if (own < Math.min(FEW, maxFired / 2) || (own < maxFired / 2 && this.#queue.waitingOf(tenant) < maxFired)) return undefined;
    this.#begun ??= Promise.withResolvers();
    return this.#begun.promise;
  }

  /** Resolves when the run has ended and its call is stored. */
  start(wanted: Wanted): Promise<Result> {
    const now = Date.now();
    const { suspendedUntil } = this.#conducts.of(keyOf(wanted.runnable));
    const problem =
      suspendedUntil > now
        ? `it is suspended until ${new Date(suspendedUntil).toISOString()}, because its last runs broke their limits`
        : this.#chains.problem(wanted.chain, wanted.depth, now);
    if (problem !== undefined) return this.#refuse(wanted, problem, now);
    return new Promise((resolve) => {
      const run = new Run(wanted, this.#options.limits.calls, resolve);
      this.#queue.add(run);
      this.pump();
    });
  }

  /** Begins what may begin, once for all that happens in one turn: a write that fires a hundred scripts looks at them once. */
  pump(): void {
    if (this.#pumping || this.#stopped) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopped) return;
    const { pool } = this.#options;
    const hasRoom = (run: Run): boolean => {
      const { alone, suspect } = this.#conducts.of(keyOf(run.wanted.runnable));
      run.alone = run.crashes > 0 || alone;
      run.suspect = suspect;
      return pool.hasRoom(run);
    };
    for (let run = this.#queue.next(hasRoom); run !== undefined; run = this.#queue.next(hasRoom)) this.#begin(run);
  }

  /** Begins nothing more; resolves when nothing runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #begin(run: Run): void {
    const { limits, jobWallMs, pool } = this.#options;
    const wallMs = run.wanted.runnable.plural === 'jobs' ? jobWallMs : limits.wallMs;
    this.#running += 1;
    this.#begun?.resolve();
    this.#begun = undefined;
    run.startedAt = Date.now();
    const place = pool.place(run, wallMs, {
      message: (message) => {
        switch (message.from) {
          case 'call':
            this.#call(run, message.name, message.json, (good, json) => place.settle(message.call, good, json));
            return;
          case 'log':
            this.#log(run, message.level, message.json);
            return;
          case 'stat':
            this.#options.stats.record(message.kind, message.name, message.value);
            return;
        }
      },
      ended: (ended) => void this.#ended(run, ended),
      crashed: (reason) => void this.#crashed(run, reason),
    });
    this.#argumentsOf(run).then(
      (args) => {
        if (args !== undefined) place.begin(this.#order(run, args));
        else {
          place.giveBack();
          this.#again(run, RETRY_MS);
        }
      },
      (error: unknown) => {
        this.#options.log.error('the parameters of a run cannot be written', { id: run.wanted.call, err: error });
        place.giveBack();
        void this.#ended(run, { outcome: UNWRITABLE, cpuMs: 0, memoryBytes: 0 });
      },
    );
  }

  #order(run: Run, args: string): Parameters<Taken['begin']>[0] {
    const { runnable, call, http } = run.wanted;
    const { limits, jobWallMs, table } = this.#options;
    const isJob = runnable.plural === 'jobs';
    const { plural, id, name, path = null, version } = runnable;
    return {
      key: `${id}@${runnable.seq}`,
      file: fileOf(runnable),
      source: sourceOf(runnable),
      args,
      kind: http ? 'http' : 'event',
      current: { _id: id, type: plural, name, path, version, runnable_call_id: call },
      packages: mayUse(runnable, 'require') ? (table(run.tenant)?.packages ?? {}) : {},
      limits: isJob ? { ...limits, wallMs: jobWallMs, cpuMs: limits.cpuMs * JOB_CPU } : limits,
    };
  }

  /** JSON of the parameters; undefined when somebody could not be read now. */
  async #argumentsOf(run: Run): Promise<string | undefined> {
    const { runnable, parameters } = run.wanted;
    const packages = mayUse(runnable, 'require') ? Object.values(this.#options.table(run.tenant)?.packages ?? {}) : [];
    if (packages.length > 0 && !(await this.#options.packages.load(run.tenant, packages))) return undefined;
    const values: Json[] = [];
    for (const parameter of parameters) {
      if ('value' in parameter) values.push(parameter.value);
      else if (!mayUse(runnable, parameter.name)) values.push(null);
      else {
        const parent = await this.#options.api.parent(run.tenant, parameter.kind, parameter.id);
        if (!parent.ok) return undefined;
        values.push(parent.value);
      }
    }
    return JSON.stringify(values);
  }

  #call(run: Run, name: string, json: string, settle: (good: boolean, json: string) => void): void {
    run.calls -= 1;
    if (run.calls < 0) return;
    const answer = this.#options.api.call(name, json, run.acting).then((answered) => {
      const text = answered.ok ? answerText(answered.value) : undefined;
      if (text !== undefined) settle(true, text);
      else settle(false, JSON.stringify(answered.ok ? TOO_LARGE : { ...answered.error, message: sentenceOf(answered) }));
    });
    this.#awaited(run, answer);
  }

  /** The run's call is not told before this is done. A failure here is ours: it ends nothing but itself. */
  #awaited(run: Run, work: Promise<unknown>): void {
    const done = work.then(
      () => {},
      (error: unknown) => this.#options.log.error('what a run wanted could not be done', { id: run.wanted.call, err: error }),
    );
    run.outstanding.add(done);
    void done.then(() => run.outstanding.delete(done));
  }

  #log(run: Run, level: RunnableLog['level'], json: string): void {
    run.logCount += 1;
    const { runnable, call, testData } = run.wanted;
    const line = runnable.logging && run.logCount <= this.#options.limits.logLines ? lineOf(json) : undefined;
    if (line === undefined) return;
    const id = digestId(call, 'log', String(run.logCount));
    const kept = this.#kept(run, (version) =>
      this.#options.records.log(
        { tenant: run.tenant, scope: runnable.scope },
        {
          id,
          runnableType: runnable.plural,
          runnable: runnable.id,
          call,
          level,
          ...line,
          at: Date.now(),
          ...(version === undefined ? {} : { version }),
          ...(testData ? { testData } : {}),
        },
      ),
    );
    this.#awaited(run, kept);
  }

  /** Keeps a record, with the id of the version that ran. */
  async #kept(run: Run, keep: (version: string | undefined) => Promise<Outcome<unknown>>): Promise<void> {
    const { runnable } = run.wanted;
    // One question for all records of the run: they are kept in the order in which they came.
    run.version ??= this.#options.table(run.tenant)?.versionIdOf(runnable) ?? Promise.resolve(undefined);
    const kept = await keep(await run.version);
    if (!kept.ok) this.#options.log.warn('a record of a run is lost', { id: run.wanted.call, code: kept.failure.code });
  }

  async #ended(run: Run, { outcome, cpuMs, memoryBytes }: Pick<Ended, 'outcome' | 'cpuMs' | 'memoryBytes'>): Promise<void> {
    this.#conducts.ended(keyOf(run.wanted.runnable), { broke: outcome.is === 'broke', cpuMs }, Date.now());
    if (outcome.is === 'returned') this.stats.succeeded += 1;
    else if (outcome.is === 'threw') this.stats.threw += 1;
    else this.stats.broke += 1;
    this.#queue.ended(run);
    this.#rest();
    await this.#finish(run, { outcome, error: errorOf(outcome, this.#options.limits) }, { cpuMs, memoryBytes });
  }

  /** Its process is no more. With others in it nobody knows whose fault that was: it runs again, alone. Alone it was its own. */
  async #crashed(run: Run, reason: string): Promise<void> {
    if (!run.alone || run.crashes === 0) {
      run.crashes += 1;
      this.#again(run, 0);
      return;
    }
    this.#conducts.ended(keyOf(run.wanted.runnable), { broke: true, cpuMs: 0 }, Date.now());
    this.stats.broke += 1;
    this.#queue.ended(run);
    this.#rest();
    const message = `the process of the run ended: ${reason}`;
    const outcome = { is: 'threw', name: 'Error', message, stack: '' } as const;
    await this.#finish(run, { outcome, error: { message, stack: '' } }, {});
  }

  #again(run: Run, afterMs: number): void {
    this.stats.repeated += 1;
    run.acting.ids.again();
    run.logCount = 0;
    run.calls = this.#options.limits.calls;
    const back = (): void => {
      this.#queue.again(run);
      this.#rest();
      this.pump();
    };
    if (afterMs === 0) back();
    else setTimeout(back, afterMs);
  }

  #rest(): void {
    this.#running -= 1;
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    this.pump();
  }

  /** Everything that the run had said is done first: a call is told after its logs. */
  async #finish(run: Run, result: Result, cost: { readonly cpuMs?: number; readonly memoryBytes?: number }): Promise<void> {
    await Promise.allSettled([...run.outstanding]);
    const { startedAt, logCount } = run;
    try {
      await this.#record(run.wanted, result, { startedAt, logCount, ...cost });
    } catch (error) {
      this.#options.log.error('a runnable call is lost', { id: run.wanted.call, err: error });
    }
    run.done(result);
  }

  async #refuse(wanted: Wanted, problem: string, now: number): Promise<Result> {
    this.stats.refused += 1;
    const result: Result = { outcome: { is: 'refused', problem }, error: { message: problem, stack: '' } };
    // Whoever is refused a thousand times a second is told so once.
    const reportedAt = this.#refused.get(wanted.runnable.id) ?? 0;
    if (now - reportedAt < REFUSED_MS) return result;
    if (this.#refused.size >= MAX_REFUSED) this.#refused.clear();
    this.#refused.set(wanted.runnable.id, now);
    await this.#record(wanted, result, { startedAt: now, logCount: 0 });
    return result;
  }

  async #record(
    wanted: Wanted,
    { error }: Result,
    how: { readonly startedAt: number; readonly logCount: number; readonly cpuMs?: number; readonly memoryBytes?: number },
  ): Promise<void> {
    const { runnable, call, context, parentCall, testData } = wanted;
    const version = await this.#options.table(runnable.tenant)?.versionIdOf(runnable);
    const kept = await this.#options.records.call(
      { tenant: runnable.tenant, scope: runnable.scope },
      {
        id: call,
        runnableType: runnable.plural,
        runnable: runnable.id,
        name: runnable.name.slice(0, 512),
        ...(version === undefined ? {} : { version }),
        ...(runnable.path === undefined ? {} : { path: runnable.path }),
        ...how,
        finishedAt: Math.max(Date.now(), how.startedAt),
        success: error === null,
        error,
        context,
        creator: { type: runnable.plural, id: runnable.id },
        ...(parentCall === undefined ? {} : { parentCall }),
        ...(testData ? { testData } : {}),
      },
    );
    if (!kept.ok) this.#options.log.warn('a runnable call is lost', { id: call, code: kept.failure.code });
  }
}

/** Characters of one answer of the API. */
const MAX_ANSWER = 8 * 1024 * 1024;
const TOO_LARGE = {
  status_code: 413,
  name: 'Payload Too Large',
  message: `the answer has more than ${MAX_ANSWER} characters; ask for less`,
};

/** Undefined for what is too large to be handed to a run, or to be written at all. */
function answerText(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value ?? null);
    return text.length > MAX_ANSWER ? undefined : text;
  } catch {
    return undefined;
  }
}

const keyOf = ({ tenant, id, version }: Runnable): string => JSON.stringify([tenant, id, version]);

const sentenceOf = ({ error }: Extract<PostResult, { readonly ok: false }>): string => error.message ?? error.name;

/** What a script logged: a text and its values, as the sandbox wrote them; without values that are nested too deep to be stored. */
function lineOf(json: string): { readonly message: string; readonly args: Json[] } | undefined {
  const parsed = parseJson(json);
  const line = parsed.ok ? parsed.value : parsed.read;
  if (!isObject(line) || typeof line.message !== 'string') return undefined;
  return { message: line.message.slice(0, 65_536), args: parsed.ok && Array.isArray(line.args) ? line.args.slice(0, 20) : [] };
}
