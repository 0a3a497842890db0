import type { Json } from './json.ts';

/** Longest text that counts as a decimal, in characters. */
export const MAX_DECIMAL_CHARACTERS = 1000;

const DECIMAL = /^[+-]?[0-9]+(?:\.[0-9]+)?$/;
const EXPONENT = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/;

/**
 * Compares two strings by Unicode code point, as PostgreSQL does under `COLLATE "C"`. JavaScript's own `<` compares UTF-16 units and
 * puts U+1F600 before U+FF5E. Negative, zero or positive.
 */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) return weight(a) - weight(b);
  }
  return left.length - right.length;
}

/** Orders surrogates, which encode code points above U+FFFF, after all other units. */
function weight(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** A scalar as text, as `TextCondition` defines it; undefined for null, lists and objects. */
export function textOf(value: Json | undefined): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'bigint':
      return String(value);
    case 'number':
      // Infinity is not a JSON value and has no text.
      return Number.isFinite(value) ? plainDecimal(value) : undefined;
    case 'boolean':
      return value ? 'true' : 'false';
    default:
      return undefined;
  }
}

/** Whether the value, or one element of it if it is a list, has a text that passes. */
export function someText(value: Json | undefined, passes: (text: string) => boolean): boolean {
  if (typeof value === 'string') return passes(value);
  if (Array.isArray(value)) {
    for (const element of value) {
      const text = textOf(element);
      if (text !== undefined && passes(text)) return true;
    }
    return false;
  }
  const text = textOf(value);
  return text !== undefined && passes(text);
}

/** A number in plain decimal notation: `1e21` is `1000000000000000000000`, `-0` is `0`. This is how PostgreSQL writes the same JSON number. */
export function plainDecimal(value: number): string {
  const text = String(value);
  const parts = EXPONENT.exec(text);
  if (parts === null) return text;
  const [, sign = '', first = '', rest = '', exponent = '0'] = parts;
  const digits = first + rest;
  const point = 1 + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return point >= digits.length ? sign + digits.padEnd(point, '0') : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

export function isDecimal(text: string): boolean {
  return text.length <= MAX_DECIMAL_CHARACTERS && DECIMAL.test(text);
}

/** Compares two decimals by value, exactly and at any size. */
export function compareDecimals(left: string, right: string): number {
  // Up to 15 digits, distinct decimals are distinct doubles in the same order.
  if (left.length <= 15 && right.length <= 15) return Number(left) - Number(right);
  const a = canonicalDecimal(left);
  const b = canonicalDecimal(right);
  if (a === b) return 0;
  const negative = a.startsWith('-');
  if (negative !== b.startsWith('-')) return negative ? -1 : 1;
  return negative ? compareMagnitudes(b.slice(1), a.slice(1)) : compareMagnitudes(a, b);
}

/** The canonical form of a decimal: no plus sign, no superfluous zeros, no negative zero. */
export function canonicalDecimal(decimal: string): string {
  const negative = decimal.startsWith('-');
  const unsigned = negative || decimal.startsWith('+') ? decimal.slice(1) : decimal;
  const [whole = '', fraction = ''] = unsigned.split('.');
  let start = 0;
  while (start < whole.length - 1 && whole[start] === '0') start++;
  let end = fraction.length;
  while (end > 0 && fraction[end - 1] === '0') end--;
  const magnitude = end === 0 ? whole.slice(start) : `${whole.slice(start)}.${fraction.slice(0, end)}`;
  return negative && magnitude !== '0' ? `-${magnitude}` : magnitude;
}

function compareMagnitudes(left: string, right: string): number {
  const [leftWhole = '', leftFraction = ''] = left.split('.');
  const [rightWhole = '', rightFraction = ''] = right.split('.');
  if (leftWhole.length !== rightWhole.length) return leftWhole.length - rightWhole.length;
  if (leftWhole !== rightWhole) return leftWhole < rightWhole ? -1 : 1;
  return leftFraction < rightFraction ? -1 : 1;
}

const UPPER = /[A-ZÀ-ÖØ-Þ]+/g;

/** The capital letters beyond ASCII that folding maps, and their lower-case counterparts in the same order. */
export const FOLDED_FROM = 'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞ';
export const FOLDED_TO = 'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþ';

/**
 * Lower case for the letters of ASCII and Latin-1 only. Anything beyond depends on the Unicode version, and those of PostgreSQL and
 * Node.js differ.
 */
export function fold(text: string): string {
  if (text.length < LONG) return folded(text);
  const known = recentlyFolded.get(text);
  if (known !== undefined) return known;
  const result = folded(text);
  recentCharacters += text.length;
  if (recentCharacters > MAX_RECENT_CHARACTERS) {
    recentlyFolded.clear();
    recentCharacters = text.length;
  }
  recentlyFolded.set(text, result);
  return result;
}

const folded = (text: string): string => text.replace(UPPER, (run) => run.toLowerCase());

/** Thousands of filters may fold the same text of one document, so those of the last documents are kept: more than an element can have. */
const LONG = 256;
const MAX_RECENT_CHARACTERS = 4 * 1024 * 1024;
const recentlyFolded = new Map<string, string>();
let recentCharacters = 0;

/**
 * The characters between words: everything in ASCII and Latin-1 that is neither letter nor digit, general punctuation and CJK
 * punctuation. The text is valid inside the brackets of both JavaScript's and PostgreSQL's regular expressions.
 */
export const SEPARATORS =
  '\\u0001-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u00a9\\u00ab-\\u00b4\\u00b6-\\u00b9\\u00bb-\\u00bf\\u00d7\\u00f7\\u2000-\\u206f\\u3000-\\u303f';

const SEPARATOR_RUN = new RegExp(`[${SEPARATORS}]+`, 'g');

/** The words of a text, folded. */
export function words(text: string): readonly string[] {
  return fold(text)
    .split(SEPARATOR_RUN)
    .filter((word) => word !== '');
}

/** The words of a text, each between two spaces, so that a word or a phrase can be found with `includes(' word ')`. */
export function spacedWords(text: string): string {
  const spaced = fold(text).replace(SEPARATOR_RUN, ' ');
  return `${spaced.startsWith(' ') ? '' : ' '}${spaced}${spaced.endsWith(' ') ? '' : ' '}`;
}
