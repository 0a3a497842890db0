/** The environment that all connections of one edge share. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import type { Protocol } from '@polyedge/session/session';
import type { BatchFrames } from '../fanout/batch-frames.ts';
import type { Broadcasters } from '../fanout/broadcasters.ts';
import type { FilteredSubscriptions } from '../fanout/filtered-subscriptions.ts';
import type { SharedSubscriptions } from '../fanout/shared-subscriptions.ts';
import type { Feed } from '../feed/watch.ts';
import type { Limits } from '../limits.ts';
import type { Flusher } from '../transport/outbox.ts';
import type { Framing, Packet } from '../transport/wire.ts';
import type { Wheel } from '../wheel.ts';
import type { ConsumerGroups } from './consumer-groups.ts';
import type { DriverCounts } from './counts.ts';
import type { Incidents } from './incidents.ts';

/** Source of randomness and unique ids. Tests that replay a run provide their own. */
export interface Chance {
  bytes(count: number): Uint8Array;
  /** 0 ≤ x < 1. */
  next(): number;
}

export interface Environment<Raw, In, Out, P extends Packet> {
  readonly protocol: Protocol<Raw, In, Out>;
  readonly framing: Framing<Raw, P>;
  readonly bus: Bus;
  readonly feed: Feed;
  readonly broadcasters: Broadcasters<P>;
  readonly filteredSubscriptions: FilteredSubscriptions;
  readonly sharedSubscriptions: SharedSubscriptions;
  readonly groups: ConsumerGroups | undefined;
  /** Makes the frames of group batches. */
  readonly batchFrames: BatchFrames<Raw, P>;
  readonly wheel: Wheel;
  readonly chance: Chance;
  readonly flusher: Flusher;
  readonly limits: Limits;
  readonly requestTimeoutMs: number;
  readonly slowClient: SlowClientRule;
  readonly log: Log;
  readonly counts: DriverCounts;
  readonly incidents: Incidents;
  verify(credential: string, address: string): Outcome<Principal> | Promise<Outcome<Principal>>;
  /** Whether frames to this principal count as delivered once written, because its stack is known never to answer pings. */
  neverPongs(principal: Principal): boolean;
}

/** How the connection of a slow client ends: with a close frame, or by closing TCP without one. */
export type SlowClientRule = { readonly do: 'close'; readonly code: number; readonly reason: string } | { readonly do: 'drop' };
