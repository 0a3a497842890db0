/** A clock that the test advances. */
import type { Clock } from '../wheel.ts';

export class ManualClock implements Clock {
  #now: number;
  #wakes: { readonly at: number; readonly callback: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wakeAt(at: number, callback: () => void): () => void {
    const wake = { at, callback };
    this.#wakes.push(wake);
    return () => {
      this.#wakes = this.#wakes.filter((other) => other !== wake);
    };
  }

  /** Advances the time without running callbacks, as when the process is suspended; they run with the next `advance`. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  /** Advances the time and runs the callbacks that are due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = this.#wakes.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#wakes = this.#wakes.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = until;
  }
}
