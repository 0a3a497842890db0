/** Partitions of the journal (by range of seq) and of the operations (by day): made ahead, dropped when nobody needs them. */
import type { Sql } from './connect.ts';
import { LOCK } from './locks.ts';

/** Changes in one partition of the journal. */
export const JOURNAL_PARTITION_ROWS = 1_000_000;
/** Partitions kept ready beyond the one in use. */
const JOURNAL_PARTITIONS_AHEAD = 2;
const DAY_MS = 86_400_000;
/** Days before and after today for which operations can be stored: a repeat comes within 24 hours, clocks differ by less than a day. */
const OPERATION_DAYS = [-2, -1, 0, 1, 2];
/** Operations older than this many days can no longer be repeated. */
const OPERATION_DAYS_KEPT = 2;

export const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS);

/** Makes the partitions that will be needed soon and drops those of operations that nobody can repeat. Called at start and every minute. */
export async function keepPartitions(sql: Sql, nowMs: number): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(${LOCK.partitions})`;
    const present = new Set(
      (
        await transaction<{ name: string }[]>`
          select child.relname as name from pg_inherits join pg_class child on child.oid = inhrelid
          join pg_class parent on parent.oid = inhparent where parent.relname in ('journal', 'operation')`
      ).map(({ name }) => name),
    );
    const [sequencer] = await transaction<{ seq: number }[]>`select seq from sequencer`;
    const current = Math.floor((sequencer?.seq ?? 0) / JOURNAL_PARTITION_ROWS);
    for (let number = current; number <= current + JOURNAL_PARTITIONS_AHEAD; number += 1) {
      const name = `journal_${number}`;
      if (present.has(name)) continue;
      const from = number * JOURNAL_PARTITION_ROWS;
      await transaction.unsafe(`create table ${name} partition of journal for values from (${from}) to (${from + JOURNAL_PARTITION_ROWS})`);
    }
    const today = dayOf(nowMs);
    for (const offset of OPERATION_DAYS) {
      const name = `operation_${today + offset}`;
      if (!present.has(name)) {
        await transaction.unsafe(
          `create table ${name} partition of operation for values from (${today + offset}) to (${today + offset + 1})`,
        );
      }
    }
    for (const name of present) {
      const day = /^operation_(\d+)$/.exec(name)?.[1];
      if (day !== undefined && Number(day) < today - OPERATION_DAYS_KEPT) await transaction.unsafe(`drop table ${name}`);
    }
  });
}
