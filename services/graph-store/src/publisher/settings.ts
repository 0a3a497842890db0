/** The figures of the publisher, and what it counts. */

/** How long the lease lasts on PostgreSQL's clock, and how much earlier its holder stops acting. */
export const LEASE_TTL_MS = 5000;
export const LEASE_MARGIN_MS = 1000;
export const RENEW_MS = 1000;
/** Pause after an answer that failed. */
export const INTERRUPTED_MS = 500;
/** How long a publisher that gave its lease back because NATS did not answer leaves it to others. */
export const GIVEN_BACK_MS = 2000;
/** A head comes at least this often, so that edges can tell silence from loss. */
export const IDLE_HEAD_MS = 1000;
/** How often the end of the journal is looked at; the second while something is known that was not published. */
export const POLL_MS = 500;
export const POLL_BEHIND_MS = 50;
/** Changes in one run: what is published between two looks at the lease and at the clock. */
export const RUN_CHANGES = 500;
export const RUN_CHARACTERS = 1024 * 1024;
/** Changes read from PostgreSQL at once: as many as are near these bytes, so that large ones do not fill the memory. */
export const READ_PAGES = { first: 100, most: 1000, bytes: 4 * 1024 * 1024 };

/** Changes that Redis keeps, over all partitions. */
export const HOT_CHANGES = 1_000_000;
/** A partition in which nothing happens says after so many changes that it is complete: a successor need not look for it from far back. */
export const HEAD_EVERY = 5000;
export const REDIS_RETRY_MS = 500;
/** How often Redis is asked, while nothing is appended, whether it still has what it had. */
export const VERIFY_MS = 200;
/** Pause before a commit is looked for again that is known and cannot be read yet. */
export const UNREADABLE_MS = 20;

/** Counters for metrics. */
export interface PublisherStats {
  published: number;
  references: number;
  refused: number;
  readsFromJournal: number;
  taken: number;
  lagMs: number;
  publishing: boolean;
}

/** Counters for metrics. */
export interface AppenderStats {
  appended: number;
  rebuilt: number;
  failures: number;
}
