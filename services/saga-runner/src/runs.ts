/**
 * Runs, from their request until they are recorded. Their API calls are answered here, and their results become runnable calls. A run that
 * could not be carried out for external reasons waits and is repeated.
 */
import type { RunnableLog } from '@polyedge/contracts/bus/runnables';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import type { PostResult } from '@polyedge/saga/work';
import type { Log } from '@polyedge/service-kit/log';
import { answerText, TOO_LARGE } from './api/answer-text.ts';
import type { Api } from './api/api.ts';
import { type ChainLimits, Chains } from './chains.ts';
import { Conducts } from './conduct.ts';
import { FairQueue } from './fair-queue.ts';
import type { Ended, RunLimits } from './isolate/messages.ts';
import type { Packages } from './packages/packages.ts';
import type { Pool, Reservation } from './pool.ts';
import type { Records } from './records.ts';
import { Refusals } from './refusals.ts';
import { Run, type RunRequest, type RunResult } from './run.ts';
import { errorOf } from './run-error.ts';
import { callRecord, lineOf, logRecord, type RunCost } from './run-record.ts';
import { fileOf, mayUse, type Runnable, sourceOf } from './runnable.ts';
import type { RunnableTable } from './runnable-table.ts';
import type { Stats } from './stats.ts';

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
  /** Maximum waiting runs of one tenant that were fired by changes; one runnable may have half of them. */
  readonly maxFired: number;
  table(tenant: string): RunnableTable | undefined;
  readonly packages: Packages;
}

export interface RunStats {
  succeeded: number;
  threw: number;
  broke: number;
  refused: number;
  /** Repeated because their process crashed, or something could not be read. */
  repeated: number;
}

const RETRY_MS = 500;
const UNWRITABLE = { is: 'threw', name: 'Error', message: 'the parameters cannot be written as JSON', stack: '' } as const;
const JOB_CPU = 10;
const FEW = 16;

export class Runs {
  readonly stats: RunStats = { succeeded: 0, threw: 0, broke: 0, refused: 0, repeated: 0 };
  readonly #options: RunsOptions;
  readonly #queue: FairQueue<Run>;
  readonly #conducts = new Conducts();
  readonly #chains: Chains;
  readonly #refusals = new Refusals();
  readonly #idle: (() => void)[] = [];
  /** Resolves when a run has started. */
  #begun: PromiseWithResolvers<void> | undefined;
  #running = 0;
  /** Runs that have ended and are not recorded yet. */
  #finishing = 0;
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
   * Undefined if a change may fire the runnable now; else what to wait for before checking again. Each runnable may always have a few
   * waiting runs, so that others with many do not exclude it.
   */
  roomFor({ tenant, id }: Runnable): Promise<void> | undefined {
    const { maxFired } = this.#options;
    const own = this.#queue.waitingOf(tenant, id);
    if (own < Math.min(FEW, maxFired / 2) || (own < maxFired / 2 && this.#queue.waitingOf(tenant) < maxFired)) return undefined;
    this.#begun ??= Promise.withResolvers();
    return this.#begun.promise;
  }

  /** Resolves when the run has ended and its call is stored, or when it is left to another runner. */
  start(wanted: RunRequest): Promise<RunResult> {
    const now = performance.now();
    const suspendedMs = this.#conducts.of(keyOf(wanted.runnable)).suspendedUntil - now;
    const problem =
      suspendedMs > 0
        ? `it is suspended until ${new Date(Date.now() + suspendedMs).toISOString()}, because its last runs broke their limits`
        : this.#chains.problem(wanted.chain, wanted.depth, now);
    if (problem !== undefined) return this.#refuse(wanted, problem);
    return new Promise((resolve) => {
      const run = new Run(wanted, this.#options.limits.calls, resolve);
      this.#queue.add(run);
      if (this.#stopped) this.#leaveWaiting();
      else this.pump();
    });
  }

  /** Starts all runs that may start, once per turn: a write that fires a hundred scripts triggers one pass. */
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
      const { alone, suspect, memoryBytes } = this.#conducts.of(keyOf(run.request.runnable));
      run.alone = run.crashes > 0 || alone;
      run.suspect = suspect;
      run.memoryBytes = memoryBytes;
      return pool.hasRoom(run);
    };
    for (let run = this.#queue.next(hasRoom); run !== undefined; run = this.#queue.next(hasRoom)) this.#begin(run);
  }

  /** Starts no more runs, and leaves those that wait; resolves when none is running, and all that have ended are recorded. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leaveWaiting();
    if (this.#running + this.#finishing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #begin(run: Run): void {
    const { until = Number.POSITIVE_INFINITY } = run.request;
    if (performance.now() >= until) {
      this.#queue.ended(run);
      void this.#refuse(run.request, 'its caller stopped waiting before it could start').then(run.done);
      return;
    }
    const { limits, jobWallMs, pool } = this.#options;
    const wallMs = run.request.runnable.plural === 'jobs' ? jobWallMs : limits.wallMs;
    this.#running += 1;
    this.#begun?.resolve();
    this.#begun = undefined;
    run.startedAt = Date.now();
    run.startedAfter = performance.now();
    const place = pool.place(run, wallMs, {
      message: (message) => {
        switch (message.from) {
          case 'call':
            this.#call(run, message.name, message.json, (good, json) => place.reply(message.call, good, json));
            return;
          case 'log':
            this.#log(run, message.level, message.json);
            return;
          case 'stat':
            this.#options.stats.record(run.tenant, message.kind, message.name, message.value);
            return;
        }
      },
      ended: (ended) => void this.#ended(run, ended),
      crashed: (reason) => void this.#crashed(run, reason),
    });
    this.#argumentsOf(run).then(
      (args) => {
        if (args !== undefined) place.begin(this.#order(run, args));
        else if (place.release()) this.#again(run, RETRY_MS);
      },
      (error: unknown) => {
        this.#options.log.error('the parameters of a run cannot be written', { id: run.request.call, err: error });
        if (place.release()) void this.#ended(run, { outcome: UNWRITABLE, cpuMs: 0, memoryBytes: 0 });
      },
    );
  }

  #order(run: Run, args: string): Parameters<Reservation['begin']>[0] {
    const { runnable, call, http } = run.request;
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

  /** JSON of the parameters; undefined if a parent could not be read now. */
  async #argumentsOf(run: Run): Promise<string | undefined> {
    const { runnable, parameters } = run.request;
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
      run.callFailed ||= !answered.ok;
      const text = answered.ok ? answerText(answered.value) : undefined;
      if (text !== undefined) settle(true, text);
      else settle(false, JSON.stringify(answered.ok ? TOO_LARGE : { ...answered.error, message: sentenceOf(answered) }));
    });
    // Who fetches without awaiting the answer does not hold up the next run.
    this.#awaited(run, answer, name === 'fetch' ? run.outstanding : run.calling);
  }

