/** Reads of elements. Each answer reflects one state of the graph, the one after `seq`. */
import { ALWAYS_FITTING, type graphGet, type graphHistory, type graphQuery } from '@polyedge/contracts/bus/graph';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { type Element, SYSTEM_TENANT } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { jsonCharacters } from '@polyedge/query/json-size';
import { compile } from '@polyedge/query/predicate';
import { cursorOf, parseQuery, type Query } from '@polyedge/query/query';
import { parseFilter } from '@polyedge/query/validate';
import { ACCOUNT_TYPE, ACCOUNT_VERTEX, accountChange, accountVertex, mayBeAccount } from '../core/account-vertex.ts';
import { compileFilter } from '../core/filter-sql.ts';
import { compileQuery, ELEMENT_COLUMNS } from '../core/query-sql.ts';
import { SqlParameters } from '../core/sql-parameters.ts';
import { sqlState } from './connect.ts';
import { Lookups, type RowsAtSeq } from './lookups.ts';
import { CallerGone, PoolFull, type Queries } from './pool.ts';
import { type ElementRow, JOURNAL_COLUMNS, type JournalRow, toChange, toElement } from './rows.ts';
import { ELSEWHERE, isHere } from './tenants-elsewhere.ts';

/** Maximum bytes of JSON in one answer: longer results must be read in pages. */
const MAX_REPLY_BYTES = 32 * 1024 * 1024;
/** So few elements are below that limit whatever their size. Reads look for one more than is asked for. */
const FEW_ROWS = ALWAYS_FITTING + 1;
const DEFAULT_LIMIT = 1000;
/** How long a read waits for a commit that it must reflect. */
const AT_LEAST_MS = 2000;

/** Never visible to a data query. */
const DATA: Filter = { not: { test: 'equal', path: ['scope'], value: 'system' } };
const LIVING: Filter = { test: 'equal', path: ['deleted'], value: false };

// A lookup for each id: for a plain join, PostgreSQL may choose to scan the whole table.
const FOUND = `select found.* from json_array_elements_text($2::json) as w(id)
  cross join lateral (select ${ELEMENT_COLUMNS}, tenant from element where tenant = $1 and id = w.id and scope <> 'system' offset 0) found`;

/** The same with the tenant's accounts, which take precedence over other protocols' elements with the same ids. */
const FOUND_WITH_ACCOUNTS = `select found.* from json_array_elements_text($2::json) as w(id) cross join lateral (
    select ${ELEMENT_COLUMNS}, tenant from element where tenant = 'system' and id = w.id and type = '${ACCOUNT_TYPE}' and attributes ->> 'tenant' = $1
    union all select ${ELEMENT_COLUMNS}, tenant from element where tenant = $1 and id = w.id and scope <> 'system' offset 0) found`;

/** Elements by ids that are too many for `Lookups`; without the rows if they are too large for one answer. */
const getManyOf = (found: string): string => `select s.seq as at_seq, s.epoch as at_epoch, e.* from sequencer s left join (
  ${bounded(found, ['attributes'])}) e on true where ${isHere('$1')}`;

const GET_MANY = getManyOf(FOUND);
const GET_MANY_WITH_ACCOUNTS = getManyOf(FOUND_WITH_ACCOUNTS);

interface Stated {
  readonly at_seq: number;
  readonly at_epoch: string;
  readonly at_count?: number | null;
  /** Of all rows, see `bounded`. */
  readonly at_rows?: number | null;
  readonly at_bytes?: number | null;
}

/** What a statement has found, and how many elements there are in all if it counts them. */
interface CountedRows<Row> extends RowsAtSeq<Row> {
  readonly count: number | undefined;
}

export class Reader {
  readonly #sql: Queries;
  readonly #lookups: Lookups;
  readonly #deadline: number;

  /**
   * @param sql connections with the session settings of readers
   * @param lookups on the same connections
   * @param deadline of the caller, on the clock of `performance.now()`
   */
  constructor(sql: Queries, lookups: Lookups, deadline = Number.POSITIVE_INFINITY) {
    this.#sql = sql;
    this.#lookups = lookups;
    this.#deadline = deadline;
  }

