/**
 * Copies the changes of a tenant in order, in chunks, each with the elements in the state that the chunk leaves them in. The target's
 * sequencer assigns new seqs, and every seq inside the changes is replaced. A chunk is one transaction in the target, together with the
 * progress.
 */
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import { splitKey, uniqueKeys } from '../core/unique.ts';
import type { Connection } from '../postgres/connect.ts';
import { superseded } from './arrival.ts';
import { type Outlined, readOperations } from './copy-operations.ts';
import { columnsOf, type Move, only } from './parties.ts';

/** Changes per chunk, unless one request made more; the target's sequencer is locked while they are inserted. */
const PIECE_CHANGES = 400;
/** Bytes of a chunk as stored in the source, unless one change has more. */
const PIECE_BYTES = 2 * 1024 * 1024;
/** Maximum number of changes of all tenants scanned for one chunk. */
const SCANNED = 50_000;

interface Piece {
  /** Every change of the tenant up to here is in this chunk or an earlier one. */
  readonly upTo: number;
  /** The newest change of the source. */
  readonly head: number;
  readonly outline: readonly Outlined[];
  /** Rows of the tables as JSON text, which preserves every number. */
  readonly changes: string;
  readonly elements: string;
}

// The changes of one request are never split, so that their seqs stay consecutive.
const READ = `
  with upper as materialized (select least($2::bigint + ${SCANNED}, seq) as seq from sequencer),
  first as materialized (
    select seq, last_seq, sum(pg_column_size(attributes) + pg_column_size(undo)) over (order by seq) as bytes from journal
    where seq > $2::bigint and seq <= (select seq from upper) and tenant = $1 order by seq limit ${PIECE_CHANGES}),
  part as materialized (select * from first where bytes <= ${PIECE_BYTES} or seq = (select min(seq) from first)),
  cut as materialized (
    select case when count(*) < ${PIECE_CHANGES} and count(*) = (select count(*) from first)
      then greatest((select seq from upper), max(last_seq)) else max(last_seq) end as seq from part),
  c as materialized (select * from journal where seq > $2::bigint and seq <= (select seq from cut) and tenant = $1)
  select (select seq from cut) as "upTo", seq as head,
    coalesce((select json_agg(json_build_object('seq', c.seq, 'first', first_seq, 'last', last_seq, 'operation', operation_id) order by c.seq) from c), '[]') as outline,
    coalesce((select json_agg(to_json(c) order by c.seq) from c), '[]')::text as changes,
    coalesce((select json_agg(to_json(e)) from c cross join lateral (
      select * from element e where e.tenant = $1 and e.id = c.element and e.seq = c.seq offset 0) e), '[]')::text as elements
  from sequencer`;

const FREE_KEYS = `
  delete from unique_key k using json_to_recordset($2::text::json) as f(name text collate "C", value text collate "C", element text)
  where k.tenant = $1 and k.name = f.name and k.value = f.value and k.element = f.element`;

// If the element that had the key has changed since, a later chunk contains it.
const CLAIM_KEYS = `
  insert into unique_key (tenant, name, value, element)
  select $1::text, name, value, element from json_to_recordset($2::text::json) as k(name text, value text, element text)
  on conflict (tenant, name, value) do update set element = excluded.element`;

export class ChangeCopy {
  readonly #move: Move;
  #apply = '';
  #base = '';

  constructor(move: Move) {
    this.#move = move;
  }

  /** Reads the next chunk and applies it. */
  async next(after: number): Promise<Piece> {
    const { tenant, from, to } = this.#move;
    const { piece, operations } = await from.run(async (sql) => {
      const read = only(await sql.unsafe<Piece[]>(READ, [tenant, String(after)], { prepare: true }));
      return { piece: read, operations: await readOperations(sql, read.outline) };
    });
    await to.transact(async (sql) => {
      if (piece.outline.length === 0) return await this.#pass(sql, after, piece.upTo);
      await this.#replaceKeys(sql, piece.elements);
      const { texts } = await operations(sql, tenant);
      const applied = only(
        await sql.unsafe<{ changes: number; elements: number; advanced: number }[]>(
          await this.#statement(sql),
          [tenant, piece.changes, piece.elements, this.#move.run, String(after), String(piece.upTo), texts],
          { prepare: true },
        ),
      );
      if (applied.advanced !== 1) throw superseded(tenant);
      if (applied.changes !== piece.outline.length) throw new Error(`${applied.changes} of ${piece.outline.length} changes were written`);
    });
    return piece;
  }

  /**
   * Copies elements whose last change the source has deleted.
   * @param upTo newest deleted seq
   * @returns the last id; null when complete
   */
  async elementsBefore(sql: Connection, upTo: number, after: string): Promise<string | null> {
    const { tenant, from } = this.#move;
    const read = await from.run(async (source) =>
      only(
        await source<{ elements: string; last: string | null }[]>`
          select coalesce(json_agg(to_json(e)), '[]')::text as elements, max(id) as last from (
            select * from element where tenant = ${tenant} and seq <= ${upTo} and id > ${after} order by id limit ${PIECE_CHANGES}) e`,
      ),
    );
    if (read.last === null) return null;
    await this.#replaceKeys(sql, read.elements);
    await this.#statement(sql);
    await sql.unsafe(this.#base, [tenant, read.elements], { prepare: true });
    return read.last;
  }

  async #pass(sql: Connection, after: number, upTo: number): Promise<void> {
    const { tenant, run } = this.#move;
    const { count } = await sql`
      update arrival set copied = ${upTo}, complete = false where tenant = ${tenant} and mover = ${run} and copied = ${after}`;
    if (count !== 1) throw superseded(tenant);
  }

  /** Replaces the unique keys of elements that the target already has. */
  async #replaceKeys(sql: Connection, elements: string): Promise<void> {
    const { tenant } = this.#move;
    const after = keysOf(parseOwnJson(elements) as readonly Keyed[]);
    const ids = (parseOwnJson(elements) as readonly Keyed[]).map(({ id }) => id);
    const known = await sql.unsafe<(Omit<Keyed, 'unique_names'> & { readonly unique_names: readonly string[] })[]>(
      `select e.* from (select value collate "C" as id from json_array_elements_text($2::text::json)) w cross join lateral (
         select id, type, xid, attributes, array_to_json(unique_names) as unique_names, deleted from element where tenant = $1 and id = w.id offset 0) e`,
      [tenant, JSON.stringify(ids)],
      { prepare: true },
    );
    const before = keysOf(known);
    if (before.length > 0) await sql.unsafe(FREE_KEYS, [tenant, JSON.stringify(before)], { prepare: true });
    if (after.length > 0) await sql.unsafe(CLAIM_KEYS, [tenant, JSON.stringify(after)], { prepare: true });
  }

