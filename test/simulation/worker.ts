/** Runs a part of what `npm run soak -- simulate` does, on a core of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SystemBug } from './planted.ts';
import { SystemWorld } from './system-world.ts';

export interface WorkerTask {
  /** So many histories from `first`; with `bug`, until one of them finds it. */
  readonly first: number;
  readonly count: number;
  /** How many of them were begun, by all workers together: each takes the next one. */
  readonly begun: Int32Array;
  readonly events: number;
  readonly bug?: SystemBug;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Of each history. */
export interface WorkerTold {
  readonly seed: number;
  readonly problem: string | undefined;
  readonly counts: Readonly<Record<string, number>>;
}

// Given by soak/simulate.ts.
const { first, count, begun, events, bug, until } = workerData as WorkerTask;
for (let at = Atomics.add(begun, 0, 1); at < count && Date.now() < until; at = Atomics.add(begun, 0, 1)) {
  const seed = first + at;
  const { problem, counts } = await new SystemWorld({ seed, events, ...(bug === undefined ? {} : { bug }) }).run();
  parentPort?.postMessage({ seed, problem, counts } satisfies WorkerTold);
  if (bug !== undefined && problem !== undefined) break;
}
