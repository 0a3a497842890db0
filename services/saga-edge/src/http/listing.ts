/** Lists of users and bots: search, filters, order, locations (Saga protocol page, 6.1 and 6.3). */
import type { Element } from '@polyedge/contracts/element';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Filter, Position } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { compilePattern, type Pattern } from '@polyedge/query/pattern';
import type { Sort } from '@polyedge/query/query';
import { attribute, both, equal, isObject, ofType, TYPES, textOr, textsOf, toParents } from '@polyedge/saga/elements';
import { sagaError } from '@polyedge/saga/errors';
import { plainFilter } from '../protocol/search.ts';
import { paged, pageOf } from './paging.ts';
import { failure, type Reply, refused } from './reply.ts';
import type { Request } from './server.ts';
import type { Store } from './store.ts';

/** Maximum number of users or bots scanned for a search that is not a plain name. */
const MAX_SCANNED = 10_000;
/** Limits of a regular expression and its total work: a fraction of a second. */
const MAX_PATTERN = 500;
const MAX_STEPS = 5_000_000;
/** Properties in one answer. */
const MAX_PROPERTIES = 20_000;
const TOO_MUCH = 'the search looks at too much';

type ListedKind = 'user' | 'bot';
const NAME_OF: Readonly<Record<ListedKind, string>> = { user: 'username', bot: 'name' };

/** Loads what belongs to a page of users or bots: all their properties with one query. */
export async function showParents(
  store: Store,
  { who, titleOf }: Pick<Request, 'who' | 'titleOf'>,
  kind: ListedKind,
  parents: readonly Element[],
): Promise<Outcome<unknown[]>> {
  const ids = parents.map(({ id }) => id);
  const properties = await propertiesOf(store, who.tenant, ids);
  if (!properties.ok) return properties;
  const titled = kind === 'bot' ? parents : parents.map((user) => withTitles(user, titleOf));
  return done(toParents(kind, titled, properties.value));
}

/** A user with the titles that its roles have now. */
function withTitles(user: Element, titleOf: Request['titleOf']): Element {
  return { ...user, attributes: { ...user.attributes, roles: textsOf(user.attributes.roles).map(titleOf) } };
}

/** All properties of some parents; `too-large` if there are too many for an answer. */
export async function propertiesOf(store: Store, tenant: string, parents: readonly string[]): Promise<Outcome<readonly Element[]>> {
  if (parents.length === 0) return done([]);
  const filter = both(ofType(TYPES.property), { test: 'in', path: attribute('parent_id'), values: parents });
  return store.all(tenant, filter, MAX_PROPERTIES);
}

/** @param only the one that the caller may see: in a regular expression the dots of its name would match any character */
export async function listParents(store: Store, request: Request, kind: ListedKind, only?: string): Promise<Reply> {
  const parsed = pageOf(request);
  if (!parsed.ok) return parsed.reply;
  const { page } = parsed;
  const { tenant } = request.who;
  const { search, tags, sort, near, within, max_distance: maxDistance } = request.query;
  const filters: Filter[] = [ofType(TYPES[kind]), ...(only === undefined ? [] : [equal(['id'], only)])];
  for (const tag of (tags ?? '').split(',').filter((text) => text !== ''))
    filters.push({ test: 'contains', path: attribute('tags'), value: tag });
  let pattern: Pattern | undefined;
  if (search !== undefined && search !== '') {
    const plain = plainFilter(search, attribute(NAME_OF[kind]));
    if (plain !== undefined) filters.push(plain);
    else {
      pattern = compilePattern(search, MAX_PATTERN);
      if (pattern === undefined) return refused(sagaError(400, 'search is not a regular expression that can be used'));
    }
  }
  // Conditions on properties first find the properties, whose parents are then the only candidates.
  let order: readonly string[] | undefined;
  for (const [name, text] of Object.entries(request.query)) {
    if (!name.startsWith('properties.')) continue;
    const found = await parentsWhere(store, tenant, kind, both(equal(attribute('name'), name.slice('properties.'.length)), oneOf(text)));
    if (!found.ok) return unsearched(found.failure);
    order = intersect(order, found.value);
  }
  const place = placeOf(near, within, maxDistance);
  if (!place.ok) return refused(sagaError(400, place.failure.detail));
  let ordered = false;
  if (place.value !== undefined) {
    const { filter, by } = place.value;
    const found = await parentsWhere(store, tenant, kind, both(equal(attribute('name'), 'geoJSON'), filter), by);
    if (!found.ok) return unsearched(found.failure);
    order = intersect(found.value, order);
    ordered = by !== undefined;
  }
  const descending = sort?.startsWith('-') === true;
  const field = sort?.replace(/^-/, '') ?? '';
  if (field.startsWith('properties.')) {
    const by: Sort = { path: attribute('value'), order: descending ? 'desc' : 'asc' };
    const found = await parentsWhere(store, tenant, kind, equal(attribute('name'), field.slice('properties.'.length)), by);
    if (!found.ok) return unsearched(found.failure);
    order = intersect(found.value, order);
    ordered = true;
  }
  if (order !== undefined) filters.push({ test: 'in', path: ['id'], values: order.slice(0, MAX_SCANNED) });
  const scans = pattern !== undefined || ordered;
  const found = await store.query(tenant, {
    filter: both(...filters),
    sort: sortOf(field, descending),
    limit: scans ? MAX_SCANNED : page.limit + 1,
    offset: scans ? 0 : page.offset,
  });
  if (!found.ok) return failure(found.failure);
  let elements = found.value.elements;
  if (scans && elements.length === MAX_SCANNED) return refused(sagaError(400, TOO_MUCH));
  if (pattern !== undefined) {
    const names = elements.map(({ attributes }) => textOr(attributes[NAME_OF[kind]], ''));
    if (names.reduce((steps, name) => steps + (name.length + 1) * pattern.size, 0) > MAX_STEPS) {
      return refused(sagaError(400, TOO_MUCH));
    }
    elements = elements.filter((_, at) => pattern.find(names[at] ?? ''));
  }
  if (ordered && order !== undefined) {
    const rank = new Map(order.map((id, at) => [id, at]));
    elements = [...elements].sort((one, other) => (rank.get(one.id) ?? 0) - (rank.get(other.id) ?? 0));
  }
  const rows = scans ? elements.slice(page.offset, page.offset + page.limit + 1) : elements;
  const shown = await showParents(store, request, kind, rows.slice(0, page.limit));
  return shown.ok ? paged(request, page, rows, () => shown.value) : failure(shown.failure);
}

