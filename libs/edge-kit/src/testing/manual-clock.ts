/** Time that passes only when a test says so. */
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

  /** Lets time pass while nothing can run, as when the process is stopped; what was due comes with the next `advance`. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  /** Lets time pass and calls back what is due meanwhile, in order of time. */
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