  /** The same, for a caller with this deadline on the clock of `performance.now()`. */
  before(deadline: number): Reader {
    return new Reader(this.#sql.before(deadline), this.#lookups, deadline);
  }

  async get(tenant: string, request: RequestOf<typeof graphGet>): Promise<Outcome<ReplyOf<typeof graphGet>>> {
    const visible = filterOf(request.visible);
    if (!visible.ok) return visible;
    const lookup = { tenant, ids: [...new Set(request.ids)], accounts: request.accounts === true, deadline: this.#deadline };
    const rows = Lookups.fits(lookup)
      ? await recent(() => this.#lookups.find(lookup), request.atLeast)
      : await this.#read<ElementRow>(
          lookup.accounts ? GET_MANY_WITH_ACCOUNTS : GET_MANY,
          [tenant, JSON.stringify(lookup.ids)],
          request.atLeast,
          'prepared',
        );
    if (!rows.ok) return rows;
    const shows = compile(visible.value);
    const byId = new Map<string, Element>();
    for (const row of rows.value.rows) {
      if (row.tenant === SYSTEM_TENANT) byId.set(row.id, accountVertex(toElement(row)));
      else if (!byId.has(row.id)) byId.set(row.id, toElement(row));
    }
    const elements = request.ids.map((id) => {
      const element = byId.get(id);
      return element !== undefined && (request.includeDeleted === true || !element.deleted) && shows(element) ? element : null;
    });
    return done({ epoch: rows.value.epoch, seq: rows.value.seq, elements });
  }

  async query(tenant: string, request: RequestOf<typeof graphQuery>): Promise<Outcome<ReplyOf<typeof graphQuery>>> {
    const limit = request.limit ?? DEFAULT_LIMIT;
    const parsed = parseQuery({
      filter: request.filter,
      limit: limit + 1,
      ...(request.sort === undefined ? {} : { sort: request.sort }),
      ...(request.offset === undefined ? {} : { skip: request.offset }),
      ...(request.cursor === undefined ? {} : { cursor: request.cursor }),
    });
    if (!parsed.ok) return failed('invalid', parsed.problem);
    const filter: Filter = { all: request.includeDeleted === true ? [parsed.value.filter, DATA] : [parsed.value.filter, DATA, LIVING] };
    const query: Query = { ...parsed.value, filter };
    const reply: { -readonly [Key in keyof ReplyOf<typeof graphQuery>]: ReplyOf<typeof graphQuery>[Key] } = {
      epoch: '',
      seq: 0,
      elements: [],
    };
    const parameters = new SqlParameters();
    const here = isHere(parameters.text(tenant));
    const accounts = request.accounts === true && mayBeAccount(filter);
    // One statement, so that rows and count are of the same state.
    const count = request.count === true ? `(${compileQuery(tenant, { ...query, count: true }, parameters, accounts).text})` : 'null';
    if (limit === 0) {
      const counted = await this.#read<{ count: string; id: string }>(
        `select s.seq as at_seq, s.epoch as at_epoch, '' as id, ${count} as count from sequencer s where ${here}`,
        parameters.values,
        request.atLeast,
      );
      if (!counted.ok) return counted;
      const [row] = counted.value.rows;
      const known = request.count === true ? { count: Number(row?.count ?? 0) } : {};
      return done({ epoch: counted.value.epoch, seq: counted.value.seq, elements: [], ...known });
    }
    const { text } = compileQuery(tenant, query, parameters, accounts);
    // The outer join returns the sequencer's row even without a match; ordinality preserves the order.
    const rows = await this.#read<ElementRow>(
      `select s.seq as at_seq, s.epoch as at_epoch, s.total as at_count, e.* from (select seq, epoch, ${count} as total from sequencer where ${here}) s
       left join (${limit < FEW_ROWS ? placed(text) : bounded(text, ['attributes'])}) e on true order by e.place`,
      parameters.values,
      request.atLeast,
    );
    if (!rows.ok) return rows;
    if (request.count === true) reply.count = Number(rows.value.count ?? 0);
    const elements = rows.value.rows.map((row) => toElement({ ...row, tenant }));
    const page = elements.slice(0, limit);
    const last = page.at(-1);
    reply.epoch = rows.value.epoch;
    reply.seq = rows.value.seq;
    reply.elements = request.fields === undefined ? page : page.map((element) => project(element, request.fields ?? []));
    if (elements.length > limit && last !== undefined) reply.cursor = cursorOf(last, query.sort);
    return done(reply);
  }

