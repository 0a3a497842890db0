import type { Filter } from './filter.ts';
import { isList, isObject, type Json, type JsonObject } from './json.ts';

/**
 * A text that equal filters share, whatever the order of their parts, values and keys. Filters with the same key match the same
 * elements; filters with different keys may still be equivalent.
 */
export function key(filter: Filter): string {
  if ('all' in filter) return group('all', filter.all);
  if ('any' in filter) return group('any', filter.any);
  if ('not' in filter) return `not(${key(filter.not)})`;
  if (filter.test === 'in') return `in${canonicalJson(filter.path)}{${distinct(filter.values.map(canonicalJson))}}`;
  // A condition consists of JSON values only.
  return canonicalJson(filter as unknown as JsonObject);
}

function group(word: 'all' | 'any', parts: readonly Filter[]): string {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? key(first) : `${word}(${distinct(parts.map(key))})`;
}

function distinct(keys: readonly string[]): string {
  return [...new Set(keys)].sort().join(',');
}

/** JSON with the keys of every object sorted, and `-0` as `0`. */
export function canonicalJson(value: Json): string {
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name] ?? null)}`);
  return `{${members.join(',')}}`;
}
