/** The clock by which spans of several processes are compared. `Date.now()` counts whole milliseconds, in which a message crosses NATS and back. */

/** Maximum difference from `Date.now()`, in milliseconds: more means that the clock was set. */
const MAX_DRIFT_MS = 2;

export class WallClock {
  readonly #date: () => number;
  readonly #elapsed: () => number;
  #origin: number;

  /**
   * @param date like `Date.now`
   * @param elapsed a monotonic clock, in fractions of a millisecond
   * @param origin the time at which `elapsed` was 0
   */
  constructor(date = () => Date.now(), elapsed = () => performance.now(), origin = performance.timeOrigin) {
    this.#date = date;
    this.#elapsed = elapsed;
    this.#origin = origin;
  }

  /** Milliseconds since 1970, with their fractions. Follows the system's clock when that is set. */
  now(): number {
    const date = this.#date();
    const elapsed = this.#elapsed();
    // The middle of the millisecond.
    if (Math.abs(this.#origin + elapsed - date) > MAX_DRIFT_MS) this.#origin = date + 0.5 - elapsed;
    return this.#origin + elapsed;
  }
}
