/**
 * The limits of one connection and of one listener: one table of defaults, which an edge overrides by value.
 *
 * | limit | at the bound |
 * |---|---|
 * | `maxFrameBytes` | close 1009 |
 * | `maxFragments` | close 1008 |
 * | `framesPerSecond`, `bytesPerSecond` | reading stops until the budget has refilled (TCP pushes back); with `overRate: 'close'`, close 1008 |
 * | `maxInFlight` | reading stops until half of it is answered |
 * | `maxSubscriptions` | the subscription ends with `lost` (`limited`) |
 * | `maxTimers` | a mistake of ours: close 1011 |
 * | `maxBufferedBytes` | a frame nobody asked for (event, message, change): the slow-client rule. A reply: reading stops until half is gone |
 * | `stalledMs` | buffered bytes did not shrink for so long: the slow-client rule |
 * | `confirmMs` | a change of a group was not confirmed for so long: the slow-client rule |
 * | `authenticateMs` | no principal by then, whatever was received meanwhile: close 1008 |
 * | `idleMs` | nothing received (frame, ping or pong) for so long: close 1001 |
 * | `maxConnections` | upgrade answered 503 with Retry-After |
 * | `maxConnectionsPerAddress` | upgrade answered 429 with Retry-After |
 */
export interface Limits {
  /** Bytes of one message, all fragments together. */
  readonly maxFrameBytes: number;
  readonly maxFragments: number;
  /** Sustained rates; bursts of twice as much pass. Pings count as frames. */
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly overRate: 'pause' | 'close';
  /** Requests, writes and credentials being worked on for one connection. */
  readonly maxInFlight: number;
  readonly maxSubscriptions: number;
  /** Named timers of one session. */
  readonly maxTimers: number;
  readonly maxBufferedBytes: number;
  readonly stalledMs: number;
  readonly confirmMs: number;
  /** 0: the protocol has no login, or looks after it itself. */
  readonly authenticateMs: number;
  /** 0: for ever. */
  readonly idleMs: number;
  /** An RFC 6455 ping after so long without receiving anything; 0: never. */
  readonly pingIntervalMs: number;
  /** How long a closing handshake may take before the socket is destroyed. */
  readonly closeTimeoutMs: number;
  /** After `drain`, how long a session may finish its work before the driver closes it with 1001. */
  readonly drainMs: number;
  /** How often idle, login and stalled connections are looked for: the precision of those limits. */
  readonly sweepMs: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Bytes of the request line and headers of a handshake: a subprotocol may carry a token of 12 KB. */
  readonly maxHeaderBytes: number;
  /** From the first byte to a complete handshake. */
  readonly handshakeTimeoutMs: number;
}

export const defaultLimits: Limits = {
  maxFrameBytes: 1024 * 1024,
  maxFragments: 16_384,
  framesPerSecond: 1000,
  bytesPerSecond: 8 * 1024 * 1024,
  overRate: 'pause',
  maxInFlight: 64,
  maxSubscriptions: 1000,
  maxTimers: 64,
  maxBufferedBytes: 1024 * 1024,
  stalledMs: 30_000,
  confirmMs: 10_000,
  authenticateMs: 10_000,
  idleMs: 90_000,
  pingIntervalMs: 30_000,
  closeTimeoutMs: 5000,
  drainMs: 5000,
  sweepMs: 1000,
  maxConnections: 50_000,
  maxConnectionsPerAddress: 10_000,
  maxHeaderBytes: 16 * 1024,
  handshakeTimeoutMs: 10_000,
};

/** The defaults with an edge's own values. */
export const limits = (own: Partial<Limits> = {}): Limits => ({ ...defaultLimits, ...own });

/**
 * A token bucket computed from timestamps: holds two seconds' worth, so short bursts pass. May go below zero by one cost; nothing passes
 * then until it has refilled.
 */
export class Budget {
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, at: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond * 2;
    this.#at = at;
  }

  /** Takes `cost` and returns how many milliseconds to wait before taking more; 0 when none. */
  take(cost: number, at: number): number {
    if (at > this.#at) {
      this.#left = Math.min(this.#perSecond * 2, this.#left + ((at - this.#at) * this.#perSecond) / 1000);
      this.#at = at;
    }
    this.#left -= cost;
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left * 1000) / this.#perSecond);
  }
}
