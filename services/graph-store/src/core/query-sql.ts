import { isNumber } from '@polyedge/query/json';
import { positionOfCursor, type Query, rankOf, SORTED_CHARACTERS, type Sort, type SortKey } from '@polyedge/query/query';
import { withAccounts } from './account-vertex.ts';
import { compileFilter } from './filter-sql.ts';
import { haversineSql } from './geo-sql.ts';
import { sourceOf } from './place-sql.ts';
import { SqlParameters } from './sql-parameters.ts';

/** One statement: its text contains nothing from a client, and all `values` are strings. */
export interface Statement {
  readonly text: string;
  readonly values: readonly string[];
}

/** The columns of table `element` that a query returns, in this order. */
export const ELEMENT_COLUMNS =
  'id, kind, type, scope, xid, attributes, version, seq, deleted, created_on, created_by, created_app, ' +
  'modified_on, modified_by, modified_app, out_id, in_id, out_type, in_type';

/**
 * Compiles a query to one statement over table `element`, restricted to a tenant.
 *
 * With `count` it returns one row with one column `count`, ignoring sort, limit, skip and cursor. Otherwise the rows are in the
 * order of `compareBy`; request one more than needed to find out whether there are more. Deleted elements are included unless
 * the filter excludes them; `fields` is left to the caller.
 *
 * @param query one that `parseQuery` accepted; with a cursor of another order there are no rows
 * @param parameters of the statement that contains this one
 * @param accounts whether the tenant's accounts are among the elements
 */
export function compileQuery(tenant: string, query: Query, parameters = new SqlParameters(), accounts = false): Statement {
  const from = accounts ? withAccounts(tenant, ELEMENT_COLUMNS, parameters) : 'element';
  const where = [`tenant = ${parameters.text(tenant)}`, compileFilter(query.filter, parameters)];
  if (query.count === true) {
    return { text: `select count(*) as count from ${from} where ${where.join(' and ')}`, values: parameters.values };
  }
  const steps = query.sort.map((sort) => compileSort(sort, parameters));
  if (query.cursor !== undefined) {
    const place = positionOfCursor(query.cursor, query.sort);
    where.push(place === undefined ? 'false' : after(steps, place.keys, place.id, parameters));
  }
  const order = [...steps.flatMap((step) => step.order), 'id collate "C" asc'];
  const text =
    `select ${ELEMENT_COLUMNS} from ${from} where ${where.join(' and ')} order by ${order.join(', ')} ` +
    `limit ${parameters.integer(query.limit)} offset ${parameters.integer(query.skip ?? 0)}`;
  return { text, values: parameters.values };
}

/** The rows after a place: those after its first key, or equal in it and after the remaining keys. */
function after(steps: readonly SortStep[], keys: readonly SortKey[], id: string, parameters: SqlParameters): string {
  return steps.reduceRight(
    (rest, step, at) => {
      const key = keys[at] ?? null;
      const behind = `(${step.behind(key)} or (${step.level(key)} and ${rest}))`;
      return step.from === undefined ? behind : `(${step.from(key)} and ${behind})`;
    },
    `(id collate "C" > ${parameters.text(id)})`,
  );
}

/** One sort key in SQL. A key of a type that the source cannot have is from a forged cursor and finds nothing. */
interface SortStep {
  readonly order: readonly string[];
  /** The common part of `level` and `behind`, in a form for which an index can be used. */
  readonly from?: (key: SortKey) => string;
  readonly behind: (key: SortKey) => string;
  readonly level: (key: SortKey) => string;
}

function compileSort({ path, order, near }: Sort, parameters: SqlParameters): SortStep {
  const source = sourceOf(path, parameters);
  if (source === undefined) return { order: [], behind: () => 'false', level: () => 'true' };
  if (near !== undefined) {
    const measure = source.kind === 'json' ? haversineSql(source.read(), near, parameters) : 'null::float8';
    return nullable(measure, order, (key) => (typeof key === 'number' ? parameters.float(key) : undefined));
  }
  if (source.kind === 'json') return compileJsonSort(source.read(), order, parameters);
  const step = source.nullable === true ? nullable : required;
  switch (source.kind) {
    case 'text':
      return step(`${source.sql} collate "C"`, order, (key) => (typeof key === 'string' ? parameters.text(key) : undefined));
    case 'number':
      return step(source.sql, order, (key) => (isNumber(key) ? parameters.integer(key) : undefined));
    case 'boolean':
      return step(source.sql, order, (key) => (typeof key === 'boolean' ? String(key) : undefined));
  }
}

type Bind = (key: SortKey) => string | undefined;

/** An order by one expression that is never null, in a form for which its index can be used. */
function required(sql: string, order: 'asc' | 'desc', bind: Bind): SortStep {
  const compare =
    (operator: string) =>
    (key: SortKey): string => {
      const value = bind(key);
      return value === undefined ? 'false' : `(${sql} ${operator} ${value})`;
    };
  const beyond = order === 'asc' ? '>' : '<';
  return { order: [`${sql} ${order}`], from: compare(`${beyond}=`), behind: compare(beyond), level: compare('=') };
}

/** An order by one expression of one type; null comes before every value. */
function nullable(sql: string, order: 'asc' | 'desc', bind: Bind): SortStep {
  const ascending = order === 'asc';
  return {
    order: [ascending ? `${sql} asc nulls first` : `${sql} desc nulls last`],
    behind: (key) => {
      if (key === null) return ascending ? `(${sql} is not null)` : 'false';
      const value = bind(key);
      if (value === undefined) return 'false';
      return ascending ? `(${sql} > ${value})` : `(${sql} < ${value} or ${sql} is null)`;
    },
    level: (key) => {
      const value = bind(key);
      if (key === null) return `(${sql} is null)`;
      return value === undefined ? 'false' : `(${sql} = ${value})`;
    },
  };
}

/** An order by any JSON value: by the rank of its type, then among numbers and among strings. */
function compileJsonSort(sql: string, order: 'asc' | 'desc', parameters: SqlParameters): SortStep {
  const rank = `(case jsonb_typeof(${sql}) when 'boolean' then 1 when 'number' then 2 when 'string' then 3 when 'array' then 4 when 'object' then 5 else 0 end)`;
  const number = `(case jsonb_typeof(${sql}) when 'number' then ${sql}::numeric when 'boolean' then ${sql}::boolean::int::numeric end)`;
  const text = `(case jsonb_typeof(${sql}) when 'string' then left(${sql} #>> '{}', ${SORTED_CHARACTERS}) end) collate "C"`;
  const beyond = order === 'asc' ? '>' : '<';
  /** Compares a row of the key's type with the key; undefined for types without an order. */
  const compare = (key: SortKey, operator: string): string | undefined => {
    switch (typeof key) {
      case 'boolean':
        return `${number} ${operator} ${parameters.numeric(Number(key))}`;
      case 'number':
      case 'bigint':
        return `${number} ${operator} ${parameters.numeric(key)}`;
      case 'string':
        return `${text} ${operator} ${parameters.text(key)}`;
      default:
        return undefined;
    }
  };
  return {
    order: [`${rank} ${order}`, `${number} ${order}`, `${text} ${order}`],
    behind: (key) => {
      const among = compare(key, beyond);
      const otherType = `${rank} ${beyond} ${rankOf(key)}`;
      return among === undefined ? `(${otherType})` : `(${otherType} or (${rank} = ${rankOf(key)} and ${among}))`;
    },
    level: (key) => {
      const among = compare(key, '=');
      return among === undefined ? `(${rank} = ${rankOf(key)})` : `(${rank} = ${rankOf(key)} and ${among})`;
    },
  };
}
