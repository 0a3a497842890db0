/** Who waits until the changes of a write were handed out, so that its answer can follow its events. */
import type { FeedStats } from './feed-settings.ts';
import type { Watch } from './watch.ts';

interface Waiter {
  readonly epoch: string;
  readonly seq: number;
  /** On the feed's clock. */
  readonly until: number;
  readonly callback: (reached: boolean) => void;
}

/** As many wait as writes are in flight: the driver allows one per session. */
export class OwnChanges {
  readonly #stats: FeedStats;
  readonly #waiting = new Set<Waiter>();
  /** The lowest seq that anybody waits for: most ticks need not look further. */
  #lowest = Number.POSITIVE_INFINITY;
  #epoch: string | undefined;
  #reached = -1;

  constructor(stats: FeedStats) {
    this.#stats = stats;
  }

  /** Everything up to here was handed out, and the tick that did it has ended. */
  get reached(): number {
    return this.#reached;
  }

  wait(waiter: Waiter): Watch {
    this.#waiting.add(waiter);
    this.#lowest = Math.min(this.#lowest, waiter.seq);
    return { close: () => this.#waiting.delete(waiter) };
  }

  reach(epoch: string, seq: number): void {
    const sameEpoch = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#reached = seq;
    if (this.#waiting.size === 0 || (sameEpoch && seq < this.#lowest)) return;
    this.#settle((waiter) => (waiter.epoch === epoch && waiter.seq <= seq ? true : undefined));
  }

  /** The feed leaves its epoch, and with it whoever waits for something of it. */
  moveOn(): void {
    const left = this.#epoch;
    this.#epoch = undefined;
    this.#reached = -1;
    this.#settle((waiter) => (waiter.epoch === left ? true : undefined));
  }

  sweep(now: number): void {
    this.#settle((waiter) => (waiter.until <= now ? false : undefined));
  }

  clear(): void {
    this.#waiting.clear();
  }

  #settle(outcome: (waiter: Waiter) => boolean | undefined): void {
    let lowest = Number.POSITIVE_INFINITY;
    const settled: [Waiter, boolean][] = [];
    for (const waiter of this.#waiting) {
      const reached = outcome(waiter);
      if (reached === undefined) lowest = Math.min(lowest, waiter.seq);
      else settled.push([waiter, reached]);
    }
    this.#lowest = lowest;
    for (const [waiter] of settled) this.#waiting.delete(waiter);
    for (const [waiter, reached] of settled) {
      if (!reached) this.#stats.ownTimeouts += 1;
      waiter.callback(reached);
    }
  }
}
