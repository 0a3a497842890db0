/**
 * Orders the frames of several subscriptions of one socket on the broadcaster: each change once per shape, in the order of seq.
 *
 * The feed delivers a change when every interest has everything before it, except interests that wait for a body (`WatchHandler.waits`). So
 * a frame is sent at once unless one of the socket's own interests waits for an earlier change; then it is held back until that interest
 * has caught up. Frames therefore never go back in seq, and the shapes of the newest seq are enough to detect duplicates.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Tag } from '../transport/outbox.ts';
import type { Packet } from '../transport/wire.ts';

/** Bounds of what one socket holds back. Beyond either, the subscription that waits ends as lost. */
const MAX_KEPT = 2_000;
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** The tag of a frame that several subscriptions of one socket share: it is sent if any of them is still open. */
class SharedTag implements Tag {
  readonly #first: Tag;
  #others: Tag[] | undefined;
  /** The frame was dropped. */
  isOmitted = false;

  constructor(first: Tag) {
    this.#first = first;
  }

  get live(): boolean {
    return this.#first.live || (this.#others?.some((owner) => owner.live) ?? false);
  }

  add(owner: Tag): void {
    if (this.#others === undefined) this.#others = [owner];
    else this.#others.push(owner);
  }

  omitted(): void {
    this.isOmitted = true;
  }
}

export interface FrameSink<P extends Packet> {
  /** Sends a frame for a change; once `tag` is no longer live the frame must be dropped. */
  deliver(packet: P, change: FullChange, tag: Tag): void;
}

interface KeptPacket<P> {
  readonly packet: P;
  readonly change: FullChange;
  readonly shape: string;
  readonly tag: Tag;
}

export class BroadcastOrder<P extends Packet> {
  readonly #sink: FrameSink<P>;
  #epoch = '';
  /** The newest seq sent, and its shapes: nearly always one. */
  #seq = -1;
  #shape = '';
  #tag: SharedTag | undefined;
  #further: Map<string, SharedTag> | undefined;
  /** Held-back frames, in the order of seq. */
  #kept: KeptPacket<P>[] = [];
  #keptBytes = 0;

  constructor(sink: FrameSink<P>) {
    this.#sink = sink;
  }

  /** Whether frames are held back. */
  get waiting(): boolean {
    return this.#kept.length > 0;
  }

  /** Whether the bound is exceeded. */
  get full(): boolean {
    return this.#kept.length > MAX_KEPT || this.#keptBytes > MAX_KEPT_BYTES;
  }

  /**
   * Sends a frame now, or once `upTo` has reached its seq.
   * @param upTo everything before it was delivered to all subscriptions of the socket
   */
  offer(packet: P, change: FullChange, shape: string, tag: Tag, upTo: number): void {
    if (this.#kept.length === 0 && change.seq <= upTo) {
      this.#show(packet, change, shape, tag);
      return;
    }
    let at = this.#kept.length;
    while (at > 0 && (this.#kept[at - 1]?.change.seq ?? 0) > change.seq) at -= 1;
    this.#kept.splice(at, 0, { packet, change, shape, tag });
    this.#keptBytes += packet.bytes;
    this.release(upTo);
  }

  /** Sends the frames held back up to a seq. */
  release(upTo: number): void {
    let count = 0;
    for (const { change, packet } of this.#kept) {
      if (change.seq > upTo) break;
      this.#keptBytes -= packet.bytes;
      count += 1;
    }
    for (const { packet, change, shape, tag } of this.#kept.splice(0, count)) if (tag.live) this.#show(packet, change, shape, tag);
  }

  #show(packet: P, change: FullChange, shape: string, tag: Tag): void {
    if (change.seq !== this.#seq || change.epoch !== this.#epoch) {
      this.#seq = change.seq;
      this.#epoch = change.epoch;
      this.#tag = undefined;
      this.#further = undefined;
    }
    const shown = this.#tag !== undefined && shape === this.#shape ? this.#tag : this.#further?.get(shape);
    if (shown !== undefined && !shown.isOmitted) {
      shown.add(tag);
      return;
    }
    const shared = new SharedTag(tag);
    if (this.#tag === undefined || shape === this.#shape) {
      this.#shape = shape;
      this.#tag = shared;
    } else {
      this.#further ??= new Map();
      this.#further.set(shape, shared);
    }
    this.#sink.deliver(packet, change, shared);
  }
}