const unsearched = (of: Failure): Reply => (of.detail === TOO_MUCH ? refused(sagaError(400, TOO_MUCH)) : failure(of));

const intersect = (order: readonly string[] | undefined, others: readonly string[] | undefined): readonly string[] | undefined => {
  if (order === undefined || others === undefined) return order ?? others;
  const kept = new Set(others);
  return order.filter((id) => kept.has(id));
};

/** The text of a query as text, number, boolean or null. */
function oneOf(text: string): Filter {
  const values: Json[] = [text];
  const parsed = /^(true|false|null|-?\d[\d.eE+-]*)$/.test(text) ? parseJson(text) : undefined;
  if (parsed?.ok === true) values.push(parsed.value);
  return { test: 'in', path: attribute('value'), values };
}

async function parentsWhere(
  store: Store,
  tenant: string,
  kind: ListedKind,
  filter: Filter,
  by?: Sort,
): Promise<Outcome<readonly string[]>> {
  const found = await store.query(tenant, {
    filter: both(ofType(TYPES.property), equal(attribute('parent_type'), kind), filter),
    limit: MAX_SCANNED,
    fields: ['parent_id'],
    ...(by === undefined ? {} : { sort: [by] }),
  });
  if (!found.ok) return found;
  const { elements } = found.value;
  if (elements.length === MAX_SCANNED) return failed('too-large', TOO_MUCH);
  return done(elements.map(({ attributes }) => textOr(attributes.parent_id, '')));
}

function sortOf(field: string, descending: boolean): Sort[] {
  const order = descending ? 'desc' : 'asc';
  if (field === '' || field.startsWith('properties.')) return [{ path: ['created', 'on'], order: 'asc' }];
  if (field === '_id' || field === 'id') return [{ path: ['id'], order }];
  if (field === 'createdAt') return [{ path: ['created', 'on'], order }];
  if (field === 'updatedAt') return [{ path: ['modified', 'on'], order }];
  return [{ path: attribute(field), order }];
}

function placeOf(
  near: string | undefined,
  within: string | undefined,
  maxDistance: string | undefined,
): Outcome<{ readonly filter: Filter; readonly by: Sort | undefined } | undefined> {
  const path = attribute('value');
  if (near !== undefined) {
    const [longitude = Number.NaN, latitude = Number.NaN, ...more] = near.split(',').map(Number);
    const meters = maxDistance === undefined ? 20_100_000 : Number(maxDistance);
    const known = more.length === 0 && Math.abs(longitude) <= 180 && Math.abs(latitude) <= 90 && meters >= 0 && Number.isFinite(meters);
    if (!known) return failed('invalid', 'near is <lon>,<lat> and max_distance a number of metres');
    const point: Position = [longitude, latitude];
    return done({ filter: { test: 'near', path, point, maxMeters: meters }, by: { path, order: 'asc', near: point } });
  }
  if (within === undefined) return done(undefined);
  const polygon = polygonOf(within);
  if (polygon === undefined) return failed('invalid', 'within is a GeoJSON polygon');
  return done({ filter: { test: 'inside', path, polygon }, by: undefined });
}

function polygonOf(text: string): Position[][] | undefined {
  const parsed = parseJson(text);
  if (!parsed.ok) return undefined;
  const { value } = parsed;
  if (!isObject(value) || value.type !== 'Polygon' || !Array.isArray(value.coordinates)) return undefined;
  const rings: Position[][] = [];
  for (const ring of value.coordinates) {
    if (!Array.isArray(ring) || ring.length < 4 || ring.length > 1000) return undefined;
    const points: Position[] = [];
    for (const point of ring) {
      const [longitude, latitude]: readonly Json[] = Array.isArray(point) ? point : [];
      if (typeof longitude !== 'number' || typeof latitude !== 'number' || Math.abs(longitude) > 180 || Math.abs(latitude) > 90)
        return undefined;
      points.push([longitude, latitude]);
    }
    rings.push(points);
  }
  return rings.length === 0 || rings.length > 100 ? undefined : rings;
}
