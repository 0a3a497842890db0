/** Time that passes only from event to event, and chance from a seed: a run with the same seed is the same run. */

interface Timed {
  readonly at: number;
  readonly order: number;
  run: () => void;
}

const nothing = (): void => {};

/** A turn of the real event loop: every promise that can go on has gone on. */
const promisesSettled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A seeded source of randomness (mulberry32). */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed | 0;
  }

  /** 0 ≤ x < 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** True in so many of a hundred cases. */
  percent(share: number): boolean {
    return this.next() * 100 < share;
  }

  /** One of the items; undefined of none. */
  of<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(items.length)];
  }
}

/** A clock whose hands are moved by `run`. Starts at 0. Events of one moment run in the order in which they were asked for. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #promised = false;
  /** A binary heap by time and order. */
  readonly #heap: Timed[] = [];

  get now(): number {
    return this.#now;
  }

  /** @returns what cancels it */
  after(ms: number, run: () => void): () => void {
    this.#order += 1;
    const timed: Timed = { at: this.#now + Math.max(0, ms), order: this.#order, run };
    this.#heap.push(timed);
    this.#up(this.#heap.length - 1);
    return () => {
      timed.run = nothing;
    };
  }

  /** A promise was settled in an event: what waits for it goes on before the next event (`runSettled`). */
  promised(): void {
    this.#promised = true;
  }

  /** Lets so much time pass. @returns how many events ran */
  run(ms: number): number {
    const end = this.#now + ms;
    let count = 0;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      this.#now = next.at;
      next.run();
      count += 1;
    }
    this.#now = end;
    return count;
  }

  /** As `run`, for code that awaits: all promises that an event settled have gone on before the next event. */
  async runSettled(ms: number): Promise<number> {
    const end = this.#now + ms;
    let count = 0;
    for (;;) {
      while (this.#promised) {
        this.#promised = false;
        await promisesSettled();
      }
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      this.#now = next.at;
      next.run();
      count += 1;
    }
    this.#now = end;
    return count;
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(at, above)) return;
      this.#swap(at, above);
      at = above;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      let first = at;
      for (const below of [2 * at + 1, 2 * at + 2]) if (below < this.#heap.length && this.#isBefore(below, first)) first = below;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left === undefined || right === undefined) return false;
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  #swap(one: number, other: number): void {
    const [left, right] = [this.#heap[one], this.#heap[other]];
    if (left === undefined || right === undefined) return;
    this.#heap[one] = right;
    this.#heap[other] = left;
  }
}
