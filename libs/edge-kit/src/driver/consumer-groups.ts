/** The driver's port to consumer groups. `libs/journal` implements it over Redis and the bus; protocols without groups need none. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';

/** A member's client, for display. Times are milliseconds since 1970. */
export interface MemberClient {
  readonly address: string;
  readonly username?: string;
  readonly since: number;
  /** Time of the client's last pong. */
  readonly pongOn?: number;
}

export interface MemberHandler {
  client(): MemberClient;
  /**
   * Delivers changes of one partition, in order; `ack` confirms them. `shared`: other members may receive the same array, so it must not be
   * changed.
   */
  batch(changes: readonly FullChange[], ack: () => void, shared: boolean): void;
  /** The membership has ended. */
  lost(failure: Failure): void;
}

export interface ConsumerGroups {
  join(
    group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' },
    handler: MemberHandler,
  ): { leave(): void };
}
