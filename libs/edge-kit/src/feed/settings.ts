/** The bounds, times and counters of the live feed. */

/** Bounds and times of a feed. Defaults: delivery.md, section 5. */
export interface FeedSettings {
  /** Bodies that wait for their head or their turn. Further ones are dropped and fetched when needed. */
  readonly maxStagedBytes: number;
  /** Announced changes that are not delivered yet. At the bound the gap detector closes, and what follows is fetched later as a range. */
  readonly maxPending: number;
  /** Changes listed by heads while the gap detector is closed. Beyond it only the highest seq is kept, and the range is fetched. */
  readonly maxHeldSeqs: number;
  /** Distinct interests of the process. Further watches end with `lost` and the code `limited`. */
  readonly maxInterests: number;
  readonly maxChangesPerTick: number;
  readonly maxTickMs: number;
  /** Time without a head after which the gap detector closes. */
  readonly silenceMs: number;
  /** Maximum random delay before a range is requested, so that the edges do not all request it at once. */
  readonly jitterMs: number;
  readonly requestTimeoutMs: number;
  /** A watch that could not go live within this time ends with `lost` and the code `unavailable`. */
  readonly joinTimeoutMs: number;
  /** Interval of the checks for silence and time-outs. */
  readonly sweepMs: number;
}

export const FEED_DEFAULTS: FeedSettings = {
  maxStagedBytes: 64 * 1024 * 1024,
  maxPending: 200_000,
  maxHeldSeqs: 100_000,
  maxInterests: 100_000,
  maxChangesPerTick: 2_000,
  maxTickMs: 8,
  silenceMs: 3_000,
  jitterMs: 500,
  requestTimeoutMs: 5_000,
  joinTimeoutMs: 10_000,
  sweepMs: 250,
};

/** Counters of a feed since its start, and its position. Plain numbers, for metrics. */
export interface FeedStats {
  /** The position: every change up to it was delivered or is ready for delivery. */
  position: number;
  stagedBytes: number;
  /** Announced changes that are not yet delivered to every watch. */
  pending: number;
  watches: number;
  interests: number;
  /** Calls of `change`. */
  delivered: number;
  /** How often the gap detector closed. */
  gaps: number;
  rangeFetches: number;
  seqFetches: number;
  fetchedChanges: number;
  fetchFailures: number;
  /** Bodies dropped at `maxStagedBytes`. */
  dropped: number;
  /** Heads of a publisher that has lost its lease. */
  staleHeads: number;
  /** Watches that ended with `lost`. */
  lost: number;
  /** Calls of `whenDelivered` that timed out. */
  ownTimeouts: number;
  /** Exceptions of handlers, which are bugs. */
  thrown: number;
  /** Milliseconds since the last valid head. */
  headAgeMs: number;
}

export const newFeedStats = (): FeedStats => ({
  position: 0,
  stagedBytes: 0,
  pending: 0,
  watches: 0,
  interests: 0,
  delivered: 0,
  gaps: 0,
  rangeFetches: 0,
  seqFetches: 0,
  fetchedChanges: 0,
  fetchFailures: 0,
  dropped: 0,
  staleHeads: 0,
  lost: 0,
  ownTimeouts: 0,
  thrown: 0,
  headAgeMs: 0,
});
