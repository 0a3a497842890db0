/** The inputs and effects of the executor machine. Plain data: a record of both is a transcript. */
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import type { Outcome } from '@polyedge/contracts/errors';
import { type CallEffect, callFunction, type Procedure } from '@polyedge/journal/procedure';
import type { Committed } from '../publisher/recent.ts';

/** Requests of one connection, in order. They are applied in one batch, each independently. */
export interface Submission {
  readonly tenant: string;
  /** The scope of elements created without one. */
  readonly defaultScope: string;
  readonly requests: readonly MutationRequest[];
  /** Bytes of the requests' JSON. */
  readonly bytes: number;
  /** On the machine's clock: requests that have not started by then are answered with `expired`. */
  readonly deadline: number;
  /** Created by the store itself, so it may write the system scope. */
  readonly trusted?: boolean;
}

/** The outcomes are in the order of the requests. `busy` as a whole: nothing was done. */
export type BatchReply = Outcome<{ readonly epoch: string; readonly outcomes: MutationOutcome[] }>;

/** Large values have their own lane, so that small writes never share a batch with them. The lanes are as independent as two replicas. */
export type LaneName = 'small' | 'large';

/** A request of a batch. */
export interface Item {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly request: MutationRequest;
}

/** The result of a batch. */
export type Ran =
  | {
      readonly is: 'committed';
      readonly epoch: string;
      readonly outcomes: readonly MutationOutcome[];
      /** The changes of the batch, ready to be published. */
      readonly changes: readonly Committed[];
    }
  /** It conflicted with a batch of another replica, and was rolled back. */
  | { readonly is: 'collision' }
  /** The database rejected one of its values; it was rolled back. */
  | { readonly is: 'value' }
  /** It waited too long for locks, and was rolled back. */
  | { readonly is: 'load' }
  /** It never reached the database. */
  | { readonly is: 'not-connected' }
  /**
   * No confirmation arrived. `refusals`: by the request's index, the failures determined before the COMMIT, which are valid if it was
   * committed.
   */
  | { readonly is: 'unknown'; readonly refusals: readonly (MutationOutcome | undefined)[] };

export type ExecutorCall =
  /** Run one batch. `exclusive`: while no other batch runs anywhere. Each lane runs one at a time. */
  | { readonly call: 'run'; readonly lane: LaneName; readonly items: readonly Item[]; readonly exclusive: boolean }
  /** Look up what was committed of the lane's last batch. */
  | { readonly call: 'look-up'; readonly lane: LaneName }
  | { readonly call: 'pause'; readonly ms: number };

export interface ExecutorReplies {
  readonly run: Ran;
  /** The outcomes found by operation id, by the request's index. */
  readonly 'look-up': { readonly epoch: string; readonly found: readonly (MutationOutcome | undefined)[] };
  readonly pause: undefined;
}

export type ExecutorInput =
  /** @param wall milliseconds since 1970 */
  | { readonly kind: 'submit'; readonly message: number; readonly submission: Submission; readonly wall: number }
  /** Everything that arrived in the same turn as the lane's first message has been read. */
  | { readonly kind: 'begin'; readonly lane: LaneName }
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome<unknown> }
  /** The process is shutting down: nothing more is accepted. */
  | { readonly kind: 'stop' };

export type ExecutorEffect =
  | CallEffect<ExecutorCall>
  /** Request the input `begin` once everything that has arrived is read. */
  | { readonly do: 'begin-soon'; readonly lane: LaneName }
  /** A batch was committed; precedes the answers to its requests, in the order of commits. */
  | { readonly do: 'committed'; readonly changes: readonly Committed[] }
  | { readonly do: 'answer'; readonly message: number; readonly answer: BatchReply }
  /** Requests begin to be rejected, or are accepted again. */
  | { readonly do: 'overload'; readonly overloaded: boolean }
  /** All accepted messages are answered, and no more are accepted. */
  | { readonly do: 'stopped' };

/** Work of the executor that takes several calls, and how it makes one. */
export type ExecutorProcedure<Result = void> = Procedure<ExecutorCall, Result>;
export const call = callFunction<ExecutorCall, ExecutorReplies>();
