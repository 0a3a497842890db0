import type { Document } from './document.ts';
import { EVERYTHING, type Filter, type Path, type Position } from './filter.ts';
import { haversine, pointOf } from './geo.ts';
import { isNumber, type Json } from './json.ts';
import { parseJson } from './json-text.ts';
import { canonicalJson } from './normalize.ts';
import { type Parsed, ParseError, parsing } from './parsed.ts';
import { compilePath, parsePath } from './path.ts';
import { compareText } from './text.ts';
import { Checker, flag, list, only, record } from './validate.ts';

/**
 * A search: which elements, in which order, how many.
 *
 * `cursor` continues after the element passed to `cursorOf`; it is valid only for the sort it was made for. `skip` leaves out that many
 * elements after it. `fields` names the members to return, all if absent. With `count` only the number of elements is returned.
 */
export interface Query {
  readonly filter: Filter;
  readonly sort: readonly Sort[];
  readonly limit: number;
  readonly skip?: number;
  readonly cursor?: string;
  readonly fields?: readonly Path[];
  readonly count?: boolean;
}

/**
 * One key of an order. By `path`: absent and null, then false, true, numbers, strings by code point (of
 * attributes the first `SORTED_CHARACTERS`), lists (all equal), objects (all equal). With `near`: everything that is not a GeoJSON Point,
 * then Points by distance. `desc` is the exact reverse. Elements that are still equal after the last key are ordered by `id`, ascending.
 */
export interface Sort {
  readonly path: Path;
  readonly order: 'asc' | 'desc';
  readonly near?: Position;
}

const QUERY_LIMITS = { sort: 8, limit: 100_000, skip: 1_000_000, fields: 256, cursorCharacters: 65_536 } as const;

/** The number of code points of an attribute's string that count for the order, so that a cursor stays small. */
export const SORTED_CHARACTERS = 256;

/**
 * Checks a query from an untrusted source. `filter` and `sort` may be absent (everything, by id); `limit` may not.
 * The cursor is checked against the sort, so a query that passes can be compiled.
 */
export function parseQuery(value: unknown): Parsed<Query> {
  return parsing(() => {
    const object = record(value, 'a query');
    only(object, ['filter', 'sort', 'limit', 'skip', 'cursor', 'fields', 'count']);
    const checker = new Checker();
    const { filter, sort, skip, cursor, fields } = object;
    const steps = sort === undefined ? [] : list(sort, QUERY_LIMITS.sort, '"sort"').map((step) => parseSort(checker, step));
    const count = flag(object, 'count');
    return {
      filter: filter === undefined ? EVERYTHING : checker.filter(filter, 1),
      sort: steps,
      limit: whole(object.limit, QUERY_LIMITS.limit, '"limit"'),
      ...(skip !== undefined && { skip: whole(skip, QUERY_LIMITS.skip, '"skip"') }),
      ...(cursor !== undefined && { cursor: parseCursor(cursor, steps) }),
      ...(fields !== undefined && { fields: list(fields, QUERY_LIMITS.fields, '"fields"').map((path) => checker.path(path)) }),
      ...(count && { count }),
    };
  });
}

function parseSort(checker: Checker, value: unknown): Sort {
  const object = record(value, 'a sort key');
  only(object, ['path', 'order', 'near']);
  const { order } = object;
  if (order !== 'asc' && order !== 'desc') throw new ParseError('"order" is "asc" or "desc"');
  const path = checker.path(object.path);
  return object.near === undefined ? { path, order } : { path, order, near: checker.position(object.near) };
}

function whole(value: unknown, limit: number, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
    throw new ParseError(`${what} is a whole number from 0 to ${limit}`);
  }
  return value;
}

function parseCursor(value: unknown, sort: readonly Sort[]): string {
  if (typeof value === 'string' && positionOfCursor(value, sort) !== undefined) return value;
  throw new ParseError('the cursor does not belong to this query');
}

/**
 * Compiles an order to a comparison of two documents, negative if the first comes first. Total: zero only for the same id.
 */
