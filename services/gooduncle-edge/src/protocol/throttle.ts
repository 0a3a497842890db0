/** Throttles a subscription: at most one event per resource in this many milliseconds. */
export class Throttle {
  readonly #ms: number;
  /** The time of each resource's last event, oldest first. */
  readonly #last = new Map<string, number>();

  /** @param ms 0: unlimited, and nothing is stored */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Milliseconds until the next event of the resource may be sent; not positive: now. */
  waitMs(id: string, at: number): number {
    return this.#ms === 0 ? 0 : (this.#last.get(id) ?? Number.NEGATIVE_INFINITY) + this.#ms - at;
  }

  /** An event about the resource was sent. */
  sent(id: string, at: number): void {
    if (this.#ms === 0) return;
    this.#last.delete(id);
    this.#last.set(id, at);
    for (const [other, last] of this.#last) {
      if (last + this.#ms > at) break;
      this.#last.delete(other);
    }
  }
}
