/** Time series: writing and reading values (HIRO Graph API; hiro-client-python `post_timeseries`, hiro-client-java `GraphAPI`). */
import { graphGet, graphValues, type Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Json } from '@polyedge/query/json';
import { asObject, type Parameters } from './parameters.ts';
import { includesDeleted, rangeOf, refusalOf, timeOf, withElement } from './reading.ts';
import { answer, ask, fail, type Step, write } from './step.ts';
import { visibleTo } from './visibility.ts';

const TYPE = 'ogit/Timeseries';
/** Values of one request, and of one operation of the store. */
const MAX_VALUES = 100_000;
const VALUES_PER_OPERATION = 10_000;
const PAGE_VALUES = 5000;
/** Series that are read together. */
const MAX_SERIES = 1000;
/** What `from` is when it is not given: so long before now (hiro-client-java, `setFrom`). */
const DEFAULT_SPAN_MS = 3_600_000;

const ORDERS = ['asc', 'desc', 'none'] as const;
const AGGREGATES = ['none', 'avg', 'min', 'max', 'sum'] as const;

interface Written {
  readonly at: number;
  readonly value: Json;
}

/** `{ items: [{ timestamp, value }, …] }`, one of them, or a bare list. */
export function writeValues(parameters: Parameters, body: unknown, who: Principal): Step {
  const values = valuesOf(body);
  if (values === undefined) return fail('invalid', 'values are { timestamp, value }, the time in milliseconds');
  if (values.length === 0) return fail('invalid', 'there is no value to write');
  if (values.length > MAX_VALUES) return fail('too-large', `at most ${MAX_VALUES} values at a time`);
  const ttl = parameters.integer('ttl');
  return withElement(parameters.text('ogit/_id'), false, who, (element) => {
    if (element.type !== TYPE) return notSeries(element);
    const seconds = ttl ?? timestampOf(element.attributes['/ttl']);
    const ttlMs = seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
    const operations: Operation[] = [];
    for (let at = 0; at < values.length; at += VALUES_PER_OPERATION) {
      const some = values.slice(at, at + VALUES_PER_OPERATION);
      operations.push({
        op: 'write-values',
        target: { id: element.id },
        values: some.map((value) => ({ ...value, ...(ttlMs === undefined ? {} : { ttlMs }) })),
        before: visibleTo(who),
      });
    }
    return write(operations, () => answer({ 'ogit/_id': element.id }));
  });
}

/** Values of a series and of those in `with`, merged by time. */
export function readValues(parameters: Parameters, who: Principal, at: number): Step {
  const further = parameters.texts('with') ?? [];
  if (further.length >= MAX_SERIES) return fail('too-large', `at most ${MAX_SERIES} series at a time`);
  const includeDeleted = includesDeleted(parameters);
  return withElement(parameters.text('ogit/_id'), includeDeleted, who, (element) =>
    alsoSeries([element], further, includeDeleted, who, (ids) => seriesOf(ids, parameters, who, at)),
  );
}

/** Values of series that the caller may read. */
export function seriesOf(ids: string[], parameters: Parameters, who: Principal, at: number): Step {
  const range = rangeOf(parameters, -1);
  if ('next' in range) return range;
  const order = oneOf(ORDERS, parameters.text('order') ?? 'asc');
  const aggregate = oneOf(AGGREGATES, parameters.text('aggregate') ?? 'none');
  if (order === undefined) return fail('invalid', `order is one of ${ORDERS.join(', ')}`);
  if (aggregate === undefined) return fail('invalid', `aggregate is one of ${AGGREGATES.join(', ')}`);
  const from = timeOf(parameters, 'from') ?? at - DEFAULT_SPAN_MS;
  const to = timeOf(parameters, 'to') ?? at;
  if (parameters.problem !== undefined) return fail('invalid', parameters.problem);
  if (ids.length === 0) return { next: 'items', items: [] };
  return page({ ids, from, to, order, aggregate }, who, range.limit, range.offset);
}

/** Every value that was ever written for one time or, without `timestamp`, for any, newest first. */
export function valueHistory(parameters: Parameters, who: Principal): Step {
  const time = parameters.integer('timestamp');
  const which = time === undefined ? { history: true } : { at: time };
  const range = rangeOf(parameters, -1);
  if ('next' in range) return range;
  return withElement(parameters.text('ogit/_id'), includesDeleted(parameters), who, (element) =>
    element.type === TYPE ? page({ ids: [element.id], ...which }, who, range.limit, range.offset) : notSeries(element),
  );
}

/** Reads the vertices of the other series: the caller has to be allowed to see each of them. */
function alsoSeries(
  known: readonly Element[],
  further: readonly string[],
  includeDeleted: boolean,
  who: Principal,
  then: (ids: string[]) => Step,
): Step {
  const wrong = known.find(({ type }) => type !== TYPE);
  if (wrong !== undefined) return notSeries(wrong);
  const ids = known.map(({ id }) => id);
  if (further.length === 0) return then(ids);
  return ask(graphGet, { tenant: who.tenant }, { ids: [...further], includeDeleted, accounts: true }, ({ elements }) => {
    for (const element of elements) {
      const refusal = refusalOf(element, who);
      if (refusal !== undefined) return { next: 'fail', failure: refusal };
      if (element !== null && element.type !== TYPE) return notSeries(element);
    }
    return then([...new Set([...ids, ...further])]);
  });
}

interface Question {
  readonly ids: string[];
  readonly from?: number;
  readonly to?: number;
  readonly at?: number;
  readonly history?: boolean;
  readonly order?: (typeof ORDERS)[number];
  readonly aggregate?: (typeof AGGREGATES)[number];
}

function page(question: Question, who: Principal, left: number, offset: number): Step {
  if (left <= 0) return { next: 'items', items: [] };
  const limit = Math.min(left, PAGE_VALUES);
  return ask(graphValues, { tenant: who.tenant }, { ...question, limit, offset }, ({ values, more }) => {
    const items = values.map(({ at, value }): Json => ({ timestamp: at, value }));
    const rest = left - items.length;
    if (!more || rest <= 0 || items.length === 0) return { next: 'items', items };
    return { next: 'items', items, rest: () => page(question, who, rest, offset + items.length) };
  });
}

function valuesOf(body: unknown): Written[] | undefined {
  const object = asObject(body);
  const listed = Array.isArray(body) ? body : Array.isArray(object?.items) ? object.items : object === undefined ? [] : [object];
  const values: Written[] = [];
  for (const item of listed) {
    const read = asObject(item);
    const time = timestampOf(read?.timestamp);
    if (read === undefined || time === undefined || read.value === undefined) return undefined;
    values.push({ at: time, value: read.value });
  }
  return values;
}

function timestampOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

const oneOf = <T extends string>(known: readonly T[], text: string): T | undefined => known.find((one) => one === text);

const notSeries = ({ type }: Element): Step => fail('invalid', `only ${TYPE} has values, this is ${type}`);
