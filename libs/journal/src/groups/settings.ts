/** The figures of groups (docs/architecture.md, "Groups"), and what is counted of them. */

export interface GroupTimes {
  /** How often everything below is looked at. */
  readonly tickMs: number;
  /** How long a lease lasts on Redis' clock. */
  readonly termMs: number;
  readonly renewMs: number;
  /** An owner stops sending so long before its lease could be somebody else's. */
  readonly marginMs: number;
  readonly beatMs: number;
  /** An edge that did not say that it is alive for so long is dead, and its members with it. */
  readonly aliveMs: number;
  /** How often members are read again, whether or not anybody said that they changed. */
  readonly refreshMs: number;
  /** What could not be taken is tried again. */
  readonly retryMs: number;
  /** How often positions go to Redis, and to PostgreSQL: after so long they do at the next tick. */
  readonly saveMs: number;
  readonly commitMs: number;
  /** How often a living group says so, though its positions may rest. */
  readonly touchMs: number;
  /** How long an owner may take to hand a partition over. */
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
  // With a tick on top at least every second.
  commitMs: 900,
  touchMs: 60_000,
  drainMs: 5000,
};

/** What one partition, and one member over all its partitions, may have under way. */
export const GROUP_WINDOW = { partitionItems: 256, partitionBytes: 1024 * 1024, memberItems: 2048, memberBytes: 4 * 1024 * 1024 } as const;

export interface GroupStats {
  joined: number;
  left: number;
  /** Partitions taken, handed over in order, and lost to another owner or to Redis. */
  taken: number;
  released: number;
  fenced: number;
  /** Members that did not confirm in time what was to be handed over: their sockets were closed. */
  drainTimeouts: number;
  /** Changes handed to members. */
  given: number;
  /** Changes that were handed out and not confirmed when their partition left: the next owner gives them again. */
  unconfirmed: number;
  /** Positions older than what the journal keeps. */
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
