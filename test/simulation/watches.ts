import type { Interest } from '@polyedge/contracts/interest';
import type { Feed, Watch, WatchHandler } from '@polyedge/edge-kit/feed/watch';

/** A feed that knows which of its watches have not become live yet: what is committed until then need not be shown by them. */
export class CountedWatches implements Feed {
  readonly #feed: Feed;
  readonly #pending = new Set<WatchHandler>();

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Watches that were asked for and are neither live nor over. */
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