  async #statement(sql: Connection): Promise<string> {
    if (this.#apply === '') {
      const [journal, element] = [await columnsOf(sql, 'journal'), await columnsOf(sql, 'element')];
      this.#apply = applyStatement(journal, element);
      this.#base = baseStatement(element);
    }
    return this.#apply;
  }
}

interface Keyed extends Pick<Element, 'id' | 'type' | 'deleted'> {
  readonly xid: string | null;
  readonly attributes: JsonObject;
  readonly unique_names: readonly string[];
}

const keysOf = (elements: readonly Keyed[]) =>
  elements.flatMap(({ id, type, xid, attributes, unique_names: names, deleted }) =>
    deleted ? [] : uniqueKeys(type, xid ?? undefined, attributes, names).map((key) => ({ ...splitKey(key), element: id })),
  );

const list = (columns: readonly string[], of: (column: string) => string = (column) => column): string => columns.map(of).join(', ');
const upsert = (columns: readonly string[]): string =>
  `on conflict (tenant, id) do update set ${list(columns, (column) => `${column} = excluded.${column}`)}`;

/** Columns that contain seqs and how they are translated; all others stay unchanged. */
const RENUMBERED: Readonly<Record<string, string>> = {
  seq: 's.base + c.n',
  epoch: 's.epoch',
  first_seq: 's.base + c.n - (c.seq - c.first_seq)',
  last_seq: 's.base + c.n - (c.seq - c.last_seq)',
  seq_before: 'case when c.seq_before = 0 then 0 else coalesce(s.base + b.n, p.now, a.floor) end',
};

/**
 * The statement reads its parameters before it locks the sequencer, as a batch does. Parameters: the tenant, changes, elements, the run,
 * first and last seq of the source, operations.
 */
const applyStatement = (journal: readonly string[], element: readonly string[]): string => `
  with c as materialized (
    select row_number() over (order by seq) as n, r.* from json_populate_recordset(null::journal, $2::text::json) r),
  e as materialized (select * from json_populate_recordset(null::element, $3::text::json)),
  o as materialized (select * from json_to_recordset($7::text::json) as o(day integer, id text, hash text, base bigint, reply json)),
  a as materialized (
    update arrival set copied = $6::bigint, complete = false where tenant = $1 and mover = $4 and copied = $5::bigint returning floor),
  s as materialized (
    update sequencer set seq = seq + (select count(*) from c)
    where (select count(*) from a) = 1 and (select count(*) from e) >= 0 and (select count(*) from o) >= 0
    returning seq - (select count(*) from c) as base, epoch),
  journaled as (
    insert into journal (${list(journal)})
    select ${list(journal, (column) => RENUMBERED[column] ?? `c.${column}`)}
    from c cross join s cross join a left join c b on b.seq = c.seq_before
    left join lateral (select now from arrival_seq where tenant = $1 and was = c.seq_before offset 0) p on true
    returning 1),
  written as (
    insert into element (${list(element)})
    select ${list(element, (column) => (column === 'seq' ? 's.base + c.n' : `e.${column}`))} from e join c on c.seq = e.seq cross join s
    ${upsert(element)} returning 1),
  numbered as (insert into arrival_seq (tenant, was, now) select $1, c.seq, s.base + c.n from c, s),
  remembered as (
    insert into operation (day, id, hash, base, reply) select day, id, decode(hash, 'base64'), s.base + o.base, reply from o, s
    on conflict (day, id) do update set hash = excluded.hash, base = excluded.base, reply = excluded.reply)
  select (select count(*) from journaled) as changes, (select count(*) from written) as elements, (select count(*) from a) as advanced`;

/** For elements without a change. */
const baseStatement = (element: readonly string[]): string => `
  insert into element (${list(element)})
  select ${list(element, (column) => (column === 'seq' ? 'a.floor' : `e.${column}`))}
  from json_populate_recordset(null::element, $2::text::json) e cross join arrival a where a.tenant = $1
  ${upsert(element)}`;
