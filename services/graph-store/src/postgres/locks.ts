/** Keys of PostgreSQL's advisory locks, all in one place so that no two uses share a key. */
export const LOCK = {
  /** Held while the schema is migrated. */
  migration: 0x7065_0001,
  /** Shared by every batch; exclusive for one that is retried after a conflict. */
  batch: 0x7065_0002,
  /** Held while partitions of the journal and of operations are created or dropped. */
  partitions: 0x7065_0003,
  /** Held while the first account and the first key are created. */
  bootstrap: 0x7065_0004,
} as const;
