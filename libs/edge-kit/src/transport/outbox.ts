/**
 * The unsent frames of a connection, in order, and their flusher. Frames of one turn of the event loop are sent in one write per socket.
 * While a socket is backed up its frames stay here, where those of an ended subscription can still be dropped.
 */
import type { Packet, Wire } from './wire.ts';

/** The owner of a queued frame. A frame whose tag is no longer live is dropped instead of written. */
export interface Tag {
  readonly live: boolean;
  /** Called when the frame was dropped. */
  omitted?(): void;
}

/** A socket with more unsent bytes than this is not written to for now. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Maximum bytes written to one socket per turn. */
const TURN_BYTES = 1024 * 1024;
/** Maximum duration of one turn of flushing. */
const TURN_MS = 8;

export class Outbox<P extends Packet> {
  readonly #wire: Wire<P>;
  readonly #flusher: Flusher;
  readonly #flushed: () => void;
  #packets: P[] = [];
  #tags: (Tag | undefined)[] = [];
  #bytes = 0;
  /** Frames may have to be dropped. */
  #stale = false;
  /** Registered with the flusher, or waiting for the socket to drain. */
  #awaited = false;
  #closed = false;

  /** @param flushed called after each flush: some bytes may have been sent */
  constructor(wire: Wire<P>, flusher: Flusher, flushed: () => void = () => {}) {
    this.#wire = wire;
    this.#flusher = flusher;
    this.#flushed = flushed;
  }

  /** Bytes that have not reached the operating system: queued here and in the socket. */
  get bytes(): number {
    if (this.#stale) this.#prune();
    return this.#bytes + this.#wire.bufferedBytes;
  }

  /** Whether `bytes` is more than this. Cheaper than asking for it, because frames to be dropped are looked for only if it would be. */
  exceeds(limit: number): boolean {
    return this.#bytes + this.#wire.bufferedBytes > limit && this.bytes > limit;
  }

  /** Appends a frame. */
  push(packet: P, tag?: Tag): void {
    if (this.#closed) return;
    this.#packets.push(packet);
    this.#tags.push(tag);
    this.#bytes += packet.bytes;
    if (this.#awaited) return;
    this.#awaited = true;
    this.#flusher.add(this);
  }

  /** Some tags are no longer live: their frames no longer count. They are looked for once for any number of tags, when that matters. */
  prune(): void {
    this.#stale = true;
  }

  #prune(): void {
    this.#stale = false;
    if (this.#tags.every((tag) => tag === undefined || tag.live)) return;
    const packets: P[] = [];
    const tags: (Tag | undefined)[] = [];
    let bytes = 0;
    for (const [at, packet] of this.#packets.entries()) {
      const tag = this.#tags[at];
      if (tag !== undefined && !tag.live) {
        tag.omitted?.();
        continue;
      }
      packets.push(packet);
      tags.push(tag);
      bytes += packet.bytes;
    }
    this.#packets = packets;
    this.#tags = tags;
    this.#bytes = bytes;
  }

  /** Writes what the socket accepts in this turn. Returns true if there is more for the next turn. */
  flush(): boolean {
    const more = this.#flush();
    this.#flushed();
    return more;
  }

  #flush(): boolean {
    this.#awaited = false;
    const count = this.#packets.length;
    if (count === 0 || this.#closed) return false;
    if (this.#wire.bufferedBytes >= HIGH_WATER_BYTES) {
      this.#awaited = true;
      return false;
    }
    let bytes = 0;
    let taken = 0;
    let skipped = false;
    while (taken < count && bytes < TURN_BYTES) {
      const tag = this.#tags[taken];
      if (tag === undefined || tag.live) bytes += this.#packets[taken]?.bytes ?? 0;
      else {
        skipped = true;
        tag.omitted?.();
      }
      taken += 1;
    }
    if (taken === count && !skipped) {
      const packets = this.#packets;
      this.#packets = [];
      this.#tags = [];
      this.#bytes = 0;
      this.#wire.write(packets);
      return false;
    }
    const tags = this.#tags.splice(0, taken);
    const due = this.#packets.splice(0, taken);
    for (const packet of due) this.#bytes -= packet.bytes;
    const packets = skipped
      ? due.filter((_, at) => {
          const tag = tags[at];
          return tag === undefined || tag.live;
        })
      : due;
    if (packets.length > 0) this.#wire.write(packets);
    this.#awaited = this.#packets.length > 0;
    if (this.#awaited && this.#wire.bufferedBytes >= HIGH_WATER_BYTES) return false;
    return this.#awaited;
  }

  /** The socket has sent what it had buffered. */
  drained(): void {
    if (this.#awaited && !this.#closed) this.#flusher.add(this);
  }

  /** Writes everything to the socket now, whatever it has buffered: a close frame follows. */
  flushAll(): void {
    this.#prune();
    const packets = this.#packets;
    this.clear();
    if (packets.length > 0) this.#wire.write(packets);
  }

  /** Discards what is queued and accepts nothing more. */
  clear(): void {
    this.#closed = true;
    this.#packets = [];
    this.#tags = [];
    this.#bytes = 0;
  }
}

interface Flushable {
  flush(): boolean;
}

/** Flushes all outboxes of a process that received frames in this turn of the event loop, once, at its end. */
export class Flusher {
  #due = new Set<Flushable>();
  #scheduled = false;
  readonly #schedule: (run: () => void) => void;
  readonly #now: () => number;

  /**
   * @param schedule runs a function at the end of the turn; replaced in tests
   * @param now milliseconds of a monotonic clock, to limit the turn; replaced in simulations
   */
  constructor(schedule: (run: () => void) => void = setImmediate, now: () => number = () => performance.now()) {
    this.#schedule = schedule;
    this.#now = now;
  }

  add(outbox: Flushable): void {
    this.#due.add(outbox);
    this.#arm();
  }

  #arm(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const due = this.#due;
    this.#due = new Set();
    const started = this.#now();
    let done = 0;
    const rest = due.values();
    for (const outbox of rest) {
      if (outbox.flush()) this.#due.add(outbox);
      done += 1;
      if (done % 16 === 0 && this.#now() - started > TURN_MS) break;
    }
    for (const outbox of rest) this.#due.add(outbox);
    if (this.#due.size > 0) this.#arm();
  }
}