  async history(tenant: string, request: RequestOf<typeof graphHistory>): Promise<Outcome<ReplyOf<typeof graphHistory>>> {
    const visible = filterOf(request.visible);
    if (!visible.ok) return visible;
    const [id, ...more] = request.accounts === true ? (request.elements ?? []) : [];
    if (id !== undefined && more.length === 0) {
      const vertex = await this.get(tenant, { ids: [id], includeDeleted: true, accounts: true });
      if (!vertex.ok) return vertex;
      if (vertex.value.elements[0]?.type === ACCOUNT_VERTEX) return this.#accountHistory(tenant, id, request, visible.value);
    }
    const parameters = new SqlParameters();
    const named = parameters.text(tenant);
    const where = [`tenant = ${named}`, `scope <> 'system'`, ...rangeOf(request, parameters)];
    if (request.elements !== undefined) where.push(`element = ${parameters.texts(request.elements)}`);
    if (request.type !== undefined) where.push(`type = ${parameters.text(request.type)}`);
    const limit = request.limit ?? DEFAULT_LIMIT;
    const order = request.order === 'asc' ? 'asc' : 'desc';
    // Callers who may not see an element may not see its past either: the filter is applied to each state, before the page is cut.
    const columns = JOURNAL_COLUMNS.replace('attributes,', 'attributes::jsonb as attributes,');
    const states = `select * from (select ${columns}, element as id from journal where ${where.join(' and ')}) states
      where ${compileFilter(visible.value, parameters)}
      order by seq ${order} limit ${parameters.integer(limit + 1)} offset ${parameters.integer(request.offset ?? 0)}`;
    const page = limit < FEW_ROWS ? states : bounded(states, ['attributes', 'undo']);
    const text = `select s.seq as at_seq, s.epoch as at_epoch, j.* from sequencer s left join (${page}) j on true
      where ${isHere(named)} order by j.seq ${order}`;
    const rows = await this.#read<JournalRow & { id: string }>(text, parameters.values, undefined);
    if (!rows.ok) return rows;
    const changes = rows.value.rows.slice(0, limit).map(toChange);
    return done({ epoch: rows.value.epoch, seq: rows.value.seq, changes, more: rows.value.rows.length > limit });
  }

  /** The history of an account. Its states are converted to vertices here, so the filter is applied here as well. */
  async #accountHistory(
    tenant: string,
    id: string,
    request: RequestOf<typeof graphHistory>,
    visible: Filter,
  ): Promise<Outcome<ReplyOf<typeof graphHistory>>> {
    const parameters = new SqlParameters();
    const where = [`tenant = '${SYSTEM_TENANT}'`, `element = ${parameters.text(id)}`, ...rangeOf(request, parameters)];
    const limit = request.limit ?? DEFAULT_LIMIT;
    const order = request.order === 'asc' ? 'asc' : 'desc';
    const text = `select s.seq as at_seq, s.epoch as at_epoch, j.* from sequencer s left join (
      select ${JOURNAL_COLUMNS}, element as id from journal where ${where.join(' and ')}
      order by seq ${order} limit ${parameters.integer(limit + 1)} offset ${parameters.integer(request.offset ?? 0)}) j on true
      where ${isHere(parameters.text(tenant))} order by j.seq ${order}`;
    const rows = await this.#read<JournalRow & { id: string }>(text, parameters.values, undefined);
    if (!rows.ok) return rows;
    const shows = compile(visible);
    const changes = rows.value.rows
      .slice(0, limit)
      .map((row) => accountChange(toChange(row)))
      .filter(({ state }) => state.tenant === tenant && shows(state));
    return done({ epoch: rows.value.epoch, seq: rows.value.seq, changes, more: rows.value.rows.length > limit });
  }

  /**
   * Runs a statement whose rows contain the sequencer's position, and repeats it until that is recent enough. Only a statement with
   * constant text may be prepared, because PostgreSQL keeps it as long as the connection exists. Others are searches: what they cost
   * depends on what clients look for.
   */
  async #read<Row extends { readonly id: string }>(
    text: string,
    values: readonly string[],
    atLeast: number | undefined,
    how: 'prepared' | 'search' = 'search',
  ): Promise<Outcome<CountedRows<Row>>> {
    const read = await recent(async () => {
      const rows =
        how === 'prepared'
          ? await this.#sql.unsafe<(Row & Stated)[]>(text, [...values], { prepare: true })
          : await this.#sql.search(this.#sql.unsafe<(Row & Stated)[]>(text, [...values]));
      const [first] = rows;
      // The sequencer returns a row for every tenant served here.
      return first === undefined ? undefined : { seq: first.at_seq, first, rows };
    }, atLeast);
    if (!read.ok) return read;
    const { seq, first } = read.value;
    if ((first.at_rows ?? 0) > FEW_ROWS && (first.at_bytes ?? 0) > MAX_REPLY_BYTES) return TOO_LARGE;
    const rows = read.value.rows.filter(({ id }) => id !== null);
    if (sizeOf(rows) > MAX_REPLY_BYTES) return TOO_LARGE;
    return done({ seq, epoch: first.at_epoch, rows, count: first.at_count ?? undefined });
  }
}

