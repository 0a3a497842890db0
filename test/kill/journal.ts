/** The contents of PostgreSQL, read by a separate client: the reference for all comparisons. */
import postgres from 'postgres';

export interface JournalRow {
  readonly seq: number;
  readonly tenant: string;
  readonly id: string;
  readonly type: string;
  readonly scope: string;
  readonly slot: number;
  readonly owners: readonly string[];
  readonly version: number;
  readonly operationId: string;
  readonly first: number;
  readonly last: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly deleted: boolean;
}

export interface Truth {
  readonly seq: number;
  readonly epoch: string;
  readonly partitions: number;
  readonly rows: readonly JournalRow[];
  /** The current elements. */
  readonly elements: ReadonlyMap<
    string,
    { readonly seq: number; readonly version: number; readonly attributes: unknown; readonly deleted: boolean }
  >;
}

export async function readTruth(url: string): Promise<Truth> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } } });
  try {
    return await sql.begin('isolation level repeatable read', async (snapshot) => {
      const [position] = await snapshot<{ seq: number; epoch: string; partitions: number }[]>`
        select seq, epoch, partitions from sequencer, journal_identity`;
      if (position === undefined) throw new Error('there is no sequencer');
      const rows = await snapshot<JournalRow[]>`
        select seq, tenant, element as id, type, scope, slot, array_to_json(owners) as owners, version, operation_id as "operationId",
          first_seq as first, last_seq as last, attributes, deleted from journal order by seq`;
      const elements = await snapshot<
        { tenant: string; id: string; seq: number; version: number; attributes: unknown; deleted: boolean }[]
      >`
        select tenant, id, seq, version, attributes, deleted from element`;
      return { ...position, rows, elements: new Map(elements.map((element) => [`${element.tenant}/${element.id}`, element])) };
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}
