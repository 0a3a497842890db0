/** The Redis of each journal: its own if the settings name one, else that of `main`. */
import { MAIN } from '@polyedge/contracts/journal';
import { journalUrls } from '@polyedge/service-kit/journal-urls';
import { connectRedis, type Redis } from './redis.ts';

export class JournalRedis {
  readonly #url: string;
  readonly #urls: ReadonlyMap<string, string>;
  readonly #name: string;
  readonly #connections = new Map<string, Redis>();

  /**
   * Throws `CannotStart` with the mistake in the settings.
   * @param name shown in CLIENT LIST
   */
  constructor({ redisUrl, redisJournals }: { readonly redisUrl: string; readonly redisJournals: string | undefined }, name: string) {
    this.#url = redisUrl;
    this.#urls = journalUrls('POLYEDGE_REDIS_JOURNALS', redisJournals, ['redis', 'rediss']);
    this.#name = name;
  }

  /** Connects on first use. */
  of(journal: string): Redis {
    const own = this.#urls.get(journal);
    const key = own === undefined ? MAIN : journal;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const redis = connectRedis({ url: own ?? this.#url, name: this.#name, onError: () => {} });
    this.#connections.set(key, redis);
    return redis;
  }

  disconnect(): void {
    for (const redis of this.#connections.values()) redis.disconnect();
  }
}
