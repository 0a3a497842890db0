/**
 * Keep-alives in both directions for protocols that do without RFC 6455 pings: one shared frame to every client each period, and the end of
 * clients that stay silent. It wraps a driver for the listener; neither the driver nor a session knows of it, and incoming keep-alives never
 * reach them.
 *
 * There is no timer per connection: connections sit in the slots of a wheel that turns once per period. Whoever joins takes the emptiest
 * slot, so no tick has much to do. A tick that came late by more than `STALL_MS` (a long pause of this process) is not counted against the
 * clients: their bytes wait unread in the kernel, and closing all of them would bring them all back at once.
 */
import { Budget } from '../limits.ts';
import type { Clock } from '../wheel.ts';
import type { Wire, WireHandler } from './wire.ts';
import type { WsPacket } from './ws-frames.ts';
import type { WsDriver } from './ws-listener.ts';

export interface HeartbeatOptions {
  /** The text of one beat. */
  readonly beat: WsPacket;
  readonly periodMs: number;
  /** A client that sends nothing for so long is closed; never earlier, at most one period later. */
  readonly idleMs: number;
  readonly idleClose: { readonly code: number; readonly reason: string };
  /** Beat also where the client was sent something else in this period, or has not read what it was sent. */
  readonly always: boolean;
  /** Whether a message is a keep-alive and nothing else. Must be quick: it sees every message. */
  isKeepAlive(raw: string | Uint8Array): boolean;
  /** Keep-alives of one client per second; more than that go to the driver as messages, whose limits bound them. */
  readonly keepAlivesPerSecond: number;
  readonly clock: Clock;
}

/** What the beating counts; numbers only. */
export interface HeartbeatCounts {
  sent: number;
  /** Not sent, because the client was sent something else or has not read. */
  skipped: number;
  received: number;
  idleCloses: number;
  stalls: number;
  /** How late the latest tick was. */
  lateMs: number;
}

const SLOTS = 30;
/** A tick later than this is a stall of the process and not of its clients. */
const STALL_MS = 100;

