/** The times and sizes of the publisher, and its counters. */

/** The term of the lease on PostgreSQL's clock, and how much earlier its holder stops acting. */
export const LEASE_TTL_MS = 5000;
export const LEASE_MARGIN_MS = 1000;
export const RENEW_MS = 1000;
/** Pause after a failed call. */
export const INTERRUPTED_MS = 500;
/** How long a publisher that released its lease because NATS was unavailable leaves it to others. */
export const GIVEN_BACK_MS = 2000;
/** Maximum interval between heads, so that edges can distinguish silence from loss. */
export const IDLE_HEAD_MS = 1000;
/** Interval of checking the end of the journal; the second applies while a known commit is unpublished. */
export const POLL_MS = 500;
export const POLL_BEHIND_MS = 50;
/** Changes per run; the lease and the time are checked between runs. */
export const RUN_CHANGES = 500;
export const RUN_CHARACTERS = 1024 * 1024;
/** Changes per read from PostgreSQL, adapted to a number of bytes so that large ones do not fill the memory. */
export const READ_PAGES = { first: 100, most: 1000, bytes: 4 * 1024 * 1024 };

/** Changes kept in Redis, over all partitions. */
export const HOT_CHANGES = 1_000_000;
/**
 * An idle partition is marked as complete after this many changes of others, so that a successor need not search for its end from far back.
 */
export const HEAD_EVERY = 5000;
export const REDIS_RETRY_MS = 500;
/** Interval of verifying Redis while nothing is appended. */
export const VERIFY_MS = 200;
/** Pause before a known commit that cannot be read yet is looked for again. */
export const UNREADABLE_MS = 20;

/** Counters for metrics. */
export interface PublisherStats {
  published: number;
  /** Everything up to this seq was published when this replica last published; 0 if it never did. */
  head: number;
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
