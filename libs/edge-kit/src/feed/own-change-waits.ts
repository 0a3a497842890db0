/** Waits until the changes of a write were delivered, so that its answer can follow its events. */
import type { FeedEffect } from './messages.ts';
import type { FeedStats } from './settings.ts';

interface Waiter {
  readonly waiter: number;
  readonly epoch: string;
  readonly seq: number;
  readonly until: number;
}

/** Bounded by the writes in flight, of which the driver allows one per session. */
export class OwnChangeWaits {
  readonly #stats: FeedStats;
  readonly #effects: FeedEffect[];
  readonly #waiting = new Map<number, Waiter>();
  /** The lowest seq waited for, so that most turns need no search. */
  #lowest = Number.POSITIVE_INFINITY;
  #epoch: string | undefined;
  #reached = -1;

  constructor(stats: FeedStats, effects: FeedEffect[]) {
    this.#stats = stats;
    this.#effects = effects;
  }

  /** Everything up to this seq was delivered, and the turn that did so has ended. */
  get reached(): number {
    return this.#reached;
  }

  wait(waiter: Waiter): void {
    this.#waiting.set(waiter.waiter, waiter);
    this.#lowest = Math.min(this.#lowest, waiter.seq);
  }

  stopWaiting(waiter: number): void {
    this.#waiting.delete(waiter);
  }

  reach(epoch: string, seq: number): void {
    const sameEpoch = epoch === this.#epoch;
    this.#epoch = epoch;
    this.#reached = seq;
    if (this.#waiting.size === 0 || (sameEpoch && seq < this.#lowest)) return;
    this.#settle((waiter) => (waiter.epoch === epoch && waiter.seq <= seq ? true : undefined));
  }

  /** The feed leaves its epoch, which ends all waits for that epoch. */
  leaveEpoch(): void {
    const left = this.#epoch;
    this.#epoch = undefined;
    this.#reached = -1;
    this.#settle((waiter) => (waiter.epoch === left ? true : undefined));
  }

  sweep(at: number): void {
    this.#settle((waiter) => (waiter.until <= at ? false : undefined));
  }

  #settle(outcome: (waiter: Waiter) => boolean | undefined): void {
    let lowest = Number.POSITIVE_INFINITY;
    for (const waiter of this.#waiting.values()) {
      const reached = outcome(waiter);
      if (reached === undefined) {
        lowest = Math.min(lowest, waiter.seq);
        continue;
      }
      this.#waiting.delete(waiter.waiter);
      if (!reached) this.#stats.ownTimeouts += 1;
      this.#effects.push({ do: 'delivered', waiter: waiter.waiter, reached });
    }
    this.#lowest = lowest;
  }
}
