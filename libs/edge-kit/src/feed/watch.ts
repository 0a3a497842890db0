/**
 * The live feed, as the driver and the broadcaster use it. `feed.ts` implements it over the bus; tests have a small implementation of their
 * own.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';

/** Called synchronously by the feed. Within a call, a handler may close any watch and open new ones. */
export interface WatchHandler {
  /**
   * Called once, before the first change: every change of the interest after `seq` (of this epoch) will be delivered. Never called within
   * `watch()`.
   */
  live(seq: number, epoch: string): void;
  /** Each change once, in the order of seq. */
  change(change: FullChange): void;
  /**
   * The watch now waits for a change whose body has not arrived, while watches of other interests continue: everything before `seq` was
   * delivered to it. Called again when `seq` moves, and with undefined when the wait ends.
   *
   * So the owner of several watches can establish their common order: a change is delivered when every other watch has everything before
   * it, except those that wait.
   */
  waits?(seq: number | undefined): void;
  /** The watch has ended, because it cannot continue without a gap. */
  lost(failure: Failure): void;
}

export interface Watch {
  /** Ends the watch at once: no handler call follows. Closing twice is allowed. */
  close(): void;
}

export interface Feed {
  /** Watches an interest. Watches of the same interest share one subscription on the bus; each has its own position. */
  watch(interest: Interest, handler: WatchHandler): Watch;
  /**
   * Calls back once: when everything up to `seq` of `epoch` in the journal of `tenant` was delivered to the watches (`reached`), or after
   * `timeoutMs` (not reached). Calls back within this call if it is already reached, which includes epochs that the feed has left;
   * otherwise at the end of the tick that reached it.
   */
  whenDelivered(tenant: string, epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch;
}

/** For an edge that has no feed: watching is a bug there. */
export const noFeed: Feed = {
  watch: () => {
    throw new Error('this edge has no feed');
  },
  whenDelivered: (_tenant, _epoch, _seq, _timeoutMs, callback) => {
    callback(true);
    return { close: () => {} };
  },
};
