/**
 * Rate limit of a session's requests (Good Uncle: `slow down`; protocol page 2.5). Computed from the times of inputs; there is no clock
 * here.
 */

export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, burst: number, at: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#at = at;
  }

  /** Takes one token; false if none is left. */
  take(at: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (Math.max(0, at - this.#at) * this.#perSecond) / 1000);
    this.#at = Math.max(at, this.#at);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Time and number of excess requests after which the connection closes (protocol page 2.5). */
export const GRACE = { ms: 3000, requests: 1000 } as const;
/** The grace period resets after this long without an excess. */
const CALM_MS = 1000;

/** Counts requests above the rate. Each of them is answered, so that no client waits in vain. */
export class Excesses {
  #first = Number.NEGATIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** @returns whether to close the connection, because the client ignores the limit */
  add(at: number): boolean {
    if (at - this.#last > CALM_MS) {
      this.#first = at;
      this.#count = 0;
    }
    this.#last = at;
    this.#count += 1;
    return at - this.#first >= GRACE.ms || this.#count > GRACE.requests;
  }
}
