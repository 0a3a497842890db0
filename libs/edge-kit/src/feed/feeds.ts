/**
 * The live feed of an edge over all journals: one feed for each journal that its clients need. A journal's feed is opened when somebody watches a
 * tenant that is there, so an edge hears the heads of no other journal, and closed some time after the last watch has ended. A tenant that is moved
 * ends its watches: whoever watched starts over, where the tenant is now.
 */
import type { Interest } from '@polyedge/contracts/interest';
import { MAIN } from '@polyedge/contracts/journal';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { processSurroundings } from '@polyedge/service-kit/surroundings';
import { type FeedOptions, type LiveFeed, openFeed } from './feed.ts';
import type { Feed, Watch, WatchHandler } from './watch.ts';

/** How long a journal's feed stays open without a watch: clients that come and go do not find it closed. */
const LINGER_MS = 30_000;

export interface Feeds extends Feed {
  /** By journal: those that are open. */
  readonly open: ReadonlyMap<string, Pick<LiveFeed, 'stats'>>;
  /** Ends them all: no handler is called afterwards. */
  close(): void;
}

/** Begins with the feed of `main`, where tenants are unless they were placed elsewhere. */
export function openFeeds(options: FeedOptions): Feeds {
  return new JournalFeeds(options);
}

class JournalFeeds implements Feeds {
  readonly #options: FeedOptions;
  readonly #feeds = new Map<string, LiveFeed>();
  /** Feeds that nobody watched when they were looked at last. */
  readonly #unwatched = new Set<string>();
  readonly #ends: (() => void)[] = [];
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#of(MAIN);
    const moved = options.bus.placements?.onMoved((tenants) => {
      for (const feed of this.#feeds.values()) feed.moved(tenants);
    });
    if (moved === undefined) return;
    const { every } = options.surroundings ?? processSurroundings;
    this.#ends.push(
      () => moved.unsubscribe(),
      every(LINGER_MS, () => this.#closeUnwatched()),
    );
  }

  get open(): ReadonlyMap<string, Pick<LiveFeed, 'stats'>> {
    return this.#feeds;
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    return this.#of(this.#journalOf(interest.tenant)).watch(interest, handler);
  }

  whenDelivered(tenant: string, epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch {
    const feed = this.#feeds.get(this.#journalOf(tenant));
    if (feed !== undefined) return feed.whenDelivered(tenant, epoch, seq, timeoutMs, callback);
    // Nobody here watches anything there.
    callback(true);
    return { close: () => {} };
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end();
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #journalOf(tenant: string): string {
    return this.#options.bus.placements?.journalOf(tenant) ?? MAIN;
  }

  #of(journal: string): LiveFeed {
    const known = this.#feeds.get(journal);
    if (known !== undefined) {
      this.#unwatched.delete(journal);
      return known;
    }
    const feed = openFeed({ ...this.#options, bus: busOf(this.#options.bus, journal) });
    if (this.#isClosed) feed.close();
    else this.#feeds.set(journal, feed);
    return feed;
  }

  /** The last one stays: where there is one journal, a client never waits for its feed to find out where it stands. */
  #closeUnwatched(): void {
    for (const [journal, feed] of [...this.#feeds]) {
      if (feed.stats.watches > 0) this.#unwatched.delete(journal);
      else if (!this.#unwatched.has(journal)) this.#unwatched.add(journal);
      else if (this.#feeds.size > 1) {
        this.#unwatched.delete(journal);
        this.#feeds.delete(journal);
        feed.close();
      }
    }
  }
}
