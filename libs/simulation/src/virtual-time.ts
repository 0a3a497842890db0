/** Virtual time, which passes from event to event, and seeded randomness: two runs with the same seed are identical. */

interface Timed {
  readonly at: number;
  readonly order: number;
  run: () => void;
}

const nothing = (): void => {};

const settled = Promise.resolve();

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

  /** True with this probability, in percent. */
  percent(share: number): boolean {
    return this.next() * 100 < share;
  }

  /** One of the items; undefined if there are none. */
  of<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(items.length)];
  }
}

/** A clock that is advanced by `run`. Starts at 0. Events of one moment run in the order in which they were scheduled. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #fingerprint = 0;
  /** A binary heap by time and order. */
  readonly #heap: Timed[] = [];

  get now(): number {
    return this.#now;
  }

  /** @returns a function that cancels it */
  after(ms: number, run: () => void): () => void {
    this.#order += 1;
    const timed: Timed = { at: this.#now + Math.max(0, ms), order: this.#order, run };
    this.#push(timed);
    return () => {
      timed.run = nothing;
    };
  }

  /** A hash of the times and order of all events so far: two runs that have differed anywhere have different ones. */
  get fingerprint(): number {
    return this.#fingerprint >>> 0;
  }

  /** Lets some milliseconds pass. @returns how many events ran */
  run(ms: number): number {
    const end = this.#now + ms;
    let count = 0;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#begin(next);
      count += 1;
    }
    this.#now = end;
    return count;
  }

  /** As `run`, for code that awaits: the continuations of promises that an event settled run before the next event. */
  runSettled(ms: number): Promise<number> {
    const end = this.#now + ms;
    let count = 0;
    return new Promise((resolve, reject) => {
      /** Runs events up to one that may have settled a promise. */
      const run = (): void => {
        for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
          const isCancelled = next.run === nothing;
          count += 1;
          try {
            this.#begin(next);
          } catch (error) {
            reject(error);
            return;
          }
          if (isCancelled) continue;
          void settled.then(afterPromises);
          return;
        }
        this.#now = end;
        resolve(count);
      };
      // A tick runs when the queue of microtasks is empty. There is no turn of the event loop, so no outside event can intervene.
      const afterPromises = (): void => process.nextTick(run);
      void settled.then(afterPromises);
    });
  }

  #begin(next: Timed): void {
    this.#pop();
    this.#now = next.at;
    // Fractions of a millisecond count too.
    this.#fingerprint = Math.imul(this.#fingerprint ^ (next.at * 65_536) ^ Math.imul(next.order, 0x9e3779b1), 0x01000193);
    next.run();
  }

  #push(timed: Timed): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timed);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above];
      if (other === undefined || !isBefore(timed, other)) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = timed;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let next = heap[below];
      const right = heap[below + 1];
      if (next !== undefined && right !== undefined && isBefore(right, next)) {
        below += 1;
        next = right;
      }
      if (next === undefined || !isBefore(next, last)) break;
      heap[at] = next;
      at = below;
    }
    heap[at] = last;
  }
}

const isBefore = (one: Timed, other: Timed): boolean => one.at < other.at || (one.at === other.at && one.order < other.order);
