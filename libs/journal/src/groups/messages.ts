/** The inputs and effects of the groups machine. Plain data: a record of both is a transcript. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { callFunction, type Procedure } from '../procedure.ts';
import type { Claim, CommittedPosition } from './port.ts';

/** A request to Redis or to the store. Those with an epoch concern one epoch of the journal. */
export type GroupCall =
  /** Sends a heartbeat and lists members of this edge, again if Redis has lost them. */
  | { readonly call: 'list'; readonly epoch: string; readonly group: number; readonly members: readonly string[] }
  | { readonly call: 'unlist'; readonly epoch: string; readonly group: number; readonly members: readonly string[] }
  | { readonly call: 'beat'; readonly epoch: string }
  | { readonly call: 'members'; readonly epoch: string; readonly group: number }
  | { readonly call: 'alive'; readonly epoch: string; readonly edges: readonly string[] }
  | {
      readonly call: 'take';
      readonly epoch: string;
      readonly group: number;
      readonly owner: string;
      readonly freeForMs: number;
      readonly requests: readonly LeaseRequest[];
    }
  | {
      readonly call: 'hold';
      readonly epoch: string;
      readonly group: number;
      readonly what: 'renew' | 'save' | 'release';
      readonly held: readonly OwnedLease[];
    }
  | {
      readonly call: 'open';
      readonly tenant: string;
      readonly name: string;
      readonly start: 'largest' | 'smallest';
      readonly skip: boolean;
    }
  | { readonly call: 'claim'; readonly epoch: string; readonly group: number; readonly claims: readonly Fence[] }
  | {
      readonly call: 'commit';
      readonly epoch: string;
      readonly positions: readonly CommittedPosition[];
      readonly touched: readonly number[];
    }
  | { readonly call: 'position' }
  | { readonly call: 'read'; readonly epoch: string; readonly partition: number; readonly after: number; readonly limit: number }
  /** The current end of a partition; undefined if Redis does not have it. */
  | { readonly call: 'end'; readonly epoch: string; readonly partition: number };

export type Taken =
  | { readonly partition: number; readonly is: 'taken'; readonly fence: number; readonly position: number }
  | { readonly partition: number; readonly is: 'held'; readonly leftMs: number };

/** A lease, identified by its owner and fence. */
export interface OwnedLease {
  readonly partition: number;
  readonly fence: number;
  readonly position: number;
}

export interface Item {
  readonly seq: number;
  readonly change: FullChange;
  /** Size of its JSON, which windows count. */
  readonly bytes: number;
}

/** A part of a partition: it contains everything after its start and up to `to`. */
export interface JournalPage {
  readonly items: readonly Item[];
  readonly to: number;
}

/** A tenant's part of a page. The tenant's groups share it, and with `changes` the frames made of them. */
export interface TenantPage {
  readonly items: readonly Item[];
  readonly changes: readonly FullChange[];
  readonly bytes: number;
}

export interface LeaseRequest {
  readonly partition: number;
  readonly above: number;
}

export interface Fence {
  readonly partition: number;
  readonly fence: number;
}

/** The reply to each call. If Redis is unavailable, the outcome is the failure `unavailable`. */
export interface GroupReplies {
  readonly list: { readonly added: number; readonly count: number } | 'full';
  readonly unlist: undefined;
  readonly beat: undefined;
  /** Members and their edges. */
  readonly members: ReadonlyMap<string, string>;
  readonly alive: ReadonlySet<string>;
  readonly take: readonly Taken[];
  /** Partitions whose lease this owner has lost. */
  readonly hold: readonly number[];
  readonly open: { readonly id: number; readonly created: boolean; readonly epoch: string; readonly partitions: number };
  readonly claim: { readonly claims: readonly Claim[] };
  readonly commit: {
    readonly fenced: readonly { readonly group: number; readonly partition: number }[];
    readonly gone: readonly number[];
  };
  readonly position: { readonly epoch: string; readonly oldest: number };
  readonly read: JournalPage;
  readonly end: number | undefined;
}

export type GroupsInput =
  | { readonly kind: 'reply'; readonly id: number; readonly outcome: Outcome<unknown> }
  /** `member` is a new name, unique over all edges. */
  | {
      readonly kind: 'join';
      readonly member: string;
      readonly tenant: string;
      readonly name: string;
      readonly start: 'largest' | 'smallest';
    }
  | { readonly kind: 'leave'; readonly member: string }
  /** A batch was acknowledged. `confirmed`: by the client; otherwise it was for no client, so it causes no redelivery. */
  | { readonly kind: 'ack'; readonly member: string; readonly batch: number; readonly confirmed: boolean }
  /** Another edge reports that members of a group changed, or that a partition is free. */
  | { readonly kind: 'moved'; readonly group: string }
  /** A head of the live feed. */
  | { readonly kind: 'announced'; readonly epoch: string; readonly seq: number }
  /** Redis has reconnected, and may have lost its data. */
  | { readonly kind: 'reconnected' }
  | { readonly kind: 'woken' }
  /** Arrives every `tickMs` while needed. */
  | { readonly kind: 'tick' }
  /** The process is shutting down: everything is released. */
  | { readonly kind: 'close' };

export type GroupsEffect =
  | { readonly do: 'call'; readonly id: number; readonly call: GroupCall }
  /** A member has acquired a partition, whose deliveries follow. */
  | { readonly do: 'taken'; readonly member: string }
  /** `shared`: other groups of this edge may receive the same array. */
  | {
      readonly do: 'deliver';
      readonly member: string;
      readonly batch: number;
      readonly changes: readonly FullChange[];
      readonly shared: boolean;
    }
  | { readonly do: 'lost'; readonly member: string; readonly failure: Failure }
  /** Listen to other edges, and notify them, about a group. */
  | { readonly do: 'listen'; readonly group: string; readonly tenant: string; readonly name: string }
  | { readonly do: 'unlisten'; readonly group: string }
  | { readonly do: 'notify'; readonly tenant: string; readonly name: string }
  /** A message for the operator. */
  | { readonly do: 'note'; readonly tenant: string; readonly name: string; readonly sentence: string }
  /** Request the input `woken` in `ms` milliseconds; replaces the previous request. */
  | { readonly do: 'wake'; readonly ms: number }
  | { readonly do: 'cancel-wake' };

/** Work of groups that takes several calls, and how it makes one. */
export type GroupProcedure<Result = void> = Procedure<GroupCall, Result>;
export const call = callFunction<GroupCall, GroupReplies>();
