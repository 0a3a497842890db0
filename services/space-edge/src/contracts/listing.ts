/** Lists of contracts: converts the caller's search to a filter of the store. */
import { type Filter, literalPattern } from '@polyedge/query/filter';
import { foldedName } from '../catalogue/service.ts';
import { got, type Result, refuse } from '../protocol/answer.ts';
import { type Fields, fieldsOf } from '../protocol/fields.ts';

const SORTS = ['firstName', 'lastName', 'username', 'email'] as const;
const ORDERS = ['asc', 'desc'] as const;
/** The most contracts of one page. */
const MAX_PAGE = 100;
/** The most conditions of one list. */
const MAX_CONDITIONS = 200;
const MAX_OFFSET = 1_000_000;

export interface ContractPage {
  readonly offset: number;
  readonly limit: number;
  readonly sort: (typeof SORTS)[number];
  readonly order: (typeof ORDERS)[number];
}

/** The requested page; all problems of the query are reported in one 400. */
export function contractPage(query: Fields): Result<ContractPage> {
  const number = (name: string, otherwise: number): number => Number.parseInt(String(query[name]), 10) || otherwise;
  const [page, offset, limit] = [number('page', 1), number('offset', 0), number('limit', 20)];
  const sort = SORTS.find((one) => one === (query.sort ?? 'username'));
  const order = ORDERS.find((one) => one === (query.order ?? 'asc'));
  const problems = [
    ...(page < 1 ? ['Page must be greater than or equal to 1'] : []),
    ...(offset < 0 ? ['Offset must be greater than or equal to 0'] : []),
    ...(limit < 1 ? ['Limit must be greater that or equal to 1'] : []),
    ...(sort === undefined ? [`Invalid sort field. Please use one of the following: ${SORTS.join(', ')}`] : []),
    ...(order === undefined ? ["Invalid order value. Please use 'asc' or 'desc'"] : []),
  ];
  if (problems.length > 0 || sort === undefined || order === undefined) {
    return refuse(400, `Errors where found during validation of query params: ${problems.join(' | ')}`);
  }
  const skipped = offset === 0 ? (page - 1) * limit : offset;
  return got({ offset: Math.min(skipped, MAX_OFFSET), limit: Math.min(limit, MAX_PAGE), sort, order });
}

/** The filters for `username`, `groupId` etc. of a query and for `filters` of a body. */
export function contractFilters(query: Fields, body: unknown): Result<Filter[]> {
  const conditions: Filter[] = [];
  for (const name of SORTS) {
    const text = query[name];
    if (typeof text === 'string' && text !== '')
      conditions.push({ test: 'text-like', path: ['attributes', 'userContact', name], pattern: `*${literalPattern(text)}*`, fold: true });
  }
  if (typeof query.groupId === 'string' && query.groupId !== '') {
    conditions.push({ test: 'equal', path: ['attributes', 'groupId'], value: query.groupId });
  }
  const filters = fieldsOf(fieldsOf(body).filters);
  const found = [...servicesFilter(filters.services), ...plansFilter(filters.plans), ...addOnsFilter(filters.addOns)];
  const size = found.reduce((count, filter) => count + ('any' in filter ? filter.any.length : 1), conditions.length);
  return size > MAX_CONDITIONS
    ? refuse(400, `Invalid query: a list may have at most ${MAX_CONDITIONS} conditions`)
    : got([...conditions, ...found]);
}

const contracted = (service: string): Filter => ({ test: 'present', path: ['attributes', 'contractedServices', foldedName(service)] });

function servicesFilter(services: unknown): Filter[] {
  if (Array.isArray(services)) return [{ any: services.filter((name) => typeof name === 'string').map(contracted) }];
  const any = Object.entries(fieldsOf(services)).map(([service, versions]): Filter => {
    const wanted = textsOf(versions);
    if (wanted.length === 0) return contracted(service);
    const values = wanted.flatMap((version) => [version, version.replaceAll('.', '_'), version.replaceAll('_', '.')]);
    return { test: 'in', path: ['attributes', 'contractedServices', foldedName(service)], values };
  });
  return any.length === 0 ? [] : [{ any }];
}

function plansFilter(plans: unknown): Filter[] {
  const any = Object.entries(fieldsOf(plans)).flatMap(([service, names]) =>
    textsOf(names).map((name): Filter => {
      const path = ['attributes', 'subscriptionPlans', foldedName(service)];
      return { test: 'text-like', path, pattern: literalPattern(name), fold: true };
    }),
  );
  return any.length === 0 ? [] : [{ any }];
}

function addOnsFilter(addOns: unknown): Filter[] {
  const any = Object.entries(fieldsOf(addOns)).flatMap(([service, names]) =>
    // SPACE searches for the lower-case name, although it stores the author's: here both are found.
    textsOf(names).flatMap((name): Filter[] =>
      [...new Set([name, name.toLowerCase()])].map((one) => ({
        test: 'present',
        path: ['attributes', 'subscriptionAddOns', foldedName(service), one],
      })),
    ),
  );
  return any.length === 0 ? [] : [{ any }];
}

const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
