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
 * | `maxTimers` | a bug: close 1011 |
 * | `maxBufferedBytes` | for an unsolicited frame (event, message, change) the slow-client rule; for a reply reading stops, and nothing is asked, until half is sent |
 * | `stalledMs` | the slow-client rule, if buffered bytes did not shrink for this time |
 * | `confirmMs` | the slow-client rule, if a group's change was not confirmed for this time |
 * | `authenticateMs` | close 1008, if there is no principal by then |
 * | `idleMs` | close 1001, if nothing was received (frame, ping or pong) for this time |
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
  /** Concurrent requests, writes and credential verifications of one connection. */
  readonly maxInFlight: number;
  readonly maxSubscriptions: number;
  /** Named timers of one session. */
  readonly maxTimers: number;
  readonly maxBufferedBytes: number;
  readonly stalledMs: number;
  readonly confirmMs: number;
  /** 0: the protocol has no login, or its session enforces the time. */
  readonly authenticateMs: number;
  /** 0: never. */
  readonly idleMs: number;
  /** Sends an RFC 6455 ping after this time without receiving anything; 0: never. */
  readonly pingIntervalMs: number;
  /** Time-out of the closing handshake, after which the socket is destroyed. */
  readonly closeTimeoutMs: number;
  /** How long a session may take to finish after `drain`, before the driver closes the connection with 1001. */
  readonly drainMs: number;
  /** Interval of the checks for idle, unauthenticated and stalled connections: the precision of those limits. */
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

/** The defaults, overridden by an edge's own values. */
export const limits = (own: Partial<Limits> = {}): Limits => ({ ...defaultLimits, ...own });

/**
 * A token bucket computed from timestamps. It holds two seconds' worth, so short bursts pass. It may go below zero by one cost; nothing
 * passes then until it has refilled.
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

  /** Takes `cost` and returns the milliseconds to wait before taking more; 0 for none. */
  take(cost: number, at: number): number {
    if (at > this.#at) {
      this.#left = Math.min(this.#perSecond * 2, this.#left + ((at - this.#at) * this.#perSecond) / 1000);
      this.#at = at;
    }
    this.#left -= cost;
    return this.#left >= 0 ? 0 : Math.ceil((-this.#left * 1000) / this.#perSecond);
  }
}
