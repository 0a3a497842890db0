/** The Redis of each journal: its own if the settings name one, else that of `main`. */
import { MAIN } from '@polyedge/contracts/journal';
import { journalUrls } from '@polyedge/service-kit/journal-urls';
import { connectRedis, type Redis } from './redis.ts';

/** Different errors that are reported between two successful connections. */
const MAX_REPORTED = 16;

/** The Redis servers of journals that have one of their own. Throws `CannotStart` with the mistake in the setting. */
export const redisJournalUrls = ({ redisJournals }: { readonly redisJournals: string | undefined }): ReadonlyMap<string, string> =>
  journalUrls('POLYEDGE_REDIS_JOURNALS', redisJournals, ['redis', 'rediss']);

export class JournalRedis {
  readonly #url: string;
  readonly #urls: ReadonlyMap<string, string>;
  readonly #name: string;
  readonly #onProblem: (sentence: string) => void;
  readonly #connections = new Map<string, Redis>();

  /**
   * Throws `CannotStart` with the mistake in the settings.
   * @param name shown in CLIENT LIST
   * @param onProblem told why a server is not reached, for the log: each reason once until one of its servers is reached
   */
  constructor(
    { redisUrl, redisJournals }: { readonly redisUrl: string; readonly redisJournals: string | undefined },
    name: string,
    onProblem: (sentence: string) => void = () => {},
  ) {
    this.#url = redisUrl;
    this.#urls = redisJournalUrls({ redisJournals });
    this.#name = name;
    this.#onProblem = onProblem;
  }

  /** Connects on first use. */
  of(journal: string): Redis {
    const own = this.#urls.get(journal);
    const key = own === undefined ? MAIN : journal;
    const known = this.#connections.get(key);
    if (known !== undefined) return known;
    const reported = new Set<string>();
    const onError = ({ message }: Error): void => {
      if (reported.has(message) || reported.size === MAX_REPORTED) return;
      reported.add(message);
      this.#onProblem(`the Redis of journal ${key} is not reached: ${message}`);
    };
    const redis = connectRedis({ url: own ?? this.#url, name: this.#name, onError, onReady: () => reported.clear() });
    this.#connections.set(key, redis);
    return redis;
  }

  disconnect(): void {
    for (const redis of this.#connections.values()) redis.disconnect();
  }
}
