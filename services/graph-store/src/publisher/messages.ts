/** What can happen to the publisher machine, and what it asks its driver to do. Plain data: a history of both is a transcript. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import { type Procedure as AnyProcedure, asking, type CallEffect } from '@polyedge/journal/procedure';
import type { Committed, Recent } from './recent.ts';

/** What Redis says of a partition of the hot journal. */
export interface PartitionState {
  /** 0: nobody wrote the partition in this epoch. */
  readonly generation: number;
  /** Seq of the newest entry, 0 for none. */
  readonly last: number;
  /** Every change of the partition up to this seq is in its log, or was trimmed. */
  readonly head: number;
}

/** Changes that follow `state` in a partition. */
export interface PartitionRun {
  readonly partition: number;
  readonly state: PartitionState;
  readonly changes: readonly Recent[];
}

/** Names a partition, and under which fence it is written. */
interface Writing {
  readonly epoch: string;
  readonly partition: number;
  readonly fence: number;
}

/** A question to PostgreSQL, NATS or Redis. */
export type PublisherCall =
  /** Take the lease if it is free, under a fence above `above`. */
  | { readonly call: 'take'; readonly above: number }
  /** Prolong the lease, or give it back, and save how far publishing came. */
  | { readonly call: 'renew' | 'release'; readonly fence: number; readonly publishedSeq: number }
  /** Make sure that the history is still the same one, or begin another epoch. */
  | { readonly call: 'settle' }
  /** Where the journal ends. */
  | { readonly call: 'newest' }
  /** The first change that the journal keeps; the one behind its end when it keeps none. */
  | { readonly call: 'oldest' }
  | { readonly call: 'changes'; readonly after: number; readonly limit: number }
  /** Changes of one partition of the journal, without those of accounts. */
  | { readonly call: 'partition'; readonly partition: number; readonly after: number; readonly upTo: number; readonly limit: number }
  /** Wait until everything published so far has reached the NATS server. */
  | { readonly call: 'flush' }
  | { readonly call: 'ping' }
  | { readonly call: 'drop-other-epochs'; readonly epoch: string }
  | ({ readonly call: 'claim' } & Writing)
  /** All that Redis has of the partitions at this moment. */
  | { readonly call: 'states'; readonly epoch: string; readonly partitions: number }
  | {
      readonly call: 'append';
      readonly epoch: string;
      readonly fence: number;
      /** Every change up to here is in the log of each of these partitions afterwards. */
      readonly head: number;
      readonly trimBelow: number;
      readonly runs: readonly PartitionRun[];
    }
  /** The three steps of writing a partition anew, under another generation. */
  | ({ readonly call: 'clear'; readonly generation: number } & Writing)
  | ({ readonly call: 'fill'; readonly generation: number; readonly after: number; readonly changes: readonly Recent[] } & Writing)
  | ({ readonly call: 'switch'; readonly state: PartitionState; readonly since: number } & Writing);

export interface PublisherReplies {
  /** Undefined: another one holds the lease. `publishedSeq`: where the predecessor stood; it may have published more. */
  readonly take: { readonly fence: number; readonly publishedSeq: number } | undefined;
  /** Whether it was still this holder's. */
  readonly renew: boolean;
  readonly release: undefined;
  readonly settle: {
    readonly epoch: string;
    /** Whether Redis took part. If not, what it holds was not compared with the journal. */
    readonly witnessed: boolean;
  };
  readonly newest: number;
  readonly oldest: number;
  readonly changes: readonly FullChange[];
  readonly partition: readonly FullChange[];
  readonly flush: undefined;
  readonly ping: undefined;
  readonly 'drop-other-epochs': undefined;
  readonly claim: ({ readonly is: 'claimed' } & PartitionState) | { readonly is: 'fenced'; readonly fence: number };
  readonly states: readonly PartitionState[];
  /** For each of the runs. `differs`: the log does not end where the publisher believes it does. */
  readonly append: readonly ('appended' | 'fenced' | 'differs')[];
  readonly clear: 'cleared' | 'fenced' | 'forgot';
  readonly fill: 'filled' | 'fenced' | 'forgot';
  readonly switch: 'switched' | 'fenced' | 'forgot';
}

export type PublisherInput =
  | { readonly kind: 'answer'; readonly ask: number; readonly outcome: Outcome<unknown> }
  /** A batch of this replica was committed. */
  | { readonly kind: 'committed'; readonly changes: readonly Committed[] }
  /** Another replica committed up to `seq`. */
  | { readonly kind: 'heard'; readonly seq: number }
  /** To NATS. */
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** A connection to the database was lost: whatever answers next may be an older copy. */
  | { readonly kind: 'database-lost' }
  | { readonly kind: 'woken' }
  /** The process ends: the lease is given back. */
  | { readonly kind: 'stop' };

export type PublisherEffect =
  | CallEffect<PublisherCall>
  /**
   * Publish a run of changes and the head that covers them, in this order and in one write. `from` is the previous head's `to` + 1. Without
   * changes (`to` = `from` - 1) it says that the publisher lives.
   */
  | {
      readonly do: 'publish';
      readonly epoch: string;
      readonly fence: number;
      readonly from: number;
      readonly to: number;
      readonly changes: readonly Recent[];
    }
  /** Tell the other replicas of a commit. */
  | { readonly do: 'tell'; readonly seq: number }
  /** `woken` in so many milliseconds, in place of the one before; with 0, when what has arrived was read. */
  | { readonly do: 'wake'; readonly ms: number }
  /** Something an operator should know. */
  | { readonly do: 'note'; readonly level: 'info' | 'warn'; readonly sentence: string }
  /** Nothing follows. */
  | { readonly do: 'stopped' };

/** Work of the publisher that takes several questions, and how it asks one. */
export type Procedure<Result = void> = AnyProcedure<PublisherCall, Result>;
export const ask = asking<PublisherCall, PublisherReplies>();
