/** Reads the journal. */
import type { FullChange } from '@polyedge/contracts/change';
import { covers, type Interest } from '@polyedge/contracts/interest';
import type { Queries } from './pool.ts';
import { JOURNAL_COLUMNS, type JournalRow, toChange } from './rows.ts';

/** The journal's position. `oldest` is the first seq that is kept, or `seq` + 1 if none is. */
export interface JournalPosition {
  readonly epoch: string;
  readonly seq: number;
  readonly oldest: number;
}

export interface Journal {
  position(): Promise<JournalPosition>;
  /** The newest commit. */
  newest(): Promise<number>;
  /** Changes after a seq, at most `limit`, in order and without a gap. */
  after(seq: number, limit: number): Promise<FullChange[]>;
  /** Changes by seq, in order; deleted ones are omitted. */
  bySeq(seqs: readonly number[]): Promise<FullChange[]>;
  /** The seqs of `after` < seq <= `upTo` that belong to an interest, scanning at most `scan` rows; and how far it scanned. */
  seqsOf(
    interests: readonly Interest[],
    after: number,
    upTo: number,
    scan: number,
  ): Promise<{ readonly seqs: number[]; readonly to: number }>;
  /** Changes of some slots after a seq, except those of the system scope. */
  ofSlots(slots: readonly number[], after: number, upTo: number, limit: number): Promise<FullChange[]>;
}

export function openJournal(sql: Queries): Journal {
  const columns = sql.unsafe(JOURNAL_COLUMNS);
  return {
    async position() {
      const [row] = await sql<JournalPosition[]>`
        select epoch, seq, coalesce((select seq from journal order by seq limit 1), seq + 1) as oldest from sequencer`;
      if (row === undefined) throw new Error('the sequencer has no row');
      return row;
    },
    async newest() {
      const [row] = await sql<{ seq: number }[]>`select seq from sequencer`;
      return row?.seq ?? 0;
    },
    async after(seq, limit) {
      const rows = await sql<JournalRow[]>`select ${columns} from journal where seq > ${seq} order by seq limit ${limit}`;
      return rows.map(toChange);
    },
    async bySeq(seqs) {
      const rows = await sql<JournalRow[]>`
        select ${columns} from journal where seq in (select value::bigint from json_array_elements_text(${JSON.stringify(seqs)}::json)) order by seq`;
      return rows.map(toChange);
    },
    async seqsOf(interests, after, upTo, scan) {
      const to = Math.min(upTo, after + scan);
      const rows = await sql<{ seq: number; tenant: string; type: string; owners: string[] }[]>`
        select seq, tenant, type, array_to_json(owners) as owners from journal
        where seq > ${after} and seq <= ${to} and scope <> 'system' order by seq`;
      const matches = matcher(interests);
      return { seqs: rows.filter(matches).map(({ seq }) => seq), to };
    },
    async ofSlots(slots, after, upTo, limit) {
      const rows = await sql<JournalRow[]>`
        select ${columns} from journal
        where slot in (select value::smallint from json_array_elements_text(${JSON.stringify(slots)}::json))
          and seq > ${after} and seq <= ${upTo} and scope <> 'system' order by seq limit ${limit}`;
      return rows.map(toChange);
    },
  };
}

/** Ten thousand interests cost one look-up per owner of a row instead of ten thousand comparisons. */
function matcher(interests: readonly Interest[]): (row: { tenant: string; type: string; owners: readonly string[] }) => boolean {
  if (interests.length <= 8) return (row) => interests.some((interest) => covers(interest, row));
  const named = new Set(interests.map((interest) => JSON.stringify(interest, ['tenant', 'type', 'owner'])));
  return ({ tenant, type, owners }) =>
    named.has(JSON.stringify({ tenant })) ||
    named.has(JSON.stringify({ tenant, type })) ||
    owners.some((owner) => named.has(JSON.stringify({ tenant, owner })));
}