export function compareBy(sort: readonly Sort[]): (left: Document, right: Document) => number {
  const steps = sort.map((step) => ({ read: compileSortKey(step), sign: step.order === 'asc' ? 1 : -1 }));
  return (left, right) => {
    for (const { read, sign } of steps) {
      const order = compareSortKeys(read(left), read(right));
      if (order !== 0) return sign * order;
    }
    return compareText(left.id, right.id);
  };
}

/**
 * The part of a value that counts for the order: the scalar itself (strings cut), `[]` for any list, `{}` for any object. With `near`, the
 * haversine of the distance, or null.
 */
export type SortKey = null | boolean | number | bigint | string | readonly never[] | { readonly [key: string]: never };

/** A place in an order: directly after the document that it was made from. */
export interface CursorPlace {
  readonly keys: readonly SortKey[];
  readonly id: string;
}

function compileSortKey({ path, near }: Sort): (document: Document) => SortKey {
  const read = compilePath(path);
  // The store bounds ids, types and names, so only attributes need truncation; the others can use an index directly.
  if (near === undefined && parsePath(path)?.of === 'attribute') return (document) => sortKeyOf(read(document), cut);
  if (near === undefined) return (document) => sortKeyOf(read(document), (text) => text);
  return (document) => {
    const point = pointOf(read(document));
    return point === undefined ? null : haversine(near, point);
  };
}

function sortKeyOf(value: Json | undefined, shorten: (text: string) => string): SortKey {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return shorten(value);
  if (typeof value !== 'object') return value;
  return Array.isArray(value) ? [] : {};
}

function cut(text: string): string {
  if (text.length <= SORTED_CHARACTERS) return text;
  return Array.from(text.slice(0, 2 * SORTED_CHARACTERS))
    .slice(0, SORTED_CHARACTERS)
    .join('');
}

/** The rank of a key's type in the order. */
export function rankOf(key: SortKey): number {
  switch (typeof key) {
    case 'boolean':
      return 1;
    case 'number':
    case 'bigint':
      return 2;
    case 'string':
      return 3;
    default:
      return key === null ? 0 : Array.isArray(key) ? 4 : 5;
  }
}

function compareSortKeys(left: SortKey, right: SortKey): number {
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : left > right ? 1 : 0;
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  return rankOf(left) - rankOf(right);
}

/** The cursor that continues after this document in this order. Opaque to clients, not secret: it holds the document's sort keys. */
export function cursorOf(document: Document, sort: readonly Sort[]): string {
  const text = JSON.stringify([fingerprint(sort), document.id, ...sort.map((step) => compileSortKey(step)(document))]);
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** Decodes a cursor; undefined if it is malformed or belongs to another order. */
export function positionOfCursor(cursor: string, sort: readonly Sort[]): CursorPlace | undefined {
  if (cursor.length > QUERY_LIMITS.cursorCharacters || !/^[A-Za-z0-9_-]+$/.test(cursor)) return undefined;
  let text: string;
  try {
    const bytes = Uint8Array.from(atob(cursor.replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
  const parsed = parseJson(text);
  if (!parsed.ok || !Array.isArray(parsed.value)) return undefined;
  const [mark, id, ...keys]: readonly unknown[] = parsed.value;
  if (mark !== fingerprint(sort) || !isStorable(id) || keys.length !== sort.length) return undefined;
  const checked = keys.filter(isSortKey);
  return checked.length === keys.length ? { keys: checked, id } : undefined;
}

function isSortKey(value: unknown): value is SortKey {
  if (value === null || typeof value === 'boolean') return true;
  if (isNumber(value)) return typeof value === 'bigint' || Number.isFinite(value);
  if (typeof value === 'string') return isStorable(value);
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function isStorable(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && value.isWellFormed();
}

/** A 32-bit hash (FNV-1a) of an order: enough to detect a cursor of another order; a forged cursor only names another place. */
function fingerprint(sort: readonly Sort[]): number {
  const text = canonicalJson(sort.map(({ path, order, near }) => [path, order, near ?? null]));
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
