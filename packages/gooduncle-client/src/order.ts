/**
 * The server's order of rows, so that a subscription with `sort` and without `limit` stays sorted: absent and null, then false, true,
 * numbers, strings by code point (the first 256 of fields), lists, objects; rows that are equal in all steps are ordered by id.
 */

export type Row = Readonly<Record<string, unknown>> & { readonly id: string };
export type Compare = (left: Row, right: Row) => number;

const SORTED_CHARACTERS = 256;

/** @param sort names of fields, `-name` for descending; empty: by id */
export function compareBy(sort: readonly string[]): Compare {
  const steps = sort.map((step) => {
    const descending = step.startsWith('-');
    return { path: (descending ? step.slice(1) : step).split('.'), sign: descending ? -1 : 1 };
  });
  return (left, right) => {
    for (const { path, sign } of steps) {
      const order = compareValues(read(left, path), read(right, path));
      if (order !== 0) return sign * order;
    }
    return compareText(left.id, right.id);
  };
}

function read(row: Row, path: readonly string[]): unknown {
  let value: unknown = row;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (typeof value !== 'string' || value.length <= SORTED_CHARACTERS || path[0] === 'id') return value;
  return Array.from(value.slice(0, 2 * SORTED_CHARACTERS))
    .slice(0, SORTED_CHARACTERS)
    .join('');
}

function compareValues(left: unknown, right: unknown): number {
  const ranks = rankOf(left) - rankOf(right);
  if (ranks !== 0 || left === right) return ranks;
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  // Numbers and bigints (from a parser that keeps large integers) are comparable.
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : left > right ? 1 : 0;
  return Number(left === true) - Number(right === true);
}

const isNumber = (value: unknown): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function rankOf(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'boolean') return 1;
  if (isNumber(value)) return 2;
  if (typeof value === 'string') return 3;
  return Array.isArray(value) ? 4 : 5;
}

/** By code point; JavaScript compares UTF-16 units, so surrogates must come after all other units. */
function compareText(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at += 1) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return weight(a) - weight(b);
  }
  return left.length - right.length;
}

const weight = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
