/**
 * One broadcaster per journal, since seqs of different journals are not ordered. A socket that watches tenants of several journals receives
 * each journal's changes in order, and each change once.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { View } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';
import type { ReadChanges } from './broadcast-catch-up.ts';
import { Broadcaster, type BroadcasterOptions, type BroadcastSubscription, type Sink } from './broadcaster.ts';

export interface BroadcastersOptions<P extends Packet> extends Omit<BroadcasterOptions<P>, 'changes'> {
  journalOf(tenant: string): string;
  /** Reads changes of a journal, for subscriptions that resume from the past. */
  changes(journal: string): ReadChanges;
}

export class Broadcasters<P extends Packet> {
  readonly #options: BroadcastersOptions<P>;
  readonly #broadcasters = new Map<string, Broadcaster<P>>();
  /** Proxy sinks of sockets that have subscriptions of more than one broadcaster. */
  readonly #further = new WeakMap<Sink<P>, Map<Broadcaster<P>, Sink<P>>>();
  /** The broadcaster whose state the socket itself holds, if there is more than one broadcaster. */
  readonly #firsts = new WeakMap<Sink<P>, Broadcaster<P>>();

  constructor(options: BroadcastersOptions<P>) {
    this.#options = options;
  }

  /** Numbers of rooms and groups, for metrics. */
  get size(): { readonly interests: number; readonly groups: number } {
    const sizes = [...this.#broadcasters.values()].map(({ size }) => size);
    return {
      interests: sizes.reduce((sum, { interests }) => sum + interests, 0),
      groups: sizes.reduce((sum, { groups }) => sum + groups, 0),
    };
  }

  /** Like `Broadcaster.subscribe`, in the journal of the interest's tenant. */
  subscribe(
    interest: Interest,
    view: View,
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
    since?: { readonly seq: number; readonly epoch: string },
  ): BroadcastSubscription<P> {
    const broadcaster = this.#of(this.#options.journalOf(interest.tenant));
    return broadcaster.subscribe(interest, view, this.#sinkFor(broadcaster, sink), handler, since);
  }

  #of(journal: string): Broadcaster<P> {
    const known = this.#broadcasters.get(journal);
    if (known !== undefined) return known;
    const broadcaster = new Broadcaster<P>({ ...this.#options, changes: this.#options.changes(journal) });
    this.#broadcasters.set(journal, broadcaster);
    return broadcaster;
  }

  /** Returns the socket itself for its first broadcaster; for each further one a proxy with its own state. */
  #sinkFor(broadcaster: Broadcaster<P>, sink: Sink<P>): Sink<P> {
    if (this.#broadcasters.size === 1) return sink;
    const part = this.#further.get(sink)?.get(broadcaster);
    if (part !== undefined && part.broadcastCount > 0) return part;
    // Subscriptions made while there was one broadcaster belong to the oldest.
    const [oldest = broadcaster] = this.#broadcasters.values();
    const first = sink.broadcastCount === 0 ? broadcaster : (this.#firsts.get(sink) ?? oldest);
    if (first === broadcaster) {
      this.#firsts.set(sink, broadcaster);
      return sink;
    }
    return part ?? this.#newPart(broadcaster, sink);
  }

  #newPart(broadcaster: Broadcaster<P>, sink: Sink<P>): Sink<P> {
    const part: Sink<P> = {
      broadcastCount: 0,
      broadcastOrder: undefined,
      deliver: (packet, change, tag) => sink.deliver(packet, change, tag),
    };
    const parts = this.#further.get(sink) ?? new Map<Broadcaster<P>, Sink<P>>();
    this.#further.set(sink, parts.set(broadcaster, part));
    return part;
  }
}
