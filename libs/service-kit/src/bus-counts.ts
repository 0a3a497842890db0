/** What a bus counts about itself: plain numbers, so that counting costs nothing; a metrics reader looks at them when it likes. */
export interface BusCounts {
  requests: number;
  replies: number;
  /** Requests that ended with a failure of any code. */
  failures: number;
  timeouts: number;
  /** Requests that were called expired as soon as they were sent, and asked again without a deadline: two clocks differ. */
  skewed: number;
  /** Replies that came when nobody waited any more. */
  lateReplies: number;
  published: number;
  /** Messages heard. */
  heard: number;
  /** Messages that were not JSON or broke their channel's schema. */
  malformed: number;
  /** Messages not published: over a limit, or no connection. */
  unsent: number;
  /** Handlers that threw: bugs. */
  thrown: number;
  /** Errors the server reported: permissions, slow consumer. */
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
