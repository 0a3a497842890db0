/** The epoch: the identity of the journal's history. Whoever starts publishing makes sure first that the history is still the same one. */
import { newEpoch } from './migrate.ts';
import type { Transactions } from './transactions.ts';

/** What a copy of the journal outside PostgreSQL ends with. */
export interface Tip {
  readonly seq: number;
  readonly epoch: string;
  readonly operationId: string;
  readonly element: string;
}

/**
 * Compares the journal with the server it lives on and with what copies of it ended with. Another system identifier or timeline, or a copy
 * that is ahead or holds another row, means that the journal went back: a new epoch is written before anything is published.
 * @returns the epoch in force, and whether it is new.
 */
export async function decideEpoch(
  transactions: Transactions,
  tips: readonly Tip[],
): Promise<{ readonly epoch: string; readonly changed: boolean; readonly reason?: string }> {
  return await transactions.transact(async (transaction) => {
    // Both leave at once: no write can be committed from the first one's lock to the end of this, and each further round trip would lengthen that.
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
    // Positions above the restored head would pass over what is written from now on; older owners are fenced off.
    await transaction`update group_position set position = least(position, ${row.seq}), fence = fence + 1`;
    return { epoch, changed: true, reason };

    function whyAnother(): string | undefined {
      if (row === undefined) return undefined;
      if (row.identifier !== row.identifier_now) return 'another database cluster holds the journal';
      if (row.timeline !== row.timeline_now) return 'the database was recovered to another timeline';
      for (const [place, tip] of tips.entries()) {
        if (tip.epoch !== row.epoch) continue;
        if (tip.seq > row.seq) return 'Redis is ahead of the journal';
        // A row that retention dropped cannot be compared, and cannot have been rewritten either.
        if (compared[place]?.same === false && compared[place].kept) return 'Redis and the journal differ';
      }
      return undefined;
    }
  });
}
