/** One run in one context: its messages in both directions, and the limits that end it. */
import ivm from 'isolated-vm';
import type { Isolates, Warm } from './isolates.ts';
import type { FromProcess, Limit, RunOutcome, ToProcess } from './messages.ts';
import { answerSynchronously } from './synchronous-calls.ts';

export type Order = Extract<ToProcess, { readonly to: 'run' }>;

export interface RunOptions {
  readonly isolates: Isolates;
  send(message: FromProcess): void;
  bundleOf(hash: string): string | undefined;
  /** A disposed isolate is still running. */
  stuck(): void;
}

/** CPU time of this process until a disposed isolate must have stopped: on a busy machine, wall-clock time would say little. */
const STUCK_MS = 1500;
const MAX_TIMERS = 1000;
const MAX_HEADERS = 64;
/** Interval of measuring the memory of an isolate, in runs. */
const LOOK_EVERY = 8;
/** Maximum length of one log line with its values, as JSON. */
const MAX_LINE = 500_000;
const MAX_CALL_BYTES = 4 * 1024 * 1024;
/**
 * CPU time, in milliseconds, that crossing the isolate's border costs this process in addition to the isolate's own: measured 0.01 to 0.02.
 * Otherwise a script that only sets timers could use a whole CPU and seem idle.
 */
const CROSSING_MS = 0.015;
const LEVELS = ['log', 'info', 'warn', 'error', 'debug'] as const;
const STATS = ['count', 'histogram', 'gauge', 'set'] as const;

/** The sandbox's function that takes the answer of an API call or, with an id alone, a timer that is due. */
type Deliver = (id: number, good?: boolean, json?: string) => unknown;

export class OneRun {
  readonly #order: Order;
  readonly #options: RunOptions;
  readonly #began = performance.now();
  readonly #timers = new Map<number, NodeJS.Timeout>();
  #warm: Warm | undefined;
  #cpuBefore = 0n;
  /** CPU time used for the run outside of its isolate. */
  #outsideMs = 0;
  #cpuMs = 0;
  #deliverInside: ivm.Reference<Deliver> | undefined;
  #broke: Limit | undefined;
  #threw: RunOutcome | undefined;
  #ended = false;
  #calls = 0;
  #second = 0;
  #callsInSecond = 0;
  #logLines = 0;
  #logBytes = 0;

  constructor(order: Order, options: RunOptions) {
    this.#order = order;
    this.#options = options;
  }

