/** What groups need of the rest of the system, and what they give to their members. The edge brings the one and its driver takes the other. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure, Outcome } from '@polyedge/contracts/errors';

/** The store of positions and the whole journal (graph-store, over the bus). Outcomes are values; nothing rejects. */
export interface GroupStore {
  open(
    tenant: string,
    name: string,
    start: 'largest' | 'smallest',
    skip: boolean,
  ): Promise<Outcome<{ readonly id: number; readonly created: boolean; readonly epoch: string; readonly partitions: number }>>;
  claim(
    epoch: string,
    group: number,
    claims: readonly { readonly partition: number; readonly fence: number }[],
  ): Promise<Outcome<{ readonly claims: readonly Claim[] }>>;
  commit(
    epoch: string,
    positions: readonly CommittedPosition[],
    touched: readonly number[],
  ): Promise<
    Outcome<{ readonly fenced: readonly { readonly group: number; readonly partition: number }[]; readonly gone: readonly number[] }>
  >;
  /** Changes of a partition after a seq; everything up to `to` is among them. */
  partition(
    epoch: string,
    partition: number,
    after: number,
    limit: number,
  ): Promise<Outcome<{ readonly to: number; readonly changes: readonly FullChange[] }>>;
  bySeq(epoch: string, seqs: readonly number[]): Promise<Outcome<readonly FullChange[]>>;
  /** Where the journal stands. */
  position(): Promise<Outcome<{ readonly epoch: string; readonly oldest: number }>>;
}

export interface Claim {
  readonly partition: number;
  readonly fence: number;
  readonly position: number;
  readonly taken: boolean;
}

export interface CommittedPosition {
  readonly group: number;
  readonly partition: number;
  readonly fence: number;
  readonly position: number;
}

/** Signals between edges. */
export interface GroupSignals {
  /** Calls back when members of a group changed or a partition became free, told by any other edge. Returns what ends it. */
  subscribe(tenant: string, name: string, moved: () => void): () => void;
  publish(tenant: string, name: string): void;
}

/** Called synchronously; may leave from within. */
export interface MemberHandler {
  /** Who the member is, for people to look at; a member that is no socket is nobody. Times are milliseconds since 1970. */
  client?(): { readonly address: string; readonly username?: string; readonly since: number; readonly pongOn?: number };
  /** Changes of one partition, in order. Nothing further of the partition is promised until enough of what was given is acknowledged. `shared`: other groups may be given the same array. */
  batch(changes: readonly FullChange[], ack: () => void, shared: boolean): void;
  /** The membership has ended. */
  lost(failure: Failure): void;
}

export interface Membership {
  /** Ends it: what was not taken goes to the next owner. Twice is fine. */
  leave(): void;
}
