/** Runs every n-th history of the simulated system, for `npm run soak -- simulate`. */
import { parentPort, workerData } from 'node:worker_threads';
import { SystemWorld } from './system-world.ts';

export interface WorkerTask {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly events: number;
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
const task = workerData as WorkerTask;
for (let at = 0; at < task.count && Date.now() < task.until; at += 1) {
  const seed = task.first + at * task.step;
  const { problem, counts } = await new SystemWorld({ seed, events: task.events }).run();
  parentPort?.postMessage({ seed, problem, counts } satisfies WorkerTold);
}
