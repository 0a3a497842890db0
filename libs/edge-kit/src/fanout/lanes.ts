/**
 * The broadcast lane over all journals: one lane for each, since seqs of two journals have no order between them. A socket that sees tenants of several
 * journals gets each one's changes in its order, and each change once.
 */
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { View } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';
import { Lane, type LaneOptions, type LaneSubscription, type Sink } from './lane.ts';
import type { ReadChanges } from './lane-catch-up.ts';

export interface LanesOptions<P extends Packet> extends Omit<LaneOptions<P>, 'changes'> {
  journalOf(tenant: string): string;
  /** Reads a journal, for subscriptions that begin in the past. */
  changes(journal: string): ReadChanges;
}

export class Lanes<P extends Packet> {
  readonly #options: LanesOptions<P>;
  readonly #lanes = new Map<string, Lane<P>>();
  /** What a socket is to lanes besides the one that it has subscriptions of itself. */
  readonly #further = new WeakMap<Sink<P>, Map<Lane<P>, Sink<P>>>();
  /** The lane whose state a socket holds itself, where there is more than one lane. */
  readonly #firsts = new WeakMap<Sink<P>, Lane<P>>();

  constructor(options: LanesOptions<P>) {
    this.#options = options;
  }

  /** Rooms and groups, for metrics. */
  get size(): { readonly interests: number; readonly groups: number } {
    const sizes = [...this.#lanes.values()].map(({ size }) => size);
    return {
      interests: sizes.reduce((sum, { interests }) => sum + interests, 0),
      groups: sizes.reduce((sum, { groups }) => sum + groups, 0),
    };
  }

  /** As `Lane.subscribe`, in the journal where the interest's tenant is. */
  subscribe(
    interest: Interest,
    view: View,
    sink: Sink<P>,
    handler: { live(seq: number, epoch: string): void; lost(failure: Failure): void },
    since?: { readonly seq: number; readonly epoch: string },
  ): LaneSubscription<P> {
    const lane = this.#of(this.#options.journalOf(interest.tenant));
    return lane.subscribe(interest, view, this.#sinkFor(lane, sink), handler, since);
  }

  #of(journal: string): Lane<P> {
    const known = this.#lanes.get(journal);
    if (known !== undefined) return known;
    const lane = new Lane<P>({ ...this.#options, changes: this.#options.changes(journal) });
    this.#lanes.set(journal, lane);
    return lane;
  }

  /** The socket itself for the first lane that it has subscriptions of; for another one at the same time, a part of it with a state of its own. */
  #sinkFor(lane: Lane<P>, sink: Sink<P>): Sink<P> {
    if (this.#lanes.size === 1) return sink;
    const part = this.#further.get(sink)?.get(lane);
    if (part !== undefined && part.laneCount > 0) return part;
    // Subscriptions from when there was one lane are of the oldest.
    const [oldest = lane] = this.#lanes.values();
    const first = sink.laneCount === 0 ? lane : (this.#firsts.get(sink) ?? oldest);
    if (first === lane) {
      this.#firsts.set(sink, lane);
      return sink;
    }
    return part ?? this.#newPart(lane, sink);
  }

  #newPart(lane: Lane<P>, sink: Sink<P>): Sink<P> {
    const part: Sink<P> = { laneCount: 0, laneOrder: undefined, deliver: (packet, change, tag) => sink.deliver(packet, change, tag) };
    const parts = this.#further.get(sink) ?? new Map<Lane<P>, Sink<P>>();
    this.#further.set(sink, parts.set(lane, part));
    return part;
  }
}
