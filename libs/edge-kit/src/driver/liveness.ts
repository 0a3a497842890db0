/** What a sweep of a connection looks at: whether it authenticated in time, was heard of lately, takes what it is owed, or should be asked for life. */
import type { Limits } from '../limits.ts';

/** What is to be done about a connection now; undefined: nothing. */
export type Verdict = 'not authenticated' | 'idle' | 'stalled' | 'ask' | undefined;

export interface Seen {
  readonly authenticated: boolean;
  /** Nothing is read from it: it cannot be idle then. */
  readonly unread: boolean;
  /** What it is owed, and what the operating system has taken for it since the beginning; bytes. */
  readonly owed: number;
  readonly sent: number;
}

export class Liveness {
  readonly #openedAt: number;
  #heardAt: number;
  /** When the last whole frame of the client's own came: a message or a ping. */
  #frameAt = 0;
  #askedAt: number;
  #sent = 0;
  #movedAt: number;

  constructor(at: number) {
    this.#openedAt = at;
    this.#heardAt = at;
    this.#askedAt = at;
    this.#movedAt = at;
  }

  get frameAt(): number {
    return this.#frameAt;
  }

  /** Something came: a part of a message, or a pong. */
  received(at: number): void {
    this.#heardAt = at;
  }

  /** A message or a ping came as a whole. */
  framed(): void {
    this.#frameAt = this.#heardAt;
  }

  /** @returns the first thing that took too long */
  look(at: number, seen: Seen, limits: Limits): Verdict {
    if (seen.unread) this.#heardAt = at;
    if (limits.authenticateMs > 0 && !seen.authenticated && at - this.#openedAt > limits.authenticateMs) return 'not authenticated';
    if (limits.idleMs > 0 && at - this.#heardAt > limits.idleMs) return 'idle';
    if (seen.owed === 0 || seen.sent !== this.#sent) {
      this.#sent = seen.sent;
      this.#movedAt = at;
    } else if (at - this.#movedAt > limits.stalledMs) return 'stalled';
    if (limits.pingIntervalMs === 0 || at - Math.max(this.#heardAt, this.#askedAt) < limits.pingIntervalMs) return undefined;
    this.#askedAt = at;
    return 'ask';
  }
}
