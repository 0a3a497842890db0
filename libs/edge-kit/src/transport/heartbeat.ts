/**
 * Keep-alives in both directions for protocols without RFC 6455 pings: sends one shared frame to every client each period, and closes
 * clients that stay silent. It wraps a driver for the listener; neither the driver nor a session knows of it, and incoming keep-alives
 * never reach them.
 *
 * There is no timer per connection: connections are in the slots of a wheel that turns once per period. A new connection takes the emptiest
 * slot, so the load is even. A tick more than `STALL_MS` late (a long pause of this process) does not count against the clients: their
 * bytes wait unread in the kernel, and closing all of them would make them all reconnect at once.
 */
import { Budget } from '../limits.ts';
import type { Clock } from '../wheel.ts';
import type { Wire, WireHandler } from './wire.ts';
import type { WsPacket } from './ws-frames.ts';
import type { WsDriver } from './ws-listener.ts';

export interface HeartbeatOptions {
  /** The keep-alive frame. */
  readonly beat: WsPacket;
  readonly periodMs: number;
  /** Idle time after which a client is closed; never earlier, at most one period later. */
  readonly idleMs: number;
  readonly idleClose: { readonly code: number; readonly reason: string };
  /** Also sends keep-alives to clients that were sent something else in this period, or have not read what they were sent. */
  readonly always: boolean;
  /** Whether a message is only a keep-alive. Must be fast: it is called for every message. */
  isKeepAlive(raw: string | Uint8Array): boolean;
  /** Keep-alives of one client per second; further ones are passed to the driver as messages, whose limits bound them. */
  readonly keepAlivesPerSecond: number;
  readonly clock: Clock;
}

/** Counters of the heartbeat; numbers only. */
export interface HeartbeatCounts {
  sent: number;
  /** Not sent, because the client was sent something else or has not read. */
  skipped: number;
  received: number;
  idleCloses: number;
  stalls: number;
  /** Lateness of the latest tick. */
  lateMs: number;
}

const SLOTS = 30;
/** A later tick means that the process was stalled, not the clients. */
const STALL_MS = 100;

export class Heartbeat {
  readonly counts: HeartbeatCounts = { sent: 0, skipped: 0, received: 0, idleCloses: 0, stalls: 0, lateMs: 0 };
  readonly #options: HeartbeatOptions;
  readonly #shared: BeatingOptions;
  readonly #slots: Set<Beating>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #frame: readonly WsPacket[];
  readonly #tickMs: number;
  #size = 0;
  /** Ticks since the wheel started, and the start time, moved forward by every stall. */
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

  /** Wraps a driver so that its connections have a heartbeat. */
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

  /** The clock that clients are measured with: it stands still while this process is stalled. */
  #now(): number {
    return this.#options.clock.now() - this.#stalledMs;
  }

  #open(driver: WsDriver, wire: Wire<WsPacket>, opening: Parameters<WsDriver['open']>[1]): WireHandler<string | Uint8Array> {
    const beating = new Beating(wire, this.#now(), this.#options.keepAlivesPerSecond, this.#shared);
    // The edge's app combines driver and route, so the driver accepts the route's messages.
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

  /** Handles every tick that is due, so that a late timer skips no keep-alives. */
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
    // A client that was just sent something knows that the server is alive, and one that does not read cannot see a keep-alive.
    if (!always && (beating.wire.bufferedBytes > 0 || now - beating.sentAt < periodMs)) {
      this.counts.skipped += 1;
      return;
    }
    this.counts.sent += 1;
    beating.wire.write(this.#frame);
  }
}

/** Shared by all connections. */
interface BeatingOptions {
  now(): number;
  isKeepAlive(raw: string | Uint8Array): boolean;
  readonly counts: HeartbeatCounts;
  gone(beating: Beating): void;
}

/** Sits between one socket and its connection, in both directions. */
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

  /** When the client was last active. Parts of a long message count: they are noticed by their bytes, once per period. */
  heardAt(now: number): number {
    const bytes = this.wire.receivedBytes ?? 0;
    // A client that is not read from cannot be silent.
    if (this.#paused || (bytes !== this.#bytes && this.#heardAt < this.#lookedAt)) this.#heardAt = now;
    this.#bytes = bytes;
    this.#lookedAt = now;
    return this.#heardAt;
  }

  // ---- towards the socket

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

  /** Masked text frames of one ASCII character, as clients send them: handled without parsing. */
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
