/** The checks of a connection's sweep: whether it authenticated in time, is idle, has stalled, or should be pinged. */
import type { Limits } from '../limits.ts';

/** What to do about a connection now; undefined: nothing. */
export type LivenessVerdict = 'not authenticated' | 'idle' | 'stalled' | 'ping' | undefined;

export interface Activity {
  readonly authenticated: boolean;
  /** Reading is paused, so the connection cannot be idle. */
  readonly readingStopped: boolean;
  /** Unsent bytes, and all bytes that the operating system has accepted so far. */
  readonly unsent: number;
  readonly sent: number;
}

export class Liveness {
  readonly #openedAt: number;
  #heardAt: number;
  /** When the client's last whole frame arrived: a message or a ping. */
  #frameAt = 0;
  #pingedAt: number;
  #sent = 0;
  #movedAt: number;

  constructor(at: number) {
    this.#openedAt = at;
    this.#heardAt = at;
    this.#pingedAt = at;
    this.#movedAt = at;
  }

  get frameAt(): number {
    return this.#frameAt;
  }

  /** Bytes arrived: part of a message, or a pong. */
  received(at: number): void {
    this.#heardAt = at;
  }

  /** A whole message or ping arrived. */
  framed(): void {
    this.#frameAt = this.#heardAt;
  }

  /** @returns the first time-out that has expired */
  look(at: number, seen: Activity, limits: Limits): LivenessVerdict {
    if (seen.readingStopped) this.#heardAt = at;
    if (limits.authenticateMs > 0 && !seen.authenticated && at - this.#openedAt > limits.authenticateMs) return 'not authenticated';
    if (limits.idleMs > 0 && at - this.#heardAt > limits.idleMs) return 'idle';
    if (seen.unsent === 0 || seen.sent !== this.#sent) {
      this.#sent = seen.sent;
      this.#movedAt = at;
    } else if (at - this.#movedAt > limits.stalledMs) return 'stalled';
    if (limits.pingIntervalMs === 0 || at - Math.max(this.#heardAt, this.#pingedAt) < limits.pingIntervalMs) return undefined;
    this.#pingedAt = at;
    return 'ping';
  }
}
