/** The figures of the executor, and what it counts. */

export const MAX_BATCH_REQUESTS = 500;
export const MAX_BATCH_OPERATIONS = 5000;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Where waiting requests of a lane are refused with `busy`; they are welcome again at half of it. */
export const MAX_WAITING_REQUESTS = 2000;
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** How far an operation id's own time may be from this clock: its repeats are remembered by the day it names. */
export const MAX_OPERATION_AGE_MS = 24 * 3_600_000;
export const MAX_OPERATION_AHEAD_MS = 12 * 3_600_000;
/** Tries to find out what became of a batch whose connection broke. */
export const LOOKUP_TRIES = 50;
export const LOOKUP_PAUSE_MS = 100;
/** Bytes of a message, or characters of a state, from which it is large. */
export const LARGE = 64 * 1024;
/** Elements known to be large; the one written longest ago is forgotten first. */
export const MAX_KNOWN_LARGE = 10_000;

/** Counters for metrics. */
export interface ExecutorStats {
  batches: number;
  requests: number;
  changes: number;
  exclusive: number;
  bisected: number;
  repeated: number;
  /** Messages that came again while an earlier attempt was waiting or under way, and got its outcome. */
  joined: number;
  lookups: number;
  refused: number;
  waitingRequests: number;
  waitingBytes: number;
}
