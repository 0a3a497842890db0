/** The inputs and effects of the publisher machine. Plain data: a record of both is a transcript. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import { type CallEffect, callFunction, type Procedure } from '@polyedge/journal/procedure';
import type { Committed, Recent } from './recent.ts';

/** The state of a partition of the hot journal in Redis. */
export interface PartitionState {
  /** 0: not written in this epoch. */
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

/** Identifies a partition and the fence to write it with. */
interface Writing {
  readonly epoch: string;
  readonly partition: number;
  readonly fence: number;
}

/** A request to PostgreSQL, NATS or Redis. */
export type PublisherCall =
  /** Acquire the lease if it is free, with a fence above `above`. */
  | { readonly call: 'take'; readonly above: number }
  /** Renew or release the lease, and save the publishing position. */
  | { readonly call: 'renew' | 'release'; readonly fence: number; readonly publishedSeq: number }
  /** Verify that the history is unchanged, or start a new epoch. */
  | { readonly call: 'settle' }
  /** The end of the journal. */
  | { readonly call: 'newest' }
  /** The first change in the journal; one after its end if it is empty. */
  | { readonly call: 'oldest' }
  | { readonly call: 'changes'; readonly after: number; readonly limit: number }
  /** Changes of one partition of the journal, except those of accounts. */
  | { readonly call: 'partition'; readonly partition: number; readonly after: number; readonly upTo: number; readonly limit: number }
  /** Wait until everything published so far has reached the NATS server. */
  | { readonly call: 'flush' }
  | { readonly call: 'ping' }
  | { readonly call: 'drop-other-epochs'; readonly epoch: string }
  | ({ readonly call: 'claim' } & Writing)
  /** The current states of the partitions in Redis. */
  | { readonly call: 'states'; readonly epoch: string; readonly partitions: number }
  | {
      readonly call: 'append';
      readonly epoch: string;
      readonly fence: number;
      /** Afterwards the log of each of these partitions is complete up to this seq. */
      readonly head: number;
      readonly trimBelow: number;
      readonly runs: readonly PartitionRun[];
    }
  /** The three steps of rebuilding a partition, under another generation. */
  | ({ readonly call: 'clear'; readonly generation: number } & Writing)
  | ({ readonly call: 'fill'; readonly generation: number; readonly after: number; readonly changes: readonly Recent[] } & Writing)
  | ({ readonly call: 'switch'; readonly state: PartitionState; readonly since: number } & Writing);

export interface PublisherReplies {
  /** Undefined: another process holds the lease. `publishedSeq`: the predecessor's saved position; it may have published more. */
  readonly take: { readonly fence: number; readonly publishedSeq: number } | undefined;
  /** Whether it was still held. */
  readonly renew: boolean;
  readonly release: undefined;
  readonly settle: {
    readonly epoch: string;
    /** Whether Redis was compared with the journal. */
    readonly comparedWithRedis: boolean;
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
  /** For each run. `differs`: the log does not end where expected. */
  readonly append: readonly ('appended' | 'fenced' | 'differs')[];
  readonly clear: 'cleared' | 'fenced' | 'forgot';
  readonly fill: 'filled' | 'fenced' | 'forgot';
  readonly switch: 'switched' | 'fenced' | 'forgot';
}

export type PublisherInput =
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome<unknown> }
  /** A batch of this replica was committed. */
  | { readonly kind: 'committed'; readonly changes: readonly Committed[] }
  /** Another replica committed up to `seq`. */
  | { readonly kind: 'notified'; readonly seq: number }
  /** To NATS. */
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' }
  /** A connection to the database was lost: the next server may be an older copy. */
  | { readonly kind: 'database-lost' }
  | { readonly kind: 'woken' }
  /** The process is shutting down: the lease is released. */
  | { readonly kind: 'stop' };

export type PublisherEffect =
  | CallEffect<PublisherCall>
  /**
   * Publish a run of changes and the head that covers them, in this order and in one write. `from` is the previous head's `to` + 1. Without
   * changes (`to` = `from` - 1) the head is a heartbeat.
   */
  | {
      readonly do: 'publish';
      readonly epoch: string;
      readonly fence: number;
      readonly from: number;
      readonly to: number;
      readonly changes: readonly Recent[];
    }
  /** Notify the other replicas of a commit. */
  | { readonly do: 'notify'; readonly seq: number }
  /** Request the input `woken` in `ms` milliseconds, replacing the previous request; with 0, after everything that has arrived is read. */
  | { readonly do: 'wake'; readonly ms: number }
  /** A message for the operator. */
  | { readonly do: 'note'; readonly level: 'info' | 'warn'; readonly sentence: string }
  /** Nothing follows. */
  | { readonly do: 'stopped' };

/** Work of the publisher that takes several calls, and how it makes one. */
export type PublisherProcedure<Result = void> = Procedure<PublisherCall, Result>;
export const call = callFunction<PublisherCall, PublisherReplies>();
