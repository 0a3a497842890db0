/** The parameters `order` and `fields` of HIRO's reads. */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { isComputed, sourceOf } from '../element/attributes.ts';
import { LISTS } from '../element/lists.ts';

export interface SortKey {
  path: string[];
  order: 'asc' | 'desc';
}

const MAX_KEYS = 8;
const MAX_NAME_CHARACTERS = 512;

/**
 * `"attr asc, attr2 desc"`, or a list of such, to sort keys; none if absent or empty. Slashes may be escaped as in queries. An order by
 * organization has no effect and is left out; one by version id means by age of the version.
 */
export function parseOrder(order: unknown): Outcome<SortKey[]> {
  if (order === undefined || order === null || order === false || order === '') return done([]);
  const parts: readonly unknown[] = Array.isArray(order) ? order : [order];
  const keys: SortKey[] = [];
  for (const part of parts) {
    if (typeof part !== 'string') return failed('invalid', 'order is not a text');
    for (const item of part.split(',')) {
      const text = item.trim();
      if (text === '') continue;
      const key = parseKey(text);
      if (!key.ok) return key;
      if (key.value !== undefined) keys.push(key.value);
      if (keys.length > MAX_KEYS) return failed('invalid', `order has at most ${MAX_KEYS} attributes`);
    }
  }
  return done(keys);
}

function parseKey(text: string): Outcome<SortKey | undefined> {
  const [attribute = '', direction = 'asc', ...rest] = text.split(/\s+/);
  const order = direction.toLowerCase();
  const name = attribute.replaceAll('\\', '');
  if (rest.length > 0 || (order !== 'asc' && order !== 'desc')) {
    return failed(
      'invalid',
      `order: expected "attribute asc" or "attribute desc", found ${JSON.stringify(text.slice(0, 100).toWellFormed())}`,
    );
  }
  if (name === '' || name.length > MAX_NAME_CHARACTERS || name.includes('\0') || !name.isWellFormed()) {
    return failed('invalid', 'order names no attribute');
  }
  return done(name === 'ogit/_organization' ? undefined : { path: [...sourceOf(name).path], order });
}

/**
 * `fields`: a comma list or a list of attribute names; undefined for all. The Python client URL-encodes the whole list again inside
 * JSON, so the text is decoded before it is split.
 */
export function parseFields(fields: unknown): readonly string[] | undefined {
  const parts: readonly unknown[] = Array.isArray(fields) ? fields : [fields];
  const names = parts
    .filter((part) => typeof part === 'string')
    .flatMap((part) => decode(part).split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return names.length === 0 ? undefined : names;
}

/** The attributes that the store must return so that `toVertex` can show these fields. */
export function storedFields(fields: readonly string[] | undefined): string[] | undefined {
  if (fields === undefined) return undefined;
  const stored = fields.filter((name) => !isComputed(name) || sourceOf(name).kind === 'json');
  return [...new Set([...stored, 'ogit/_owner', 'ogit/_organization', LISTS])];
}

function decode(text: string): string {
  if (!/%[0-9a-f]{2}/i.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
