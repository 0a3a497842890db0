/** Runs a part of what `npm run soak -- simulate` does, on a core of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SystemBug } from './planted.ts';
import { SystemWorld } from './system-world.ts';

export interface WorkerTask {
  /** Every `step`-th history from `first`; with `bug`, until one of them finds it. */
  readonly first: number;
  readonly step: number;
  readonly count: number;
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
const { first, step, count, events, bug, until } = workerData as WorkerTask;
for (let at = 0; at < count && Date.now() < until; at += 1) {
  const seed = first + at * step;
  const { problem, counts } = await new SystemWorld({ seed, events, ...(bug === undefined ? {} : { bug }) }).run();
  parentPort?.postMessage({ seed, problem, counts } satisfies WorkerTold);
  if (bug !== undefined && problem !== undefined) break;
}
