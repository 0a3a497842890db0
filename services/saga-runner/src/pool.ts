/**
 * The processes of isolates. A process serves one tenant. Runnables known to be fast share a few processes; every other run has its own, at
 * a lower priority. If a process crashes, its runs are repeated, each alone, to find the one that caused it.
 */
import { setPriority } from 'node:os';
import type { Ended, ToProcess } from './isolate/messages.ts';
import { IsolateProcess, type ProcessMessage } from './isolate-process.ts';

export type Order = Extract<ToProcess, { readonly to: 'run' }>;

export interface Placed {
  readonly tenant: string;
  /** Runs in its own process. */
  readonly alone: boolean;
  /** Broke a limit last time: the last place is reserved for others. */
  readonly suspect: boolean;
  /** Memory that it is expected to take. */
  readonly memoryBytes: number;
}

export interface RunHandler {
  message(message: Exclude<ProcessMessage, { readonly from: 'ready' | 'done' }>): void;
  ended(ended: Ended): void;
  /** Its process has crashed. */
  crashed(reason: string): void;
}

/** A reserved place in a process. */
export interface Reservation {
  begin(order: Omit<Order, 'to' | 'run'>): void;
  /** Delivers the answer of an API call to the run. */
  reply(call: number, good: boolean, json: string): void;
  /** Gives the place back; nothing was started. False if its process has crashed, and `crashed` was called. */
  release(): boolean;
}

export interface PoolOptions {
  /** Maximum processes for fast runnables, and for runs that are alone. */
  readonly shared: number;
  readonly alone: number;
  /** Concurrent runs in one shared process. */
  readonly perProcess: number;
  /** A place may be free now. */
  onRoom(): void;
  onEnd(reason: string): void;
  bundle(hash: string): string | undefined;
}

export interface PoolStats {
  started: number;
  /** Crashed, or killed because a run in them was in doubt. */
  lost: number;
}

interface Active {
  readonly handler: RunHandler;
  readonly until: number;
  readonly suspect: boolean;
  readonly memoryBytes: number;
}

interface Place {
  readonly process: IsolateProcess;
  readonly alone: boolean;
  /** Undefined for a spare one, whose tenant is not known yet. */
  tenant: string | undefined;
  readonly runs: Map<number, Active>;
  readonly bundles: Set<string>;
}

/** Beyond a run's own time limit: for the process to start, and to end the run itself. */
const GRACE_MS = 8000;
const LOW_PRIORITY = 15;
/** Maximum expected memory of the runs that share a process, half of what a process may take: idle isolates and garbage take it as well. */
const SHARED_BYTES = 512 * 1024 * 1024;
const LOOK_MS = 500;

