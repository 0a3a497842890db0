/** Watches whole types of elements, for caches that must never be older than the feed. */
import type { FullChange } from '@polyedge/contracts/change';
import type { Feed, Watch } from '@polyedge/edge-kit/feed/watch';

export interface Follower {
  /** An element of a followed type has changed. */
  change(change: FullChange): void;
  /** Changes may have been missed: cached data is invalid. */
  missed(): void;
}

export class Following {
  readonly #feed: Feed;
  readonly #tenant: string;
  readonly #watches = new Map<string, Watch>();
  readonly #live = new Set<string>();
  readonly #followers: { readonly types: ReadonlySet<string>; readonly follower: Follower }[] = [];
  #closed = false;

  constructor(options: { readonly feed: Feed; readonly tenant: string; readonly types: readonly string[] }) {
    this.#feed = options.feed;
    this.#tenant = options.tenant;
    for (const type of options.types) this.#watch(type);
  }

  /** Whether every change reaches the followers. Otherwise nothing may be cached. */
  get live(): boolean {
    return this.#live.size === this.#watches.size;
  }

  follow(types: readonly string[], follower: Follower): void {
    this.#followers.push({ types: new Set(types), follower });
  }

  close(): void {
    this.#closed = true;
    this.#live.clear();
    for (const watch of this.#watches.values()) watch.close();
  }

  #watch(type: string): void {
    const watch = this.#feed.watch(
      { tenant: this.#tenant, type },
      {
        live: () => void this.#live.add(type),
        change: (change) => {
          for (const { types, follower } of this.#followers) if (types.has(change.type)) follower.change(change);
        },
        lost: () => {
          this.#live.delete(type);
          for (const { types, follower } of this.#followers) if (types.has(type)) follower.missed();
          if (!this.#closed) this.#watch(type);
        },
      },
    );
    this.#watches.set(type, watch);
  }
}
