/** The bounds and waits of the live feed, and what it counts. */

/** Bounds and waits of a feed. Defaults: delivery.md, section 5. */
export interface FeedSettings {
  /** Bodies that wait for their head or their turn. At the bound further ones are dropped and fetched when their turn comes. */
  readonly maxStagedBytes: number;
  /** Changes that are announced and not yet handed out. At the bound the gate closes, and what follows is fetched as a range later. */
  readonly maxPending: number;
  /** Changes that heads list while the gate is closed. Beyond it only the highest position is remembered, and fetched. */
  readonly maxHeldSeqs: number;
  /** Distinct interests of the process. At the bound a new one is answered with `lost` and the code `limited`. */
  readonly maxInterests: number;
  readonly maxChangesPerTick: number;
  readonly maxTickMs: number;
  /** No head for this long closes the gate. */
  readonly silenceMs: number;
  /** A range is asked for after a random wait up to this, so that the edges do not all ask at once. */
  readonly jitterMs: number;
  readonly requestTimeoutMs: number;
  /** A watch that could not begin for this long is answered with `lost` and the code `unavailable`. */
  readonly joinTimeoutMs: number;
  /** How often silence and time-outs are looked at. */
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

/** What a feed counted since it began, and where it stands. Plain numbers for the metrics. */
export interface FeedStats {
  /** The position: every change up to it was handed out or waits for its turn. */
  position: number;
  stagedBytes: number;
  /** Announced, and not yet handed to every watch. */
  pending: number;
  watches: number;
  interests: number;
  /** Calls of `change`. */
  delivered: number;
  /** How often the gate closed. */
  gaps: number;
  rangeFetches: number;
  seqFetches: number;
  fetchedChanges: number;
  fetchFailures: number;
  /** Bodies dropped at `maxStagedBytes`. */
  dropped: number;
  /** Heads of a publisher that no longer is one. */
  staleHeads: number;
  /** Watches that ended with `lost`. */
  lost: number;
  /** `whenDelivered` that ran into its time-out. */
  ownTimeouts: number;
  /** Exceptions of handlers: bugs. */
  thrown: number;
  /** Milliseconds since the last head in order. */
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
