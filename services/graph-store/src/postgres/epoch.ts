/** The epoch: the identity of the journal's history. A new publisher first verifies that the history is unchanged. */
import { newEpoch } from './migrate.ts';
import type { Transactions } from './transactions.ts';

/** The last entry of a copy of the journal outside PostgreSQL. */
export interface Tip {
  readonly seq: number;
  readonly epoch: string;
  readonly operationId: string;
  readonly element: string;
}

/**
 * Compares the journal with its server's identity and with the last entries of its copies. Another system identifier or timeline, or a copy
 * that is ahead or has another row, means that the journal was reset to an earlier state: a new epoch is written before anything is
 * published.
 * @returns the current epoch, and whether it is new
 */
export async function decideEpoch(
  transactions: Transactions,
  tips: readonly Tip[],
): Promise<{ readonly epoch: string; readonly changed: boolean; readonly reason?: string }> {
  return await transactions.transact(async (transaction) => {
    // Both are sent together: no write can commit between the first one's lock and the end of this, and each further round trip would
    // prolong that.
    const [[row], compared] = await Promise.all([
      transaction<{ seq: number; epoch: string; identifier: string; timeline: number; identifier_now: string; timeline_now: number }[]>`
        select seq, epoch, i.system_identifier as identifier, i.timeline,
               (select system_identifier::text from pg_control_system()) as identifier_now,
               (select timeline_id::bigint from pg_control_checkpoint()) as timeline_now
        from sequencer, journal_identity i for update of sequencer`.execute(),
      transaction<{ same: boolean; kept: boolean }[]>`
        select exists (select from journal j where j.seq = t.seq and j.operation_id = t.operation and j.element = t.element) as same,
               exists (select from journal j where j.seq <= t.seq) as kept
        from rows from (json_to_recordset(${JSON.stringify(
          tips.map(({ seq, operationId: operation, element }) => ({ seq, operation, element })),
        )}::text::json) as (seq bigint, operation text, element text)) with ordinality as t(seq, operation, element, place) order by place`.execute(),
    ]);
    if (row === undefined) throw new Error('the sequencer has no row');
    const reason = whyAnother();
    if (reason === undefined) return { epoch: row.epoch, changed: false };
    const epoch = newEpoch();
    await transaction`update sequencer set epoch = ${epoch}`;
    await transaction`update journal_identity set system_identifier = ${row.identifier_now}, timeline = ${row.timeline_now}`;
    await transaction`update publisher set published_seq = least(published_seq, ${row.seq})`;
    // Positions above the restored head would skip future changes; older owners are fenced off.
    await transaction`update group_position set position = least(position, ${row.seq}), fence = fence + 1`;
    return { epoch, changed: true, reason };

    function whyAnother(): string | undefined {
      if (row === undefined) return undefined;
      if (row.identifier !== row.identifier_now) return 'another database cluster holds the journal';
      if (row.timeline !== row.timeline_now) return 'the database was recovered to another timeline';
      for (const [place, tip] of tips.entries()) {
        if (tip.epoch !== row.epoch) continue;
        if (tip.seq > row.seq) return 'Redis is ahead of the journal';
        // A row that retention has deleted cannot be compared, and cannot have been rewritten either.
        if (compared[place]?.same === false && compared[place].kept) return 'Redis and the journal differ';
      }
      return undefined;
    }
  });
}
