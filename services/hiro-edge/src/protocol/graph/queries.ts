import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { call } from '@polyedge/session/questions';
import type { DisplayOptions } from '../element/vertex.ts';
import { visibleTo } from '../element/visibility.ts';
import { compileLucene } from '../lucene/lucene.ts';
import type { RequestParameters } from '../parameters.ts';
import { displayOptionsOf, toShownJson } from './display-options.ts';
import { parseOrder, type SortKey, storedFields } from './order.ts';
import { MAX_ITEMS, Pages } from './read-element.ts';
import { gremlin, type When } from './run-gremlin.ts';
import { seriesOf } from './series.ts';
import { list, page, type Work } from './work.ts';

/** The documented default for a query without limit (HIRO Graph API). */
const DEFAULT_LIMIT = 20;
const MAX_OFFSET = 1_000_000;
const MAX_SERIES = 1000;

/** Creation time, then id: paging needs an order, and this one puts new vertices last. */
const INDEX_ORDER: readonly SortKey[] = [{ path: ['created', 'on'], order: 'asc' }];

/**
 * The request `query`.
 * @param values all members of the request, as values for `$name` in a query string
 */
export function* runQuery(parameters: RequestParameters, values: Readonly<Record<string, unknown>>, { who, at, now }: When): Work {
  const type = parameters.text('type');
  switch (type) {
    case 'vertices':
    case 'edges':
      return yield* search(type === 'vertices' ? 'vertex' : 'edge', parameters, values, who, at);
    case 'ids':
      return yield* byIds(parameters, who);
    case 'xid':
      return yield* byXid(parameters, who);
    case 'gremlin':
      return yield* gremlin(parameters, values, { who, at, now });
    case 'values':
      return yield* valuesOf(parameters, values, who, at);
    case undefined:
      return failed('invalid', 'type of the query is missing');
    default:
      return failed('invalid', `unknown query type "${type}"`);
  }
}

function* search(
  kind: Element['kind'],
  parameters: RequestParameters,
  values: Readonly<Record<string, unknown>>,
  who: Principal,
  at: number,
): Work {
  const text = parameters.text('query');
  if (text === undefined) return failed('invalid', 'query is missing');
  const filter = compileLucene(text, { tenant: who.tenant, at, placeholders: values });
  if (!filter.ok) return filter;
  const order = parseOrder(parameters.value('order'));
  if (!order.ok) return order;
  return yield* pages(
    {
      who,
      filter: { all: [{ test: 'equal', path: ['kind'], value: kind }, visibleTo(who), filter.value] },
      sort: order.value.length === 0 ? INDEX_ORDER : order.value,
      includeDeleted: parameters.flag('includeDeleted', 'include_deleted'),
      display: displayOptionsOf(parameters),
    },
    parameters,
  );
}

/** The values of the series that a query selects, merged by time. */
function* valuesOf(parameters: RequestParameters, values: Readonly<Record<string, unknown>>, who: Principal, at: number): Work {
  // The Python client sends no query, which means every series.
  const selected = compileLucene(parameters.text('query') ?? '*:*', { tenant: who.tenant, at, placeholders: values });
  if (!selected.ok) return selected;
  const filter: Filter = { all: [{ test: 'equal', path: ['type'], value: 'ogit/Timeseries' }, visibleTo(who), selected.value] };
  const series = yield* call(graphQuery, { tenant: who.tenant }, { filter, limit: MAX_SERIES, fields: [] });
  if (!series.ok) return series;
  if (series.value.cursor !== undefined) return failed('too-large', `at most ${MAX_SERIES} series at a time`);
  const ids = series.value.elements.map(({ id }) => id);
  return yield* seriesOf(ids, parameters, who, at);
}

function* byXid(parameters: RequestParameters, who: Principal): Work {
  const xid = parameters.text('query');
  if (xid === undefined) return failed('invalid', 'query is missing');
  const conditions: Filter[] = [
    { test: 'equal', path: ['kind'], value: 'vertex' },
    { test: 'equal', path: ['xid'], value: xid },
    visibleTo(who),
  ];
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  return yield* pages(
    { who, filter: { all: conditions }, sort: INDEX_ORDER, includeDeleted, display: displayOptionsOf(parameters) },
    parameters,
  );
}

interface Search {
  readonly who: Principal;
  readonly filter: Filter;
  readonly sort: readonly SortKey[];
  readonly includeDeleted: boolean;
  readonly display: DisplayOptions;
}

function* pages(search: Search, parameters: RequestParameters): Work {
  const limit = parameters.integer('limit') ?? DEFAULT_LIMIT;
  const offset = parameters.integer('offset') ?? 0;
  if (limit < -1) return failed('invalid', 'limit is -1 or more');
  if (offset < 0 || offset > MAX_OFFSET) return failed('invalid', `offset is between 0 and ${MAX_OFFSET}`);
  const { who, filter, sort, includeDeleted, display } = search;
  if (parameters.flag('count')) {
    const reply = yield* call(graphQuery, { tenant: who.tenant }, { filter, includeDeleted, limit: 0, count: true, accounts: true });
    // A count is a list of one number.
    return reply.ok ? list([reply.value.count ?? 0]) : reply;
  }
  const fields = storedFields(display.fields);
  const rows = new Pages();
  let left = limit === -1 ? MAX_ITEMS : Math.min(limit, MAX_ITEMS);
  for (let cursor: string | undefined; left > 0; ) {
    const place = cursor === undefined ? { offset } : { cursor };
    const reply = yield* rows.next(left, (limit) =>
      call(
        graphQuery,
        { tenant: who.tenant },
        {
          filter,
          sort: sort.map(({ path, order }) => ({ path: [...path], order })),
          limit,
          includeDeleted,
          accounts: true,
          ...place,
          ...(fields === undefined ? {} : { fields }),
        },
      ),
    );
    if (!reply.ok) return reply;
    const items = reply.value.elements.map((element) => toShownJson(element, display));
    left -= items.length;
    cursor = reply.value.cursor;
    if (cursor === undefined || left <= 0) return list(items);
    yield page(items);
  }
  return list([]);
}

/** One item per requested id, in the same order and with repetitions; missing and unreadable elements are omitted. */
function* byIds(parameters: RequestParameters, who: Principal): Work {
  const ids = parameters.texts('query') ?? [];
  if (ids.length > MAX_ITEMS) return failed('too-large', `at most ${MAX_ITEMS} ids`);
  const includeDeleted = parameters.flag('includeDeleted', 'include_deleted');
  const display = displayOptionsOf(parameters);
  const rows = new Pages();
  for (let start = 0; start < ids.length; ) {
    const left = ids.slice(start);
    const reply = yield* rows.next(left.length, (limit) =>
      call(graphGet, { tenant: who.tenant }, { ids: left.slice(0, limit), includeDeleted, visible: visibleTo(who), accounts: true }),
    );
    if (!reply.ok) return reply;
    const items: Json[] = [];
    for (const element of reply.value.elements) if (element !== null) items.push(toShownJson(element, display));
    start += reply.value.elements.length;
    if (start >= ids.length) return list(items);
    yield page(items);
  }
  return list([]);
}