  /** The run's call is recorded only after this work. A failure here is internal, and affects nothing else. */
  #awaited(run: Run, work: Promise<unknown>, among: Set<Promise<unknown>>): void {
    const done = work.then(
      () => {},
      (error: unknown) => this.#options.log.error('work of a run failed', { id: run.request.call, err: error }),
    );
    among.add(done);
    void done.then(() => among.delete(done));
  }

  #log(run: Run, level: RunnableLog['level'], json: string): void {
    run.logCount += 1;
    const { runnable } = run.request;
    const line = runnable.logging && run.logCount <= this.#options.limits.logLines ? lineOf(json) : undefined;
    if (line === undefined) return;
    // Fixed now: the record is made when the version is known, and by then there may be further lines.
    const written = { number: run.logCount, at: Date.now(), level, line };
    const kept = this.#kept(run, (version) =>
      this.#options.records.log({ tenant: run.tenant, scope: runnable.scope }, logRecord(run.request, written, version)),
    );
    this.#awaited(run, kept, run.outstanding);
  }

  /** Stores a record, with the id of the version that ran. */
  async #kept(run: Run, keep: (version: string | undefined) => Promise<Outcome<unknown>>): Promise<void> {
    const { runnable } = run.request;
    // One request for all records of the run, which are stored in order.
    run.version ??= this.#options.table(run.tenant)?.versionIdOf(runnable) ?? Promise.resolve(undefined);
    const kept = await keep(await run.version);
    if (!kept.ok) this.#options.log.warn('a record of a run is lost', { id: run.request.call, code: kept.failure.code });
  }

  async #ended(run: Run, { outcome, cpuMs, memoryBytes }: Pick<Ended, 'outcome' | 'cpuMs' | 'memoryBytes'>): Promise<void> {
    this.#conducts.ended(keyOf(run.request.runnable), { broke: outcome.is === 'broke', cpuMs, memoryBytes }, performance.now());
    if (outcome.is === 'returned') this.stats.succeeded += 1;
    else if (outcome.is === 'threw') this.stats.threw += 1;
    else this.stats.broke += 1;
    await this.#left(run, { outcome, error: errorOf(outcome, this.#options.limits) }, { cpuMs, memoryBytes });
  }

  /**
   * Its process has crashed. If others ran in it, the cause is unknown, and the run is repeated alone. If it was alone, it is the cause.
   */
  async #crashed(run: Run, reason: string): Promise<void> {
    if (!run.alone || run.crashes === 0) {
      run.crashes += 1;
      this.#again(run, 0);
      return;
    }
    this.#conducts.ended(keyOf(run.request.runnable), { broke: true, cpuMs: 0, memoryBytes: 0 }, performance.now());
    this.stats.broke += 1;
    const message = `the process of the run ended: ${reason}`;
    const outcome = { is: 'threw', name: 'Error', message, stack: '' } as const;
    await this.#left(run, { outcome, error: { message, stack: '' } }, {});
  }

  #again(run: Run, afterMs: number): void {
    this.stats.repeated += 1;
    run.acting.ids.again();
    run.logCount = 0;
    run.calls = this.#options.limits.calls;
    const back = (): void => {
      this.#queue.again(run);
      if (this.#stopped) this.#leaveWaiting();
      this.#rest();
      this.pump();
    };
    if (afterMs === 0) back();
    else setTimeout(back, afterMs);
  }

  /**
   * Its place is free now, its key when its calls are answered: a write that is still tried would come after those of the next run. If it
   * may have left something undone, then when it is recorded: until then it is repeated if this process is killed.
   */
  #left(run: Run, result: RunResult, cost: Pick<RunCost, 'cpuMs' | 'memoryBytes'>): Promise<void> {
    this.#finishing += 1;
    this.#queue.ended(run);
    this.#rest();
    const recorded = this.#finish(run, result, cost);
    const isWhole = (): boolean => result.outcome.is === 'returned' && !run.callFailed;
    void Promise.all(run.calling)
      .then(() => (isWhole() ? undefined : recorded))
      .then(() => {
        this.#queue.settled(run);
        this.pump();
      });
    return recorded;
  }

  #rest(): void {
    this.#running -= 1;
    this.#tellIdle();
    this.pump();
  }

  #tellIdle(): void {
    if (this.#running + this.#finishing === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Waits for everything that the run has sent, because a call is recorded after its logs. */
  async #finish(run: Run, result: RunResult, cost: Pick<RunCost, 'cpuMs' | 'memoryBytes'>): Promise<void> {
    await Promise.all([...run.calling, ...run.outstanding]);
    const { startedAt, startedAfter, logCount } = run;
    try {
      await this.#record(run.request, result, { startedAt, logCount, ...cost }, performance.now() - startedAfter);
    } catch (error) {
      this.#options.log.error('a runnable call is lost', { id: run.request.call, err: error });
    }
    run.done(result);
    this.#finishing -= 1;
    this.#tellIdle();
  }

  #leaveWaiting(): void {
    for (const run of this.#queue.takeWaiting()) {
      this.#finishing += 1;
      void this.#leave(run);
    }
  }

  /** A run that no other runner takes, although its caller was told that it would be, is recorded as a failure. */
  async #leave({ request, crashes, startedAt, done }: Run): Promise<void> {
    try {
      if ((await request.handOver?.()) === false) {
        this.stats.refused += 1;
        const error = { message: 'its runner ended before it did, and no other one took it', stack: '' };
        const outcome = { is: 'refused', problem: error.message } as const;
        await this.#record(request, { outcome, error }, { startedAt: startedAt || Date.now(), logCount: 0 }, 0);
      }
    } catch (error) {
      this.#options.log.error('a waiting run is lost', { id: request.call, err: error });
    }
    done({ outcome: { is: 'left', begun: crashes > 0 }, error: null });
    this.#finishing -= 1;
    this.#tellIdle();
  }

  async #refuse(wanted: RunRequest, problem: string): Promise<RunResult> {
    this.stats.refused += 1;
    const result: RunResult = { outcome: { is: 'refused', problem }, error: { message: problem, stack: '' } };
    if (this.#refusals.isToBeRecorded(wanted.runnable.id, performance.now()))
      await this.#record(wanted, result, { startedAt: Date.now(), logCount: 0 }, 0);
    return result;
  }

  async #record(wanted: RunRequest, result: RunResult, cost: RunCost, ms: number): Promise<void> {
    const { tenant, scope } = wanted.runnable;
    const version = await this.#options.table(tenant)?.versionIdOf(wanted.runnable);
    const kept = await this.#options.records.call({ tenant, scope }, callRecord(wanted, result, cost, { ms, version }));
    if (!kept.ok) this.#options.log.warn('a runnable call is lost', { id: wanted.call, code: kept.failure.code });
  }
}

const keyOf = ({ tenant, id, version }: Runnable): string => JSON.stringify([tenant, id, version]);

const sentenceOf = ({ error }: Extract<PostResult, { readonly ok: false }>): string => error.message ?? error.name;
