/**
 * The clock by which spans of several processes are compared. `Date.now()` counts whole milliseconds, in which a message crosses NATS and back, and
 * `performance.timeOrigin` may be a millisecond off.
 */
export class WallClock {
  readonly #date: () => number;
  readonly #elapsed: () => number;
  #origin: number;

  /**
   * @param date like `Date.now`
   * @param elapsed a monotonic clock, in fractions of a millisecond
   * @param origin about the time at which `elapsed` was 0
   */
  constructor(date = () => Date.now(), elapsed = () => performance.now(), origin = performance.timeOrigin) {
    this.#date = date;
    this.#elapsed = elapsed;
    this.#origin = origin;
  }

  /**
   * Milliseconds since 1970, with their fractions. Always in the millisecond that `Date.now()` names, so it follows the system's clock when that is
   * set, and is exact after calls near the beginning and the end of a millisecond.
   */
  now(): number {
    const date = this.#date();
    const elapsed = this.#elapsed();
    this.#origin = Math.min(Math.max(this.#origin, date - elapsed), date + 1 - elapsed);
    return this.#origin + elapsed;
  }
}
