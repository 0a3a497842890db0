/** The ports of groups: what they need from the edge, and the handler of their members, which the driver implements. */
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
  /** Changes of a partition after a seq, complete up to `to`. */
  partition(
    epoch: string,
    partition: number,
    after: number,
    limit: number,
  ): Promise<Outcome<{ readonly to: number; readonly changes: readonly FullChange[] }>>;
  bySeq(epoch: string, seqs: readonly number[]): Promise<Outcome<readonly FullChange[]>>;
  /** The current position of the journal. */
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
  /**
   * Calls back when another edge reports that members of a group changed or a partition became free. Returns a function that unsubscribes.
   */
  subscribe(tenant: string, name: string, moved: () => void): () => void;
  publish(tenant: string, name: string): void;
}

/** Called synchronously; it may leave within a call. */
export interface MemberHandler {
  /**
   * The member has acquired a partition, of which nothing was delivered to it yet: an earlier owner may have received what is committed now.
   */
  taken?(): void;
  /** The member's client, for display; undefined if the member is not a socket. Times are milliseconds since 1970. */
  client?(): { readonly address: string; readonly username?: string; readonly since: number; readonly pongOn?: number };
  /**
   * Changes of one partition, in order. More is delivered only once enough is acknowledged. `shared`: other groups may receive the same
   * array.
   */
  batch(changes: readonly FullChange[], ack: () => void, shared: boolean): void;
  /** The membership has ended. */
  lost(failure: Failure): void;
}

export interface Membership {
  /** Ends the membership: unacknowledged changes go to the next owner. Calling it twice is allowed. */
  leave(): void;
}
