/** A worker of `npm run soak -- simulate`, on a core of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SystemBug } from './planted.ts';
import { SystemWorld } from './system-world.ts';

export interface WorkerTask {
  /** The number of histories from `first`; with `bug`, the worker stops when one has found it. */
  readonly first: number;
  readonly count: number;
  /** The number of histories begun by all workers together: each worker takes the next one. */
  readonly begun: Int32Array;
  readonly events: number;
  readonly bug?: SystemBug;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Events of each history. */
export interface WorkerTold {
  readonly seed: number;
  readonly problem: string | undefined;
  readonly counts: Readonly<Record<string, number>>;
}

// Set by soak/simulate.ts.
const { first, count, begun, events, bug, until } = workerData as WorkerTask;
for (let at = Atomics.add(begun, 0, 1); at < count && Date.now() < until; at = Atomics.add(begun, 0, 1)) {
  const seed = first + at;
  const { problem, counts } = await new SystemWorld({ seed, events, ...(bug === undefined ? {} : { bug }) }).run();
  parentPort?.postMessage({ seed, problem, counts } satisfies WorkerTold);
  if (bug !== undefined && problem !== undefined) break;
}
