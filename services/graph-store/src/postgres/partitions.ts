/** Partitions of the journal (by range of seq) and of the operations (by day): created ahead, dropped when no longer needed. */
import { LOCK } from './locks.ts';

/** Changes in one partition of the journal. */
export const JOURNAL_PARTITION_ROWS = 1_000_000;
/** Partitions created beyond the one in use. */
const JOURNAL_PARTITIONS_AHEAD = 2;
const DAY_MS = 86_400_000;
/**
 * Days before and after today for which operations can be stored: a repeat arrives within 24 hours, and clocks differ by less than a day.
 */
const OPERATION_DAYS_AROUND = 2;
/** Days after which operations can no longer be repeated. */
const OPERATION_DAYS_KEPT = 2;

export const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS);

/**
 * Creates the partitions that will be needed soon, and drops expired ones: of operations that can no longer be repeated, and of the journal
 * if all of it is older than `retentionMs` and behind every consumer group. Called at start and every minute.
 * @param retentionMs undefined: the journal is kept forever
 */
export async function keepPartitions(
  sql: (text: TemplateStringsArray, ...values: number[]) => PromiseLike<unknown>,
  nowMs: number,
  retentionMs: number | undefined,
): Promise<void> {
  // Each in its own transaction, whose function sees what was committed before the lock was granted.
  await sql`select pg_advisory_xact_lock(${LOCK.partitions}), keep_partitions(
    ${JOURNAL_PARTITION_ROWS}, ${JOURNAL_PARTITIONS_AHEAD}, ${dayOf(nowMs)}, ${OPERATION_DAYS_AROUND}, ${OPERATION_DAYS_KEPT})`;
  if (retentionMs !== undefined) {
    await sql`select pg_advisory_xact_lock(${LOCK.partitions}), drop_old_journal(${JOURNAL_PARTITION_ROWS}, ${nowMs - retentionMs})`;
  }
}