/**
 * Reads until the position is recent enough.
 * @param read undefined if the tenant is in another journal
 */
async function recent<F extends { readonly seq: number }>(
  read: () => Promise<F | undefined>,
  atLeast: number | undefined,
): Promise<Outcome<F>> {
  const deadline = performance.now() + AT_LEAST_MS;
  try {
    for (;;) {
      const found = await read();
      if (found === undefined) return ELSEWHERE;
      if (atLeast === undefined || found.seq >= atLeast) return done(found);
      if (performance.now() > deadline) return failed('unavailable', 'the position asked for was not reached in time');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } catch (error) {
    return readFailure(error);
  }
}

/** The outcome of work in the database. An unavailable database is a failure, not an exception. */
export async function outcomeOf<T>(work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await work();
  } catch (error) {
    return readFailure(error);
  }
}

/** The failure of a read: too slow, invalid value, or database unavailable. */
export function readFailure(error: unknown): Outcome<never> {
  if (error instanceof CallerGone) return failed('expired');
  if (error instanceof PoolFull) return failed('busy');
  const state = sqlState(error);
  if (state === '57014') return failed('too-large', 'the query takes too long');
  if (state?.startsWith('22') === true || state?.startsWith('54') === true)
    return failed('invalid', 'the database refused a value of the query');
  if (state === undefined || state.startsWith('08') || state.startsWith('57') || state.startsWith('53'))
    return failed('unavailable', 'the database cannot be reached');
  throw error;
}

/** The selected range of changes. */
function rangeOf(request: RequestOf<typeof graphHistory>, parameters: SqlParameters): string[] {
  const where: string[] = [];
  if (request.from !== undefined) where.push(`modified_on >= ${parameters.integer(request.from)}`);
  if (request.to !== undefined) where.push(`modified_on <= ${parameters.integer(request.to)}`);
  if (request.version !== undefined) where.push(`version = ${parameters.integer(request.version)}`);
  if (request.afterSeq !== undefined) where.push(`seq > ${parameters.integer(request.afterSeq)}`);
  if (request.beforeSeq !== undefined) where.push(`seq < ${parameters.integer(request.beforeSeq)}`);
  return where;
}

function filterOf(filter: Filter | undefined): Outcome<Filter> {
  if (filter === undefined) return done(EVERYTHING);
  const parsed = parseFilter(filter);
  return parsed.ok ? done(parsed.value) : failed('invalid', parsed.problem);
}

const TOO_LARGE = failed('too-large', 'ask for fewer elements at a time');

/**
 * The rows of a statement, in its order (`place`), if they are not too large for one answer; otherwise only the first. `at_rows` and
 * `at_bytes` are those of all rows. So what cannot be answered is not sent to this process, which many callers share.
 * @param documents the JSON columns; those that are stored uncompressed are not read to know their size
 */
function bounded(text: string, documents: readonly string[]): string {
  const bytes = documents.map(
    (name) => `case when pg_column_compression(${name}) is null then pg_column_size(${name}) else octet_length(${name}::text) end`,
  );
  return `select * from (
    select q.*, count(*) over () as at_rows, sum(${bytes.join(' + ')}) over () as at_bytes from (${placed(text)}) q
  ) b where at_rows <= ${FEW_ROWS} or at_bytes <= ${MAX_REPLY_BYTES} or place = 1`;
}

/** The rows of a statement, numbered in its order as `place`. */
function placed(text: string): string {
  return `select r.*, row_number() over () as place from (${text}) r`;
}

/** The approximate bytes of rows: attributes dominate. */
function sizeOf(rows: readonly object[]): number {
  if (rows.length <= FEW_ROWS) return 0;
  let bytes = 0;
  for (const row of rows) bytes += 500 + ('attributes' in row ? jsonCharacters(row.attributes) : 0);
  return bytes;
}

function project(element: Element, fields: readonly string[]): Element {
  const attributes: JsonObject = Object.fromEntries(
    fields.flatMap((name) => (Object.hasOwn(element.attributes, name) ? [[name, element.attributes[name] ?? null]] : [])),
  );
  return { ...element, attributes };
}
