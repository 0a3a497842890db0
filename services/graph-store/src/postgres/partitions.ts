/** Partitions of the journal (by range of seq) and of the operations (by day): made ahead, dropped when nobody needs them. */
import { LOCK } from './locks.ts';

/** Changes in one partition of the journal. */
export const JOURNAL_PARTITION_ROWS = 1_000_000;
/** Partitions kept ready beyond the one in use. */
const JOURNAL_PARTITIONS_AHEAD = 2;
const DAY_MS = 86_400_000;
/** Days before and after today for which operations can be stored: a repeat comes within 24 hours, clocks differ by less than a day. */
const OPERATION_DAYS_AROUND = 2;
/** Operations older than this many days can no longer be repeated. */
const OPERATION_DAYS_KEPT = 2;

export const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS);

/**
 * Makes the partitions that will be needed soon, and drops those of operations that nobody can repeat and those of the journal that retention
 * allows: older than `retentionMs` as a whole and behind every consumer group. Called at start and every minute.
 * @param retentionMs undefined: the journal is kept for ever.
 */
export async function keepPartitions(
  sql: (text: TemplateStringsArray, ...values: number[]) => PromiseLike<unknown>,
  nowMs: number,
  retentionMs: number | undefined,
): Promise<void> {
  // Each a transaction of its own, whose function sees what was committed before the lock was granted.
  await sql`select pg_advisory_xact_lock(${LOCK.partitions}), keep_partitions(
    ${JOURNAL_PARTITION_ROWS}, ${JOURNAL_PARTITIONS_AHEAD}, ${dayOf(nowMs)}, ${OPERATION_DAYS_AROUND}, ${OPERATION_DAYS_KEPT})`;
  if (retentionMs !== undefined) {
    await sql`select pg_advisory_xact_lock(${LOCK.partitions}), drop_old_journal(${JOURNAL_PARTITION_ROWS}, ${nowMs - retentionMs})`;
  }
}
