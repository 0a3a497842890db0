/**
 * What the driver needs of consumer groups. `libs/journal` implements it over Redis and the bus; a protocol without groups needs none.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';

/** Who a member is, for people to look at. Times are milliseconds since 1970. */
export interface MemberClient {
  readonly address: string;
  readonly username?: string;
  readonly since: number;
  /** When its client last answered a ping. */
  readonly pongOn?: number;
}

export interface MemberHandler {
  client(): MemberClient;
  /** Changes of one partition, in order, to be shown, and confirmed by `ack`. `shared`: members of other groups may be given the same array. */
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
