/** Time series: writing and reading values (HIRO Graph API; hiro-client-python `post_timeseries`, hiro-client-java `GraphAPI`). */
import { graphGet, graphValues, type Operation } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Json } from '@polyedge/query/json';
import { type CallQuestion, call, write } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import { visibleTo } from '../element/visibility.ts';
import { asObject, type RequestParameters } from '../parameters.ts';
import { includesDeleted, type Range, rangeOf, readable, readElement, timeOf } from './read-element.ts';
import { answer, list, page, type Work } from './work.ts';

const TYPE = 'ogit/Timeseries';
/** The most values of one request, and of one operation of the store. */
const MAX_VALUES = 100_000;
const VALUES_PER_OPERATION = 10_000;
const PAGE_VALUES = 5000;
/** The most series read together. */
const MAX_SERIES = 1000;
/** A thousand years: the time at which a value expires stays a safe integer. */
const MAX_TTL_MS = 31_536_000_000_000;
/** The default of `from`: this long before now (hiro-client-java, `setFrom`). */
const DEFAULT_SPAN_MS = 3_600_000;

const ORDERS = ['asc', 'desc', 'none'] as const;
const AGGREGATES = ['none', 'avg', 'min', 'max', 'sum'] as const;

interface TimedValue {
  readonly at: number;
  readonly value: Json;
}

/** `{ items: [{ timestamp, value }, …] }`, one of them, or a bare list. */
export function* writeValues(parameters: RequestParameters, body: unknown, who: Principal): Work {
  const values = valuesOf(body);
  if (values === undefined) return failed('invalid', 'values are { timestamp, value }, the time in milliseconds; a value is not null');
  if (values.length === 0) return failed('invalid', 'there is no value to write');
  if (values.length > MAX_VALUES) return failed('too-large', `at most ${MAX_VALUES} values at a time`);
  const ttl = parameters.integer('ttl');
  const element = yield* readElement(parameters.text('ogit/_id'), false, who);
  if (!element.ok) return element;
  const { id, type, attributes } = element.value;
  if (type !== TYPE) return notSeries(type);
  const seconds = ttl ?? timestampOf(attributes['/ttl']);
  const ttlMs = seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
  if (ttlMs !== undefined && ttlMs > MAX_TTL_MS) return failed('invalid', `ttl is at most ${MAX_TTL_MS / 1000} seconds`);
  const operations: Operation[] = [];
  for (let at = 0; at < values.length; at += VALUES_PER_OPERATION) {
    const some = values.slice(at, at + VALUES_PER_OPERATION);
    operations.push({
      op: 'write-values',
      target: { id },
      values: some.map((value) => ({ ...value, ...(ttlMs === undefined ? {} : { ttlMs }) })),
      before: visibleTo(who),
    });
  }
  const written = yield* write('writets', operations);
  return written.ok ? answer({ 'ogit/_id': id }) : written;
}

/** The values of a series and of those in `with`, merged by time. */
export function* readValues(parameters: RequestParameters, who: Principal, at: number): Work {
  const further = parameters.texts('with') ?? [];
  if (further.length >= MAX_SERIES) return failed('too-large', `at most ${MAX_SERIES} series at a time`);
  const includeDeleted = includesDeleted(parameters);
  const element = yield* readElement(parameters.text('ogit/_id'), includeDeleted, who);
  if (!element.ok) return element;
  if (element.value.type !== TYPE) return notSeries(element.value.type);
  const ids = yield* alsoSeries(element.value.id, further, includeDeleted, who);
  return ids.ok ? yield* seriesOf(ids.value, parameters, who, at) : ids;
}

/** The values of series that the caller may read. */
export function* seriesOf(ids: string[], parameters: RequestParameters, who: Principal, at: number): Work {
  const range = rangeOf(parameters, -1);
  if (!range.ok) return range;
  const order = oneOf(ORDERS, parameters.text('order') ?? 'asc');
  const aggregate = oneOf(AGGREGATES, parameters.text('aggregate') ?? 'none');
  if (order === undefined) return failed('invalid', `order is one of ${ORDERS.join(', ')}`);
  if (aggregate === undefined) return failed('invalid', `aggregate is one of ${AGGREGATES.join(', ')}`);
  const from = timeOf(parameters, 'from') ?? at - DEFAULT_SPAN_MS;
  const to = timeOf(parameters, 'to') ?? at;
  if (parameters.problem !== undefined) return failed('invalid', parameters.problem);
  if (ids.length === 0) return list([]);
  return yield* pages({ ids, from, to, order, aggregate }, who, range.value);
}

/** All values ever written for one time or, without `timestamp`, for any time; newest first. */
export function* valueHistory(parameters: RequestParameters, who: Principal): Work {
  const time = parameters.integer('timestamp');
  const which = time === undefined ? { history: true } : { at: time };
  const range = rangeOf(parameters, -1);
  if (!range.ok) return range;
  const element = yield* readElement(parameters.text('ogit/_id'), includesDeleted(parameters), who);
  if (!element.ok) return element;
  const { id, type } = element.value;
  return type === TYPE ? yield* pages({ ids: [id], ...which }, who, range.value) : notSeries(type);
}

/** Reads the vertices of the other series: the caller must be allowed to see each of them. */
function* alsoSeries(
  first: string,
  further: readonly string[],
  includeDeleted: boolean,
  who: Principal,
): Task<CallQuestion, Outcome<string[]>> {
  if (further.length === 0) return done([first]);
  const found = yield* call(graphGet, { tenant: who.tenant }, { ids: [...further], includeDeleted, accounts: true });
  if (!found.ok) return found;
  for (const one of found.value.elements) {
    const element = readable(one, who);
    if (!element.ok) return element;
    if (element.value.type !== TYPE) return notSeries(element.value.type);
  }
  return done([...new Set([first, ...further])]);
}

interface SeriesQuery {
  readonly ids: string[];
  readonly from?: number;
  readonly to?: number;
  readonly at?: number;
  readonly history?: boolean;
  readonly order?: (typeof ORDERS)[number];
  readonly aggregate?: (typeof AGGREGATES)[number];
}

function* pages(query: SeriesQuery, who: Principal, range: Range): Work {
  let { limit: left, offset } = range;
  while (left > 0) {
    const found = yield* call(graphValues, { tenant: who.tenant }, { ...query, limit: Math.min(left, PAGE_VALUES), offset });
    if (!found.ok) return found;
    const items = found.value.values.map(({ at, value }): Json => ({ timestamp: at, value }));
    left -= items.length;
    offset += items.length;
    if (!found.value.more || left <= 0 || items.length === 0) return list(items);
    yield page(items);
  }
  return list([]);
}

function valuesOf(body: unknown): TimedValue[] | undefined {
  const object = asObject(body);
  const listed = Array.isArray(body) ? body : Array.isArray(object?.items) ? object.items : object === undefined ? [] : [object];
  const values: TimedValue[] = [];
  for (const item of listed) {
    const read = asObject(item);
    const time = timestampOf(read?.timestamp);
    if (read === undefined || time === undefined || read.value === undefined || read.value === null) return undefined;
    values.push({ at: time, value: read.value });
  }
  return values;
}

function timestampOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

const oneOf = <T extends string>(known: readonly T[], text: string): T | undefined => known.find((one) => one === text);

const notSeries = (type: string) => failed('invalid', `only ${TYPE} has values, this is ${type}`);
