import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { compileLucene } from './lucene.ts';
import { parseOrder, type SortKey, storedFields } from './order.ts';
import type { Parameters } from './parameters.ts';
import { MAX_ITEMS, PAGE_ITEMS } from './reading.ts';
import { gremlin } from './run-gremlin.ts';
import { seriesOf } from './series.ts';
import { showingOf, shown } from './showing.ts';
import { ask, fail, type Step } from './step.ts';
import type { Showing } from './vertex.ts';
import { visibleTo } from './visibility.ts';

/** What a server answers when a query names no limit (HIRO Graph API). */
const DEFAULT_LIMIT = 20;
const MAX_OFFSET = 1_000_000;
const MAX_SERIES = 1000;

/** Creation time, then id: an order has to exist for pages to follow each other, and this one shows new vertices last. */
const INDEX_ORDER: readonly SortKey[] = [{ path: ['created', 'on'], order: 'asc' }];

/** The request `query`. @param values everything the client sent: what `$name` in a query string may stand for. */
export function runQuery(parameters: Parameters, values: Readonly<Record<string, unknown>>, who: Principal, at: number): Step {
  const type = parameters.text('type');
  switch (type) {
    case 'vertices':
    case 'edges':
      return search(type === 'vertices' ? 'vertex' : 'edge', parameters, values, who, at);
    case 'ids':
      return byIds(parameters, who);
    case 'xid':
      return byXid(parameters, who);
    case 'gremlin':
      return gremlin(parameters, values, who, at);
    case 'values':
      return valuesOf(parameters, values, who, at);
    case undefined:
      return fail('invalid', 'type of the query is missing');
    default:
      return fail('invalid', `unknown query type "${type}"`);
  }
}

function search(
  kind: Element['kind'],
  parameters: Parameters,
  values: Readonly<Record<string, unknown>>,
  who: Principal,
  at: number,
): Step {
  const text = parameters.text('query');
  if (text === undefined) return fail('invalid', 'query is missing');
  const filter = compileLucene(text, { tenant: who.tenant, at, placeholders: values });
  if (!filter.ok) return { next: 'fail', failure: filter.failure };
  const order = parseOrder(parameters.value('order'));
  if (!order.ok) return { next: 'fail', failure: order.failure };
  return page(
    {
      who,
      filter: { all: [{ test: 'equal', path: ['kind'], value: kind }, visibleTo(who), filter.value] },
      sort: order.value.length === 0 ? INDEX_ORDER : order.value,
      includeDeleted: parameters.flag('includeDeleted', 'include_deleted'),
      showing: showingOf(parameters),
    },
    parameters,
  );
}

/** The values of the series that a query selects, merged by time. */
function valuesOf(parameters: Parameters, values: Readonly<Record<string, unknown>>, who: Principal, at: number): Step {
  // The Python client names no query and means every series.
  const selected = compileLucene(parameters.text('query') ?? '*:*', { tenant: who.tenant, at, placeholders: values });
  if (!selected.ok) return { next: 'fail', failure: selected.failure };
  const filter: Filter = { all: [{ test: 'equal', path: ['type'], value: 'ogit/Timeseries' }, visibleTo(who), selected.value] };
  return ask(graphQuery, { tenant: who.tenant }, { filter, limit: MAX_SERIES, fields: [] }, ({ elements, cursor }) =>
    cursor === undefined
      ? seriesOf(
          elements.map(({ id }) => id),
          parameters,
          who,
          at,
        )
      : fail('too-large', `at most ${MAX_SERIES} series at a time`),
  );
}

function byXid(parameters: Parameters, who: Principal): Step {
  const xid = parameters.text('query');
  if (xid === undefined) return fail('invalid', 'query is missing');
  const conditions: Filter[] = [
    { test: 'equal', path: ['kind'], value: 'vertex' },
    { test: 'equal', path: ['xid'], value: xid },
    visibleTo(who),
  ];
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  return page({ who, filter: { all: conditions }, sort: INDEX_ORDER, includeDeleted, showing: showingOf(parameters) }, parameters);
}

interface Search {
  readonly who: Principal;
  readonly filter: Filter;
  readonly sort: readonly SortKey[];
  readonly includeDeleted: boolean;
  readonly showing: Showing;
}

function page(search: Search, parameters: Parameters): Step {
  const limit = parameters.integer('limit') ?? DEFAULT_LIMIT;
  const offset = parameters.integer('offset') ?? 0;
  if (limit < -1) return fail('invalid', 'limit is -1 or more');
  if (offset < 0 || offset > MAX_OFFSET) return fail('invalid', `offset is between 0 and ${MAX_OFFSET}`);
  if (parameters.flag('count')) return count(search);
  return next(search, limit === -1 ? MAX_ITEMS : Math.min(limit, MAX_ITEMS), { offset });
}

/** A count is a list of one number. */
function count({ who, filter, includeDeleted }: Search): Step {
  return ask(graphQuery, { tenant: who.tenant }, { filter, includeDeleted, limit: 0, count: true, accounts: true }, (reply) => ({
    next: 'items',
    items: [reply.count ?? 0],
  }));
}

function next(search: Search, left: number, from: { readonly offset: number } | { readonly cursor: string }): Step {
  if (left <= 0) return { next: 'items', items: [] };
  const { who, filter, sort, includeDeleted, showing } = search;
  const fields = storedFields(showing.fields);
  return ask(
    graphQuery,
    { tenant: who.tenant },
    {
      filter,
      sort: sort.map(({ path, order }) => ({ path: [...path], order })),
      limit: Math.min(left, PAGE_ITEMS),
      includeDeleted,
      accounts: true,
      ...from,
      ...(fields === undefined ? {} : { fields }),
    },
    ({ elements, cursor }) => {
      const items = elements.map((element) => shown(element, showing));
      const rest = left - items.length;
      if (cursor === undefined || rest <= 0) return { next: 'items', items };
      return { next: 'items', items, rest: () => next(search, rest, { cursor }) };
    },
  );
}

/** One item per id, in the order asked for and as often; ids that are not there, or not readable, are left out. */
function byIds(parameters: Parameters, who: Principal): Step {
  const ids = parameters.texts('query') ?? [];
  if (ids.length > MAX_ITEMS) return fail('too-large', `at most ${MAX_ITEMS} ids`);
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  const showing = showingOf(parameters);
  const from = (start: number): Step => {
    const some = ids.slice(start, start + PAGE_ITEMS);
    if (some.length === 0) return { next: 'items', items: [] };
    return ask(graphGet, { tenant: who.tenant }, { ids: some, includeDeleted, visible: visibleTo(who), accounts: true }, ({ elements }) => {
      const items: Json[] = [];
      for (const element of elements) if (element !== null) items.push(shown(element, showing));
      const end = start + PAGE_ITEMS;
      return end >= ids.length ? { next: 'items', items } : { next: 'items', items, rest: () => from(end) };
    });
  };
  return from(0);
}
