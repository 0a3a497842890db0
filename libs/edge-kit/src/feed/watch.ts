/**
 * What the driver and the broadcaster need of the live feed. `feed.ts` implements it over the bus; tests use a small one of their own.
 */
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';

/** Called synchronously by the feed. A handler may close its own or any other watch, and open new ones, from within a call. */
export interface WatchHandler {
  /** Once, before the first change: every change of the interest after `seq` (of this epoch) will come. Never from within `watch()`. */
  live(seq: number, epoch: string): void;
  /** Each change once, in the order of seq. */
  change(change: FullChange): void;
  /**
   * From now on this watch waits for a change whose body has not come, while watches of other interests go on: everything before `seq` was
   * handed to it. Told again when that moves, and with undefined when the watch waits for nothing.
   *
   * So whoever has several watches can tell their common order: a change is handed out when every other watch has had all that comes before
   * it, except those that wait.
   */
  waits?(seq: number | undefined): void;
  /** The watch cannot be continued without a gap and has ended. */
  lost(failure: Failure): void;
}

export interface Watch {
  /** Ends it at once: no handler call follows. Closing twice is fine. */
  close(): void;
}

export interface Feed {
  /** Watches an interest. Watches of equal interests share one subscription on the bus; each has its own position. */
  watch(interest: Interest, handler: WatchHandler): Watch;
  /**
   * Calls back once when everything up to `seq` of `epoch`, in the journal where `tenant` is, has been handed to the watches (`reached`), or after `timeoutMs` (not reached).
   * Calls back at once, from within this call, when that is the case already. Another epoch than the feed's counts as reached when the
   * feed has moved past it. Comes at the end of the tick that reached it.
   */
  whenDelivered(tenant: string, epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch;
}

/** For an edge that has none: whoever watches there is a mistake of ours. */
export const noFeed: Feed = {
  watch: () => {
    throw new Error('this edge has no feed');
  },
  whenDelivered: (_tenant, _epoch, _seq, _timeoutMs, callback) => {
    callback(true);
    return { close: () => {} };
  },
};
