/** How often a session may ask (Good Uncle: `slow down`; protocol page 2.5). Computed from the times of what happens; there is no clock here. */

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

  /** Takes one; false when there is none, and nothing is taken then. */
  take(at: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (Math.max(0, at - this.#at) * this.#perSecond) / 1000);
    this.#at = Math.max(at, this.#at);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

const TELL_EVERY_MS = 100;
const PATIENCE_MS = 3000;
/** After so long without an excess the patience starts anew. */
const CALM_MS = 1000;

/** What to do about a request beyond the rate. */
export type Excess = 'tell' | 'drop' | 'hang up';

export class Excesses {
  #first: number | undefined;
  #last = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  add(at: number): Excess {
    if (this.#first === undefined || at - this.#last > CALM_MS) this.#first = at;
    this.#last = at;
    if (at - this.#first >= PATIENCE_MS) return 'hang up';
    if (at - this.#toldAt < TELL_EVERY_MS) return 'drop';
    this.#toldAt = at;
    return 'tell';
  }
}
