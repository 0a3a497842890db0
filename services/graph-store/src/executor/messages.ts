/** What can happen to the executor machine, and what it asks its driver to do. Plain data: a history of both is a transcript. */
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import type { Outcome } from '@polyedge/contracts/errors';
import { type Procedure as AnyProcedure, asking, type CallEffect } from '@polyedge/journal/procedure';
import type { Committed } from '../publisher/recent.ts';

/** Requests of one connection, in order. They are applied in one batch, each for itself. */
export interface Submission {
  readonly tenant: string;
  /** The scope of elements that are created without one. */
  readonly defaultScope: string;
  readonly requests: readonly MutationRequest[];
  /** Bytes of the requests' JSON. */
  readonly bytes: number;
  /** On the machine's clock: what is not begun by then is answered `expired`. */
  readonly deadline: number;
  /** Made by the store itself: may write the system scope. */
  readonly trusted?: boolean;
}

/** The outcomes come in the order of the requests. `busy` as a whole: nothing was done. */
export type BatchReply = Outcome<{ readonly epoch: string; readonly outcomes: MutationOutcome[] }>;

/** Large values have a lane of their own, so that small writes never wait in a batch with them. To each other the two are as two replicas. */
export type LaneName = 'small' | 'large';

/** A request of a batch. */
export interface Item {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly request: MutationRequest;
}

/** What became of a batch. */
export type Ran =
  | {
      readonly is: 'committed';
      readonly epoch: string;
      readonly outcomes: readonly MutationOutcome[];
      /** The changes of the batch, as they travel. */
      readonly changes: readonly Committed[];
    }
  /** It collided with a batch of another replica, and was rolled back. */
  | { readonly is: 'collision' }
  /** The database refuses one of its values; it was rolled back. */
  | { readonly is: 'value' }
  /** It waited too long for others, and was rolled back. */
  | { readonly is: 'load' }
  /** It never reached the database. */
  | { readonly is: 'not-connected' }
  /**
   * Nobody said. `refusals`: by the request's place, what the batch had refused before its COMMIT, which is true if it was committed.
   */
  | { readonly is: 'unknown'; readonly refusals: readonly (MutationOutcome | undefined)[] };

export type ExecutorCall =
  /** Carry out one batch. `exclusive`: while no other batch is under way anywhere. A lane runs one at a time. */
  | { readonly call: 'run'; readonly lane: LaneName; readonly items: readonly Item[]; readonly exclusive: boolean }
  /** Find out what was committed of the batch that the lane ran last. */
  | { readonly call: 'look-up'; readonly lane: LaneName }
  | { readonly call: 'pause'; readonly ms: number };

export interface ExecutorReplies {
  readonly run: Ran;
  /** The outcomes that are found under their operation ids, by the request's place. */
  readonly 'look-up': { readonly epoch: string; readonly found: readonly (MutationOutcome | undefined)[] };
  readonly pause: undefined;
}

export type ExecutorInput =
  /** @param wall milliseconds since 1970 */
  | { readonly kind: 'submit'; readonly message: number; readonly submission: Submission; readonly wall: number }
  /** What has arrived in the same turn as the first message of a lane was read. */
  | { readonly kind: 'begin'; readonly lane: LaneName }
  | { readonly kind: 'answer'; readonly ask: number; readonly outcome: Outcome<unknown> }
  /** The process ends: nothing more is taken. */
  | { readonly kind: 'stop' };

export type ExecutorEffect =
  | CallEffect<ExecutorCall>
  /** `begin` when what has arrived was read. */
  | { readonly do: 'begin-soon'; readonly lane: LaneName }
  /** A batch was committed; comes before the answers to its requests, in the order of commits. */
  | { readonly do: 'committed'; readonly changes: readonly Committed[] }
  | { readonly do: 'answer'; readonly message: number; readonly answer: BatchReply }
  /** Requests begin to be refused, or are welcome again. */
  | { readonly do: 'overload'; readonly overloaded: boolean }
  /** Everything that was taken is answered, and nothing more is. */
  | { readonly do: 'stopped' };

/** Work of the executor that takes several questions, and how it asks one. */
export type Procedure<Result = void> = AnyProcedure<ExecutorCall, Result>;
export const ask = asking<ExecutorCall, ExecutorReplies>();
