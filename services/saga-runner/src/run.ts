/** One run, from the service's side: the request, its context, and its state so far. */
import type { RunnableCall } from '@polyedge/contracts/bus/runnables';
import type { JsonObject } from '@polyedge/query/json';
import type { Acting } from './api/context.ts';
import type { Queued } from './fair-queue.ts';
import type { RunOutcome } from './isolate/messages.ts';
import type { Placed } from './pool.ts';
import { creatorOf, type Runnable } from './runnable.ts';
import type { Parameter } from './triggers.ts';
import { OperationIds } from './writing.ts';

/** A requested run. */
export interface RunRequest {
  readonly runnable: Runnable;
  /** The id of its runnable call: the same for every repeat. */
  readonly call: string;
  /** The seed of its writes' operation ids, and their time. */
  readonly seed: string;
  readonly at: number;
  readonly parameters: readonly Parameter[];
  readonly context: JsonObject;
  readonly orderKey: string | undefined;
  readonly property: string | undefined;
  readonly depth: number;
  readonly chain: string;
  readonly parentCall: string | undefined;
  readonly testData: boolean;
  readonly http: boolean;
  /**
   * If this runner ends before the run does: gives it to another one under the same call, and returns whether that took it. Without it, it
   * ends as `left`.
   */
  readonly handOver?: () => Promise<boolean>;
  /** When its caller stops waiting, on the clock of `performance.now()`: it is not started any more then. Default: never. */
  readonly until?: number;
}

export interface RunResult {
  /** `left`: its runner ends, and does not carry it out. It may have begun, and then its process crashed. */
  readonly outcome: RunOutcome | { readonly is: 'refused'; readonly problem: string } | { readonly is: 'left'; readonly begun: boolean };
  /** The error of its call; undefined if it succeeded. */
  readonly error: RunnableCall['error'];
}

export class Run implements Queued, Placed {
  readonly request: RunRequest;
  readonly tenant: string;
  readonly runnable: string;
  readonly orderKey: string | undefined;
  readonly acting: Acting;
  readonly done: (result: RunResult) => void;
  /** Remaining calls of the API: the process counts too, but is not trusted. */
  calls: number;
  /** Calls of the API without an answer: a script may end without awaiting its writes, and so does one whose process crashes. */
  readonly calling = new Set<Promise<unknown>>();
  /** Its records that are not stored yet, and its `fetch` calls, for which the next run does not wait. */
  readonly outstanding = new Set<Promise<unknown>>();
  /** A call of the API failed: repeated, it could succeed. */
  callFailed = false;
  version: Promise<string | undefined> | undefined;
  /** In milliseconds since 1970. */
  startedAt = 0;
  /** The same on the clock of `performance.now()`. */
  startedAfter = 0;
  logCount = 0;
  crashes = 0;
  alone = true;
  suspect = false;
  memoryBytes = 0;

  constructor(wanted: RunRequest, calls: number, done: (result: RunResult) => void) {
    const { runnable, property, call, depth, chain, testData, seed, at } = wanted;
    this.request = wanted;
    this.tenant = runnable.tenant;
    this.runnable = runnable.id;
    this.orderKey = wanted.orderKey;
    this.calls = calls;
    this.done = done;
    this.acting = {
      tenant: runnable.tenant,
      scope: runnable.scope,
      creator: { ...creatorOf(runnable), ...(property === undefined ? {} : { property }) },
      mark: { call, depth, chain },
      testData,
      ids: new OperationIds(seed, at),
    };
  }
}