  async carryOut(): Promise<void> {
    const { isolates, send } = this.#options;
    const { key, limits, run } = this.#order;
    const warm = isolates.take(key, limits.memoryMb);
    this.#warm = warm;
    this.#cpuBefore = warm.isolate.cpuTime;
    let context: ivm.Context | undefined;
    let outcome: RunOutcome;
    try {
      // Until the untrusted code starts, only our own fast code runs: switching to another thread and back would cost more.
      context = warm.isolate.createContextSync();
      outcome = await this.#inside(warm, context);
    } catch (error) {
      outcome = this.#failure(warm, error);
    }
    this.#ended = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    const ended = warm.isolate.isDisposed;
    if (!ended) this.#cpuMs = this.#cpu();
    // Measuring costs as much as a small run.
    if (!ended && warm.runs % LOOK_EVERY === 0) warm.memoryBytes = await heldBy(warm);
    const { memoryBytes } = warm;
    const clean = outcome.is === 'returned' && memoryBytes < (limits.memoryMb * 1024 * 1024) / 2;
    if (!ended) context?.release();
    isolates.release(warm, clean);
    send({ from: 'done', run, outcome, cpuMs: this.#cpuMs, memoryBytes: Math.round(memoryBytes) });
  }

  /** The CPU time of this run so far; a disposed isolate cannot be queried any more. */
  #cpu(): number {
    if (this.#warm === undefined || this.#warm.isolate.isDisposed) return this.#cpuMs;
    return Math.max(0, Number(this.#warm.isolate.cpuTime - this.#cpuBefore) / 1e6) + this.#outsideMs;
  }

  /** Delivers the answer of an API call. */
  settle(call: number, good: boolean, json: string): void {
    this.#deliver(call, good, json);
  }

  /** Ends the run if it exceeds a limit. Called periodically while it runs. */
  look(): void {
    const { wallMs, cpuMs } = this.#order.limits;
    if (this.#ended || this.#broke !== undefined) return;
    this.#cpuMs = this.#cpu();
    if (performance.now() - this.#began > wallMs) this.#end('wall clock');
    else if (this.#cpuMs > cpuMs) this.#end('cpu');
  }

  async #inside(warm: Warm, context: ivm.Context): Promise<RunOutcome> {
    const { source, file, args, kind, current, limits } = this.#order;
    const boot: ivm.Reference<(...args: unknown[]) => Deliver> = context.global.getSync('__boot', { reference: true });
    const host = new ivm.Callback((what: unknown, id: unknown, name: unknown, json: unknown) => this.#host(what, id, name, json));
    this.#deliverInside = boot.applySync(undefined, [host, JSON.stringify(current), args, kind], { result: { reference: true } });
    // The script starts itself: to fetch its function first would switch threads twice more.
    warm.script ??= await warm.isolate.compileScript(`__start(${source})`, { filename: file, lineOffset: -1 });
    const result: unknown = await warm.script.run(context, { timeout: limits.wallMs, promise: true, copy: true });
    if (this.#broke !== undefined) return { is: 'broke', limit: this.#broke };
    if (this.#threw !== undefined) return this.#threw;
    if (typeof result !== 'string') return { is: 'threw', name: 'Error', message: 'the run has no result', stack: '' };
    if (result.length > limits.resultBytes * 1.4 + 4096) return { is: 'broke', limit: 'result' };
    return outcomeOf(JSON.parse(result), file);
  }

  #failure(warm: Warm, error: unknown): RunOutcome {
    if (this.#broke !== undefined) return { is: 'broke', limit: this.#broke };
    if (this.#threw !== undefined) return this.#threw;
    const message = error instanceof Error ? error.message : String(error);
    if (warm.isolate.isDisposed) return { is: 'broke', limit: 'memory' };
    if (message === 'Script execution timed out.') return { is: 'broke', limit: 'wall clock' };
    return threw(
      error instanceof Error ? error.name : 'Error',
      message,
      error instanceof Error ? (error.stack ?? '') : '',
      this.#order.file,
    );
  }

  #end(limit: Limit): void {
    if (this.#ended || this.#broke !== undefined) return;
    this.#broke = limit;
    this.#dispose();
  }

  #dispose(): void {
    const before = processorMs();
    const looking = setInterval(() => {
      if (this.#ended) clearInterval(looking);
      else if (processorMs() - before >= STUCK_MS) this.#options.stuck();
    }, STUCK_MS / 5);
    looking.unref();
    if (this.#warm?.isolate.isDisposed === false) this.#warm.isolate.dispose();
  }

  /** Delivers a message to the isolate. An exception of its code then ends the run, as it would end a program. */
  #deliver(...args: Parameters<Deliver>): void {
    if (this.#ended || this.#broke !== undefined || this.#deliverInside === undefined) return;
    this.#outsideMs += CROSSING_MS;
    this.#deliverInside.apply(undefined, args, { timeout: this.#order.limits.wallMs }).catch((error: unknown) => {
      if (this.#ended || this.#broke !== undefined || this.#warm === undefined) return;
      this.#threw ??= this.#failure(this.#warm, error);
      this.#dispose();
    });
  }

  /** Handles a call from the sandbox; returns a text synchronously, or nothing. */
  #host(what: unknown, id: unknown, name: unknown, json: unknown): string | undefined {
    if (this.#ended || this.#broke !== undefined) return undefined;
    if (typeof what !== 'string' || typeof id !== 'number' || typeof name !== 'string' || typeof json !== 'string') return undefined;
    this.#outsideMs += CROSSING_MS;
    switch (what) {
      case 'call':
        return this.#call(id, name, json);
      case 'log':
        return this.#log(name, json);
      case 'stat':
        return this.#stat(name, json);
      case 'timer':
        return this.#timer(id, Number(json));
      case 'clear':
        clearTimeout(this.#timers.get(id));
        this.#timers.delete(id);
        return undefined;
      case 'package':
        return this.#package(json);
      default:
        return this.#answer(what, json);
    }
  }

  /** Whether one more call is within the limits. */
  #counted(): boolean {
    const { calls, callsPerSecond } = this.#order.limits;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#callsInSecond = 0;
    }
    this.#calls += 1;
    this.#callsInSecond += 1;
    if (this.#calls > calls) this.#end('calls');
    else if (this.#callsInSecond > callsPerSecond) this.#end('calls per second');
    return this.#broke === undefined;
  }

  #call(call: number, name: string, json: string): undefined {
    if (json.length > MAX_CALL_BYTES) this.#end('calls');
    else if (this.#counted()) this.#options.send({ from: 'call', run: this.#order.run, call, name: name.slice(0, 64), json });
    return undefined;
  }

  /** The isolate waits for the result, and so does the whole process: the work is bounded, and counts as the run's own. */
  #answer(what: string, json: string): string {
    if (json.length > MAX_CALL_BYTES) this.#end('calls');
    if (!this.#counted()) return 'null';
    const began = performance.now();
    const answer = answerSynchronously(what, json);
    this.#outsideMs += performance.now() - began;
    return answer;
  }

  #log(name: string, json: string): undefined {
    const level = LEVELS.find((known) => known === name);
    if (level === undefined) return undefined;
    const { logLines, logBytes } = this.#order.limits;
    this.#logLines += 1;
    this.#logBytes += json.length;
    if (this.#logLines > logLines || this.#logBytes > logBytes || json.length > MAX_LINE) this.#end('log');
    else this.#options.send({ from: 'log', run: this.#order.run, level, json });
    return undefined;
  }

  #stat(name: string, json: string): undefined {
    const kind = STATS.find((known) => known === name);
    if (kind === undefined || json.length > 1024 || !this.#counted()) return undefined;
    const [stat, value]: unknown[] = JSON.parse(json);
    if (typeof stat !== 'string' || typeof value !== 'number') return undefined;
    this.#options.send({ from: 'stat', run: this.#order.run, kind, name: stat.slice(0, 128), value });
    return undefined;
  }

  #timer(id: number, ms: number): undefined {
    if (this.#timers.size >= MAX_TIMERS) {
      this.#end('timers');
      return undefined;
    }
    const timer = setTimeout(
      () => {
        this.#timers.delete(id);
        this.#deliver(id);
      },
      Math.min(Math.max(0, ms), 600_000),
    );
    this.#timers.set(id, timer);
    return undefined;
  }

  #package(json: string): string {
    const [name]: unknown[] = JSON.parse(json);
    const { packages } = this.#order;
    const hash = typeof name === 'string' && Object.hasOwn(packages, name) ? packages[name] : undefined;
    return JSON.stringify((hash === undefined ? undefined : this.#options.bundleOf(hash)) ?? null);
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface HttpAnswer {
  readonly status: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** An invalid answer is the script's mistake, not a failure of this process. */
function answerOf({ status, headers, body }: HttpAnswer, file: string): RunOutcome {
  const known = typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 599;
  if (!known || typeof body !== 'string') return threw('RangeError', 'the answer has no status from 100 to 599', '', file);
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {}).slice(0, MAX_HEADERS)) {
    if (typeof value === 'string' && name.length <= 256 && value.length <= 8192) texts[name] = value;
  }
  return { is: 'returned', response: { status, headers: texts, body } };
}

async function heldBy({ isolate }: Warm): Promise<number> {
  const heap = await isolate.getHeapStatistics().catch(() => undefined);
  return heap === undefined ? 0 : heap.used_heap_size + heap.externally_allocated_size;
}

function outcomeOf(result: unknown, file: string): RunOutcome {
  // The sandbox wrote this text; a script that forged it would only misreport its own run, and the service validates its form.
  const { ok, response, error } = result as {
    ok?: boolean;
    response?: HttpAnswer;
    error?: { name: string; message: string; stack: string };
  };
  if (ok === true) return response === undefined ? { is: 'returned' } : answerOf(response, file);
  return threw(error?.name ?? 'Error', error?.message ?? '', error?.stack ?? '', file);
}

/** Only lines of the runnable itself: others are not the author's, and do not help. The call that starts it has the file, but no line. */
function threw(name: string, message: string, stack: string, file: string): RunOutcome {
  const own = stack.split('\n').filter((line) => line.includes(`${file}:`));
  const bounded = (text: string): string => text.slice(0, 16_000);
  return {
    is: 'threw',
    name: bounded(name).slice(0, 256),
    message: bounded(message),
    stack: bounded([`${name}: ${message}`, ...own].join('\n')),
  };
}
