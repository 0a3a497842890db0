/** The limits of the executor, and its counters. */

export const MAX_BATCH_REQUESTS = 500;
export const MAX_BATCH_OPERATIONS = 5000;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Waiting requests of a lane above which it rejects with `busy`; it accepts again at half of it. */
export const MAX_WAITING_REQUESTS = 2000;
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Maximum difference between an operation id's time and this clock, because repeats are remembered by the day in the id. */
export const MAX_OPERATION_AGE_MS = 24 * 3_600_000;
export const MAX_OPERATION_AHEAD_MS = 12 * 3_600_000;
/** Attempts to look up the outcome of a batch whose connection broke. */
export const LOOKUP_TRIES = 50;
export const LOOKUP_PAUSE_MS = 100;
/** Minimum bytes of a large message, and characters of a large state. */
export const LARGE = 64 * 1024;
/** Maximum number of elements remembered as large; the least recently written is forgotten first. */
export const MAX_KNOWN_LARGE = 10_000;

/** Counters for metrics. */
export interface ExecutorStats {
  batches: number;
  requests: number;
  changes: number;
  exclusive: number;
  bisected: number;
  repeated: number;
  /** Messages that repeated a waiting or running one, and got its outcome. */
  joined: number;
  lookups: number;
  refused: number;
  waitingRequests: number;
  waitingBytes: number;
}
