/** What can happen to the groups machine, and what it asks its driver to do. Plain data: a history of both is a transcript. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import { type Procedure as AnyProcedure, asking } from '../procedure.ts';
import type { Claim, CommittedPosition } from './port.ts';

/** A question to Redis or to the store. Those with an epoch are about one history of the journal. */
export type GroupCall =
  /** Says that this edge lives and lists members of it, again if Redis forgot them. */
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
      readonly wanted: readonly Wanted[];
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
  /** Where a partition ends at this moment; undefined when Redis cannot tell. */
  | { readonly call: 'end'; readonly epoch: string; readonly partition: number };

export type Taken =
  | { readonly partition: number; readonly is: 'taken'; readonly fence: number; readonly position: number }
  | { readonly partition: number; readonly is: 'held'; readonly leftMs: number };

/** A lease as its owner names it. */
export interface OwnedLease {
  readonly partition: number;
  readonly fence: number;
  readonly position: number;
}

export interface Item {
  readonly seq: number;
  readonly change: FullChange;
  /** Of its JSON: what windows count. */
  readonly bytes: number;
}

/** A part of a partition: everything after where it began and up to `to` is among the items. */
export interface JournalPage {
  readonly items: readonly Item[];
  readonly to: number;
}

/** What of a page is a tenant's. Its groups share it, and with `changes` what is shown of them. */
export interface TenantPage {
  readonly items: readonly Item[];
  readonly changes: readonly FullChange[];
  readonly bytes: number;
}

export interface Wanted {
  readonly partition: number;
  readonly above: number;
}

export interface Fence {
  readonly partition: number;
  readonly fence: number;
}

/** What each call is answered with. A Redis that cannot be asked is the failure `unavailable`. */
export interface GroupReplies {
  readonly list: { readonly added: number; readonly count: number } | 'full';
  readonly unlist: undefined;
  readonly beat: undefined;
  /** Members and the edge of each. */
  readonly members: ReadonlyMap<string, string>;
  readonly alive: ReadonlySet<string>;
  readonly take: readonly Taken[];
  /** Partitions whose lease is no longer this owner's. */
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
  | { readonly kind: 'answer'; readonly ask: number; readonly outcome: Outcome<unknown> }
  /** `member` is a name that was not used before, of this edge and no other. */
  | {
      readonly kind: 'join';
      readonly member: string;
      readonly tenant: string;
      readonly name: string;
      readonly start: 'largest' | 'smallest';
    }
  | { readonly kind: 'leave'; readonly member: string }
  /** A batch was taken. `confirmed`: the client has confirmed it; otherwise it was for nobody, which costs no repeat. */
  | { readonly kind: 'ack'; readonly member: string; readonly batch: number; readonly confirmed: boolean }
  /** Another edge says that members of a group changed, or that a partition is free. */
  | { readonly kind: 'moved'; readonly group: string }
  /** A head of the live feed. */
  | { readonly kind: 'announced'; readonly epoch: string; readonly seq: number }
  /** Redis is back, and may have forgotten everything. */
  | { readonly kind: 'reconnected' }
  | { readonly kind: 'woken' }
  /** Comes every `tickMs` while there is anything to do. */
  | { readonly kind: 'tick' }
  /** The process ends: everything is given back. */
  | { readonly kind: 'close' };

export type GroupsEffect =
  | { readonly do: 'call'; readonly ask: number; readonly call: GroupCall }
  /** `shared`: other groups of this edge may be given the same array. */
  | {
      readonly do: 'give';
      readonly member: string;
      readonly batch: number;
      readonly changes: readonly FullChange[];
      readonly shared: boolean;
    }
  | { readonly do: 'lost'; readonly member: string; readonly failure: Failure }
  /** Listen to, and tell, other edges about a group. */
  | { readonly do: 'listen'; readonly group: string; readonly tenant: string; readonly name: string }
  | { readonly do: 'unlisten'; readonly group: string }
  | { readonly do: 'notify'; readonly tenant: string; readonly name: string }
  /** Something an operator should know. */
  | { readonly do: 'note'; readonly tenant: string; readonly name: string; readonly sentence: string }
  /** `woken` in so many milliseconds, in place of the one before. */
  | { readonly do: 'wake'; readonly ms: number }
  | { readonly do: 'cancel-wake' };

/** Work of groups that takes several questions, and how it asks one. */
export type Procedure<Result = void> = AnyProcedure<GroupCall, Result>;
export const ask = asking<GroupCall, GroupReplies>();
