/** Counters of a bus: plain numbers, so that counting costs nothing; a metrics reader collects them, under their names. */
export interface BusCounts {
  requests: number;
  replies: number;
  /** Requests that ended with a failure of any code. */
  failures: number;
  timeouts: number;
  /** Requests rejected as expired immediately after sending, and sent again without a deadline: the two clocks differ. */
  skewed: number;
  /** Replies that arrived after the request had ended. */
  lateReplies: number;
  published: number;
  /** Messages received. */
  heard: number;
  /** Messages that were not JSON or broke their channel's schema. */
  malformed: number;
  /** Messages not published: over a limit, or no connection. */
  unsent: number;
  /** Exceptions of handlers, which are bugs. */
  thrown: number;
  /** Errors reported by the server: permissions, slow consumer. */
  serverErrors: number;
  disconnects: number;
}

export const newBusCounts = (): BusCounts => ({
  requests: 0,
  replies: 0,
  failures: 0,
  timeouts: 0,
  skewed: 0,
  lateReplies: 0,
  published: 0,
  heard: 0,
  malformed: 0,
  unsent: 0,
  thrown: 0,
  serverErrors: 0,
  disconnects: 0,
});