export class Heartbeat {
  readonly counts: HeartbeatCounts = { sent: 0, skipped: 0, received: 0, idleCloses: 0, stalls: 0, lateMs: 0 };
  readonly #options: HeartbeatOptions;
  readonly #shared: BeatingOptions;
  readonly #slots: Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #frame: readonly WsPacket[];
  readonly #tickMs: number;
  #size = 0;
  /** Ticks done since the wheel began to turn, and when that was, moved forward by every stall. */
  #ticks = 0;
  #began = 0;
  #stalledMs = 0;
  #cancel: (() => void) | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#shared = {
      now: () => this.#now(),
      isKeepAlive: options.isKeepAlive,
      counts: this.counts,
      gone: (ended) => this.#leave(ended),
    };
    this.#frame = [options.beat];
    this.#tickMs = options.periodMs / SLOTS;
  }

  /** A driver whose connections beat. */
  around(driver: WsDriver): WsDriver {
    return {
      limits: driver.limits,
      wheel: driver.wheel,
      verify: (credential, address) => driver.verify(credential, address),
      open: (wire, opening) => this.#open(driver, wire, opening),
    };
  }

  get size(): number {
    return this.#size;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const slot of this.#slots) slot.clear();
    this.#size = 0;
  }

  /** The clock by which clients are judged: it stands still while this process does. */
  #now(): number {
    return this.#options.clock.now() - this.#stalledMs;
  }

  #open(driver: WsDriver, wire: Wire<WsPacket>, opening: Parameters<WsDriver['open']>[1]): WireHandler<string | Uint8Array> {
    const beating = new Beating(wire, this.#now(), this.#options.keepAlivesPerSecond, this.#shared);
    // The driver takes what the listener's route accepts; the two are put together in the edge's app.
    beating.inner = driver.open(beating, opening) as WireHandler<string | Uint8Array>;
    this.#join(beating);
    return beating;
  }

  #join(beating: Beating): void {
    let emptiest = 0;
    for (let at = 1; at < SLOTS; at += 1) {
      if ((this.#slots[at]?.size ?? 0) < (this.#slots[emptiest]?.size ?? 0)) emptiest = at;
    }
    beating.slot = emptiest;
    this.#slots[emptiest]?.add(beating);
    this.#size += 1;
    if (this.#cancel === undefined) {
      this.#began = this.#options.clock.now();
      this.#ticks = 0;
      this.#wake();
    }
  }

  #leave(beating: Beating): void {
    if (this.#slots[beating.slot]?.delete(beating) === true) this.#size -= 1;
  }

  #wake(): void {
    this.#cancel = this.#options.clock.wakeAt(this.#began + (this.#ticks + 1) * this.#tickMs, () => this.#turn());
  }

  /** Does every tick that is due: a timer that comes late, as they do, loses no beats. */
  #turn(): void {
    this.#cancel = undefined;
    const at = this.#options.clock.now();
    const lateMs = at - (this.#began + (this.#ticks + 1) * this.#tickMs);
    this.counts.lateMs = Math.max(0, lateMs);
    if (lateMs > STALL_MS) {
      this.counts.stalls += 1;
      this.#stalledMs += lateMs;
      this.#began += lateMs;
    }
    const due = Math.min(SLOTS, Math.floor((at - this.#began) / this.#tickMs + 1e-6) - this.#ticks);
    const now = this.#now();
    for (let done = 0; done < due; done += 1) {
      const slot = this.#slots[this.#ticks % SLOTS];
      this.#ticks += 1;
      if (slot === undefined) continue;
      for (const beating of slot) this.#beat(beating, now);
    }
    if (this.#size > 0) this.#wake();
  }

  #beat(beating: Beating, now: number): void {
    const { idleMs, idleClose, periodMs, always } = this.#options;
    if (now - beating.heardAt(now) >= idleMs) {
      this.counts.idleCloses += 1;
      this.#leave(beating);
      beating.wire.close(idleClose.code, idleClose.reason);
      return;
    }
    // Both are about the same: whoever was just sent something knows that we live, and whoever does not read cannot learn it.
    if (!always && (beating.wire.bufferedBytes > 0 || now - beating.sentAt < periodMs)) {
      this.counts.skipped += 1;
      return;
    }
    this.counts.sent += 1;
    beating.wire.write(this.#frame);
  }
}

/** What all connections share. */
interface BeatingOptions {
  now(): number;
  isKeepAlive(raw: string | Uint8Array): boolean;
  readonly counts: HeartbeatCounts;
  gone(beating: Beating): void;
}

/** Stands between one socket and its connection, both ways. */
class Beating implements Wire<WsPacket>, WireHandler<string | Uint8Array> {
  readonly wire: Wire<WsPacket>;
  inner: WireHandler<string | Uint8Array> | undefined;
  slot = 0;
  sentAt = Number.NEGATIVE_INFINITY;
  readonly #options: BeatingOptions;
  readonly #keepAlives: Budget;
  #heardAt: number;
  #lookedAt: number;
  #bytes: number;
  #paused = false;

  constructor(wire: Wire<WsPacket>, now: number, keepAlivesPerSecond: number, options: BeatingOptions) {
    this.wire = wire;
    this.#options = options;
    this.#heardAt = now;
    this.#lookedAt = now;
    this.#bytes = wire.receivedBytes ?? 0;
    this.#keepAlives = new Budget(keepAlivesPerSecond, now);
  }

  /** When the client was last heard. Parts of a long message count: they are seen here by their bytes, once per period. */
  heardAt(now: number): number {
    const bytes = this.wire.receivedBytes ?? 0;
    // A client that we do not read from cannot be silent.
    if (this.#paused || (bytes !== this.#bytes && this.#heardAt < this.#lookedAt)) this.#heardAt = now;
    this.#bytes = bytes;
    this.#lookedAt = now;
    return this.#heardAt;
  }

  // ---- to the socket

  get bufferedBytes(): number {
    return this.wire.bufferedBytes;
  }

  get sentBytes(): number {
    return this.wire.sentBytes;
  }

  write(packets: readonly WsPacket[]): void {
    this.sentAt = this.#options.now();
    this.wire.write(packets);
  }

  pause(): void {
    this.#paused = true;
    this.wire.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#heardAt = this.#options.now();
    this.wire.resume();
  }

  drop(): void {
    this.wire.drop();
  }

  close(code: number, reason: string): void {
    this.wire.close(code, reason);
  }

  // ---- from the socket

  message(raw: string | Uint8Array, bytes: number): void {
    const now = this.#options.now();
    this.#heardAt = now;
    if (this.#options.isKeepAlive(raw) && this.#keepAlives.take(1, now) === 0) {
      this.#options.counts.received += 1;
      return;
    }
    this.inner?.message(raw, bytes);
  }

  /** Masked text frames of one ASCII character each, which is what clients send: done with before anybody reads them. */
  raw(chunk: Uint8Array): boolean {
    const { length } = chunk;
    if (length === 0 || length > 70 || length % 7 !== 0) return false;
    for (let at = 0; at < length; at += 7) {
      const character = (chunk[at + 6] ?? 0) ^ (chunk[at + 2] ?? 0);
      if (chunk[at] !== 0x81 || chunk[at + 1] !== 0x81 || character > 0x7f) return false;
    }
    const now = this.#options.now();
    if (this.#keepAlives.take(length / 7, now) > 0) return false;
    this.#heardAt = now;
    this.#options.counts.received += length / 7;
    return true;
  }

  unreadable(problem: string, bytes: number): void {
    this.#heardAt = this.#options.now();
    this.inner?.unreadable(problem, bytes);
  }

  ping(): void {
    this.#heardAt = this.#options.now();
    this.inner?.ping();
  }

  pong(payload: string): void {
    this.#heardAt = this.#options.now();
    this.inner?.pong(payload);
  }

  drained(): void {
    this.inner?.drained();
  }

  closing(): void {
    this.inner?.closing();
  }

  gone(code: number): void {
    this.#options.gone(this);
    this.inner?.gone(code);
  }
}
