/** A subscription with a throttle: at most one event per resource in this many milliseconds. */
export class Throttle {
  readonly #ms: number;
  /** When a resource was last in an event, the longest ago first. */
  readonly #last = new Map<string, number>();

  /** @param ms 0: no limit, and nothing is remembered */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Milliseconds until a resource may be in an event again; not positive: it may be now. */
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
