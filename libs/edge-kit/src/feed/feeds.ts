/**
 * The live feed of an edge over all journals: one feed per journal that its clients need. A journal's feed is opened by the first watch of
 * one of its tenants, so an edge receives no heads of other journals, and closed some time after the last watch has ended. The watches of a
 * tenant end when it moves, and are restarted in its new journal.
 */
import type { Interest } from '@polyedge/contracts/interest';
import { MAIN } from '@polyedge/contracts/journal';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { processSurroundings } from '@polyedge/service-kit/surroundings';
import { Arrivals } from './arrivals.ts';
import { type FeedOptions, type LiveFeed, openFeed } from './feed.ts';
import type { Feed, Watch, WatchHandler } from './watch.ts';

/** How long a journal's feed stays open without a watch, so that reconnecting clients find it open. */
const LINGER_MS = 30_000;

export interface Feeds extends Feed {
  /** The open feeds, by journal. */
  readonly open: ReadonlyMap<string, Pick<LiveFeed, 'stats'>>;
  /** Closes all feeds: no handler is called afterwards. */
  close(): void;
}

/** Opens the feed of `main` at once, where all tenants are that were not placed elsewhere. */
export function openFeeds(options: FeedOptions): Feeds {
  return new JournalFeeds(options);
}

class JournalFeeds implements Feeds {
  readonly #options: FeedOptions;
  readonly #feeds = new Map<string, LiveFeed>();
  /** Feeds that had no watch at the last sweep. */
  readonly #unwatched = new Set<string>();
  readonly #ends: (() => void)[] = [];
  readonly #arrivals: Arrivals;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    const { every, after } = options.surroundings ?? processSurroundings;
    this.#arrivals = new Arrivals(after);
    this.#of(MAIN);
    const moved = options.bus.placements?.onMoved((tenants) => this.#moved(tenants));
    if (moved === undefined) return;
    this.#ends.push(
      () => moved.unsubscribe(),
      every(LINGER_MS, () => this.#closeUnwatched()),
    );
  }

  get open(): ReadonlyMap<string, Pick<LiveFeed, 'stats'>> {
    return this.#feeds;
  }

  watch(interest: Interest, handler: WatchHandler): Watch {
    return this.#arrivals.watch(interest, handler) ?? this.#of(this.#journalOf(interest.tenant)).watch(interest, handler);
  }

  whenDelivered(tenant: string, epoch: string, seq: number, timeoutMs: number, callback: (reached: boolean) => void): Watch {
    const feed = this.#feeds.get(this.#journalOf(tenant));
    if (feed !== undefined) return feed.whenDelivered(tenant, epoch, seq, timeoutMs, callback);
    // This process has no watch in that journal.
    callback(true);
    return { close: () => {} };
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end();
    this.#arrivals.close();
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #moved(tenants: ReadonlySet<string>): void {
    for (const tenant of tenants) {
      const journal = this.#journalOf(tenant);
      this.#arrivals.moved(tenant, this.#feeds.get(journal), busOf(this.#options.bus, journal));
    }
    for (const feed of this.#feeds.values()) feed.moved(tenants);
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

  /** Keeps the last feed: with a single journal, no client waits for its feed to determine its position. */
  #closeUnwatched(): void {
    for (const [journal, feed] of [...this.#feeds]) {
      if (feed.stats.watches > 0 || this.#arrivals.awaits(feed)) this.#unwatched.delete(journal);
      else if (!this.#unwatched.has(journal)) this.#unwatched.add(journal);
      else if (this.#feeds.size > 1) {
        this.#unwatched.delete(journal);
        this.#feeds.delete(journal);
        this.#arrivals.closed(feed);
        feed.close();
      }
    }
  }
}
