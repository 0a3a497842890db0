/**
 * The broadcaster over all journals: one broadcaster for each, since seqs of two journals have no order between them. A socket that sees tenants of several
 * journals gets each one's changes in its order, and each change once.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { View } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';
import type { ReadChanges } from './broadcast-catch-up.ts';
import { Broadcaster, type BroadcasterOptions, type BroadcastSubscription, type Sink } from './broadcaster.ts';

export interface BroadcastersOptions<P extends Packet> extends Omit<BroadcasterOptions<P>, 'changes'> {
  journalOf(tenant: string): string;
  /** Reads a journal, for subscriptions that begin in the past. */
  changes(journal: string): ReadChanges;
}

export class Broadcasters<P extends Packet> {
  readonly #options: BroadcastersOptions<P>;
  readonly #broadcasters = new Map<string, Broadcaster<P>>();
  /** What a socket is to broadcasters besides the one that it has subscriptions of itself. */
  readonly #further = new WeakMap<Sink<P>, Map<Broadcaster<P>, Sink<P>>>();
  /** The broadcaster whose state a socket holds itself, where there is more than one broadcaster. */
  readonly #firsts = new WeakMap<Sink<P>, Broadcaster<P>>();

  constructor(options: BroadcastersOptions<P>) {
    this.#options = options;
  }

  /** Rooms and groups, for metrics. */
  get size(): { readonly interests: number; readonly groups: number } {
    const sizes = [...this.#broadcasters.values()].map(({ size }) => size);
    return {
      interests: sizes.reduce((sum, { interests }) => sum + interests, 0),
      groups: sizes.reduce((sum, { groups }) => sum + groups, 0),
    };
  }

  /** As `Broadcaster.subscribe`, in the journal where the interest's tenant is. */
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

  /** The socket itself for the first broadcaster that it has subscriptions of; for another one at the same time, a part of it with a state of its own. */
  #sinkFor(broadcaster: Broadcaster<P>, sink: Sink<P>): Sink<P> {
    if (this.#broadcasters.size === 1) return sink;
    const part = this.#further.get(sink)?.get(broadcaster);
    if (part !== undefined && part.broadcastCount > 0) return part;
    // Subscriptions from when there was one broadcaster are of the oldest.
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
