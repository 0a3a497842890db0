import type { Interest } from '@polyedge/contracts/interest';
import type { Feed, Watch, WatchHandler } from '@polyedge/edge-kit/feed/watch';

/** A feed that knows which of its watches are not live yet: those need not deliver what is committed before they are. */
export class CountedWatches implements Feed {
  readonly #feed: Feed;
  readonly #pending = new Set<WatchHandler>();

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** The number of watches that are neither live nor over. */
  get pending(): number {
    return this.#pending.size;
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    this.#pending.add(handler);
    const watch = this.#feed.watch(interest, {
      change: (change) => handler.change(change),
      waits: (seq) => handler.waits?.(seq),
      live: (seq, epoch) => {
        this.#pending.delete(handler);
        handler.live(seq, epoch);
      },
      lost: (failure) => {
        this.#pending.delete(handler);
        handler.lost(failure);
      },
    });
    return {
      close: () => {
        this.#pending.delete(handler);
        watch.close();
      },
    };
  }

  whenDelivered(...wait: Parameters<Feed['whenDelivered']>): Watch {
    return this.#feed.whenDelivered(...wait);
  }
}
