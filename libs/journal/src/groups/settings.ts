/** The times and windows of groups (docs/architecture.md, "Groups"), and their counters. */

export interface GroupTimes {
  /** Interval of all checks. */
  readonly tickMs: number;
  /** Term of a lease on Redis' clock. */
  readonly termMs: number;
  readonly renewMs: number;
  /** An owner stops delivering this long before its lease could expire. */
  readonly marginMs: number;
  readonly beatMs: number;
  /** An edge without a heartbeat for this long is dead, and its members with it. */
  readonly aliveMs: number;
  /** Interval of reading the members again, even without a notification. */
  readonly refreshMs: number;
  /** Delay before acquiring is retried. */
  readonly retryMs: number;
  /** Interval of saving positions to Redis, and to PostgreSQL, at the next tick after it. */
  readonly saveMs: number;
  readonly commitMs: number;
  /** Interval of keeping a group alive whose positions do not move. */
  readonly touchMs: number;
  /** Time limit of handing a partition over. */
  readonly drainMs: number;
}

export const GROUP_TIMES: GroupTimes = {
  tickMs: 100,
  termMs: 6000,
  renewMs: 2000,
  marginMs: 1000,
  beatMs: 1000,
  aliveMs: 5000,
  refreshMs: 3000,
  retryMs: 500,
  saveMs: 100,
  // With one tick added, at least every second.
  commitMs: 900,
  touchMs: 60_000,
  drainMs: 5000,
};

/** Maximum in flight of one partition, and of one member over all its partitions. */
export const GROUP_WINDOW = { partitionItems: 256, partitionBytes: 1024 * 1024, memberItems: 2048, memberBytes: 4 * 1024 * 1024 } as const;

/** Their names are those of metrics. */
export interface GroupStats {
  joined: number;
  left: number;
  /** Partitions acquired, handed over in order, and lost to another owner or to Redis. */
  taken: number;
  released: number;
  fenced: number;
  /** Members that did not confirm in time during a hand-over: their sockets were closed. */
  drainTimeouts: number;
  /** Changes delivered to members. */
  given: number;
  /** Changes that were unconfirmed when their partition was lost: the next owner delivers them again. */
  unconfirmed: number;
  /** Positions older than the journal's retention. */
  gaps: number;
  redisFailures: number;
  storeFailures: number;
  commitFailures: number;
}

export const newGroupStats = (): GroupStats => ({
  joined: 0,
  left: 0,
  taken: 0,
  released: 0,
  fenced: 0,
  drainTimeouts: 0,
  given: 0,
  unconfirmed: 0,
  gaps: 0,
  redisFailures: 0,
  storeFailures: 0,
  commitFailures: 0,
});
