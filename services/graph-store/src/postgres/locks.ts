/** Keys of PostgreSQL's advisory locks, all in one place so that no two meanings share one. */
export const LOCK = {
  /** Held while the schema is changed. */
  migration: 0x7065_0001,
  /** Shared by every batch; exclusive for one that is run again after a collision. */
  batch: 0x7065_0002,
  /** Held while partitions of the journal and of operations are made or dropped. */
  partitions: 0x7065_0003,
  /** Held while the first account and the first key are made. */
  bootstrap: 0x7065_0004,
} as const;