export class Pool {
  readonly stats: PoolStats = { started: 0, lost: 0 };
  readonly #options: PoolOptions;
  readonly #places = new Set<Place>();
  /** A spare process for the next run that is alone: starting one takes a quarter of a second of CPU time. */
  #spare: Place | undefined;
  readonly #look: NodeJS.Timeout;
  #runs = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#look = setInterval(() => this.#overdue(), LOOK_MS);
  }

  get size(): number {
    return this.#places.size;
  }

  get running(): number {
    let sum = 0;
    for (const { runs } of this.#places) sum += runs.size;
    return sum;
  }

  hasRoom(run: Placed): boolean {
    if (run.alone && run.suspect && this.#suspects() >= Math.max(1, this.#options.alone - 1)) return false;
    return (
      !this.#closed &&
      (this.#free(run) !== undefined || this.#count(run.alone) < this.#most(run.alone) || this.#idle(run.alone) !== undefined)
    );
  }

  /** Reserves a place for a run. Exactly one of `ended` and `crashed` follows, unless it is given back. */
  place(run: Placed, wallMs: number, handler: RunHandler): Reservation {
    let place = this.#free(run);
    if (place === undefined) {
      if (this.#count(run.alone) >= this.#most(run.alone)) this.#idle(run.alone)?.process.end('another tenant needs the place');
      place = this.#taken(run);
    }
    const { process, runs, bundles } = place;
    this.#runs += 1;
    const id = this.#runs;
    const { memoryBytes } = run;
    runs.set(id, { handler, until: performance.now() + wallMs + GRACE_MS, suspect: run.alone && run.suspect, memoryBytes });
    return {
      begin: (order) => {
        for (const hash of Object.values(order.packages)) {
          const code = bundles.has(hash) ? undefined : this.#options.bundle(hash);
          if (code === undefined) continue;
          bundles.add(hash);
          process.send({ to: 'bundle', hash, code });
        }
        process.send({ to: 'run', run: id, ...order });
      },
      reply: (call, good, json) => process.send({ to: 'settle', run: id, call, good, json }),
      release: () => {
        const isReserved = runs.delete(id);
        if (isReserved) this.#options.onRoom();
        return isReserved;
      },
    };
  }

  /** Starts the processes that the first runs would wait for. */
  warm(tenants: readonly string[]): void {
    for (let count = this.#count(false); count < this.#options.shared; count += 1) {
      this.#places.add(this.#start(tenants[count % tenants.length], false));
    }
    this.#keepSpare();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#look);
    this.#spare?.process.end('the service ends');
    for (const { process } of [...this.#places]) process.end('the service ends');
  }

  #suspects(): number {
    let count = 0;
    for (const { runs } of this.#places) for (const { suspect } of runs.values()) if (suspect) count += 1;
    return count;
  }

  #most = (alone: boolean): number => (alone ? this.#options.alone : this.#options.shared);

  #count(alone: boolean): number {
    let count = 0;
    for (const place of this.#places) if (place.alone === alone) count += 1;
    return count;
  }

  #free({ tenant, alone, memoryBytes }: Omit<Placed, 'suspect'>): Place | undefined {
    let best: Place | undefined;
    for (const place of this.#places) {
      if (place.alone !== alone || place.tenant !== tenant || place.runs.size >= (alone ? 1 : this.#options.perProcess)) continue;
      if (place.runs.size > 0 && bytesOf(place) + memoryBytes > SHARED_BYTES) continue;
      if (best === undefined || place.runs.size < best.runs.size) best = place;
    }
    // A second process is started when the first is busy, not while it is starting.
    if (best !== undefined && !alone && best.runs.size >= this.#options.perProcess / 2 && this.#count(false) < this.#options.shared)
      return undefined;
    return best;
  }

  #idle(alone: boolean): Place | undefined {
    for (const place of this.#places) if (place.alone === alone && place.runs.size === 0) return place;
    return undefined;
  }

  /** The spare process, if allowed, or a new one. */
  #taken({ tenant, alone }: Pick<Placed, 'tenant' | 'alone'>): Place {
    const spare = alone ? this.#spare : undefined;
    const place = spare ?? this.#start(tenant, alone);
    place.tenant = tenant;
    if (spare !== undefined) this.#spare = undefined;
    this.#places.add(place);
    if (alone) this.#keepSpare();
    return place;
  }

  #keepSpare(): void {
    if (!this.#closed) this.#spare ??= this.#start(undefined, true);
  }

  #start(tenant: string | undefined, alone: boolean): Place {
    const runs = new Map<number, Active>();
    const process = new IsolateProcess({
      message: (message) => this.#message(place, message),
      ended: (reason) => this.#ended(place, reason),
    });
    const place: Place = { process, alone, tenant, runs, bundles: new Set() };
    this.stats.started += 1;
    if (alone && process.pid !== undefined) lower(process.pid);
    return place;
  }

  #message(place: Place, message: ProcessMessage): void {
    if (message.from === 'ready') return;
    const active = place.runs.get(message.run);
    // A message about an unknown run is ignored.
    if (active === undefined) return;
    if (message.from !== 'done') {
      active.handler.message(message);
      return;
    }
    place.runs.delete(message.run);
    active.handler.ended(message);
    // Its isolate is disposed, but the process may keep some of the memory that it allocated.
    if (place.alone && message.outcome.is === 'broke' && message.outcome.limit === 'memory')
      place.process.end('a run took too much memory');
    this.#options.onRoom();
  }

  #ended(place: Place, reason: string): void {
    this.#places.delete(place);
    if (this.#closed) return;
    if (place === this.#spare) {
      // The next run that needs one starts it.
      this.#spare = undefined;
      this.#options.onEnd(reason);
      return;
    }
    if (place.runs.size > 0) {
      this.stats.lost += 1;
      this.#options.onEnd(reason);
    }
    const runs = [...place.runs.values()];
    place.runs.clear();
    for (const { handler } of runs) handler.crashed(reason);
    this.#options.onRoom();
  }

  #overdue(): void {
    const now = performance.now();
    for (const place of [...this.#places]) {
      for (const { until } of place.runs.values()) {
        if (now > until) {
          place.process.end('it did not end a run in time');
          break;
        }
      }
    }
  }
}

function bytesOf({ runs }: Place): number {
  let sum = 0;
  for (const { memoryBytes } of runs.values()) sum += memoryBytes;
  return sum;
}

function lower(pid: number): void {
  try {
    setPriority(pid, LOW_PRIORITY);
  } catch {
    // It has already exited.
  }
}
