/**
 * Parses JSON text without losing integers and within a bound on nesting: the one place where text from outside is parsed
 * (docs/adr/0012).
 *
 * An integer beyond ±(2^53 − 1) becomes a `bigint`, however it is written (`1e20`, `9007199254740993.0`); every other number is a
 * double. So a value has one representation: `===` compares exactly, and so does `<` between the two kinds.
 */
import { isNumber, type Json } from './json.ts';

/**
 * Levels of lists and objects in one message of a client, and in one stored value. Code that walks such values may recurse: the bound
 * stays far from a stack overflow here, in PostgreSQL and in ajv.
 */
export const MAX_JSON_DEPTH = 64;

/** Levels of a message between processes: such a value plus its envelope. */
const MAX_BUS_DEPTH = 2 * MAX_JSON_DEPTH;

/** A value, or a predicate such as "is not JSON", which never quotes the text. */
export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | {
      readonly ok: false;
      readonly reason: 'syntax' | 'depth' | 'number';
      readonly problem: string;
      /** Undefined if the text is not JSON. Read only its top-level members: the value may be of any depth. */
      readonly read: unknown;
    };

/** Parses JSON text. Never throws. */
export function parseJson(text: string, maxDepth = MAX_JSON_DEPTH): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, reason: 'syntax', problem: 'is not JSON', read: undefined };
  }
  return exactJson(value, text, maxDepth);
}

/** Completes a value that a library got from `JSON.parse(text)`: runs the same checks and restores rounded integers. Never throws. */
export function exactJson(value: unknown, text: string, maxDepth = MAX_JSON_DEPTH): ParsedJson {
  const found = typeof value === 'object' && value !== null ? inspect(value, maxDepth) : isOrdinary(value) ? ORDINARY : LARGE_NUMBERS;
  if (found === ORDINARY) return { ok: true, value: value as Json }; // it came out of JSON.parse
  if (found === TOO_DEEP) return { ok: false, reason: 'depth', problem: `is nested more than ${maxDepth} levels deep`, read: value };
  try {
    return { ok: true, value: withLargeIntegers(text) };
  } catch (error) {
    if (error instanceof InexactNumber) return { ok: false, reason: 'number', problem: error.message, read: value };
    throw error;
  }
}

/** Parses text written by one of our processes; undefined if it cannot have been. Never throws. */
export function parseOwnJson(text: string): unknown {
  const parsed = parseJson(text, MAX_BUS_DEPTH);
  return parsed.ok ? parsed.value : undefined;
}

// The result of a walk. Numbers rather than strings, because every message is walked.
const ORDINARY = 0;
const LARGE_NUMBERS = 1;
const TOO_DEEP = 2;
type Findings = typeof ORDINARY | typeof LARGE_NUMBERS | typeof TOO_DEEP;

const isOrdinary = (value: unknown): boolean => !isNumber(value) || (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER);

/** Inspects every part of a value that `JSON.parse` returned, to a depth of `levels`. */
function inspect(value: object, levels: number): Findings {
  if (levels === 0) return TOO_DEEP;
  let found: Findings = ORDINARY;
  const parts: Readonly<Record<string, unknown>> | readonly unknown[] = value as Readonly<Record<string, unknown>>;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    for (let at = 0; at < items.length; at += 1) {
      const item = items[at];
      if (typeof item === 'object') {
        if (item === null) continue;
        const inside = inspect(item, levels - 1);
        if (inside === TOO_DEEP) return TOO_DEEP;
        if (inside !== ORDINARY) found = inside;
      } else if (!isOrdinary(item)) found = LARGE_NUMBERS;
    }
    return found;
  }
  // For an object from JSON.parse, `for in` visits own keys only and allocates no list of them.
  for (const name in parts) {
    const item = parts[name];
    if (typeof item === 'object') {
      if (item === null) continue;
      const inside = inspect(item, levels - 1);
      if (inside === TOO_DEEP) return TOO_DEEP;
      if (inside !== ORDINARY) found = inside;
    } else if (!isOrdinary(item)) found = LARGE_NUMBERS;
  }
  return found;
}

/** A number that cannot be represented exactly. */
class InexactNumber extends Error {}

/** The total of digits that exponents may add: `1e308` is five characters for 309 digits. */
const MAX_ADDED_DIGITS = 65_536;

// Prefix of a large integer that passes through JSON.parse as a string: an unpaired surrogate, which UTF-8 cannot contain.
const MARK = '\ud800';
const MARK_IN_TEXT = /\\u[dD]800[-\d]/;

/**
 * The slow path, for text with a number beyond 2^53: such numbers are parsed as marked strings and converted to bigints afterwards. It
 * takes about three times as long as `JSON.parse` alone; a reviver that reads each number's source takes twenty times as long.
 */
function withLargeIntegers(text: string): Json {
  if (MARK_IN_TEXT.test(text)) throw new InexactNumber('has an unpaired surrogate');
  const root: { value: unknown } = { value: JSON.parse(withMarks(text)) };
  restore(root);
  return root.value as Json; // it came out of JSON.parse
}

/** @param text text that JSON.parse has accepted, so its syntax is not checked again */
function withMarks(text: string): string {
  let marked = '';
  let copied = 0;
  let room = MAX_ADDED_DIGITS;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const start = at;
      while (isNumberCharacter(text.charCodeAt(at + 1))) at += 1;
      // The shortest number beyond 2^53 has four characters: `1e16`.
      if (at - start < 3) continue;
      const source = text.slice(start, at + 1);
      if (isOrdinary(Number(source))) continue;
      const digits = String(integerOf(source));
      room -= Math.max(0, digits.length - source.length);
      if (room < 0) throw new InexactNumber('has too many numbers with large exponents');
      marked += `${text.slice(copied, start)}"\\ud800${digits}"`;
      copied = at + 1;
    }
  }
  return marked + text.slice(copied);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** Digits, signs, the decimal point and the letter of the exponent. */
const isNumberCharacter = (code: number): boolean =>
  (code >= ZERO && code <= NINE) || code === MINUS || code === 0x2b || code === 0x2e || (code | 0x20) === 0x65;

/** The index of the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
}

/** Replaces marked strings by bigints, in place. Recursion is bounded by the depth that `inspect` checked. */
function restore(value: object): void {
  // `__proto__` is already an own key here, so assigning it does not change the prototype.
  const parts = value as Record<string, unknown>;
  for (const name in parts) {
    const item = parts[name];
    if (typeof item === 'string') {
      if (item.startsWith(MARK) && /^[-\d]/.test(item.slice(1, 2))) parts[name] = BigInt(item.slice(1));
    } else if (typeof item === 'object' && item !== null) restore(item);
  }
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

function integerOf(source: string): bigint {
  if (!Number.isFinite(Number(source))) throw new InexactNumber('has a number that is out of range');
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(source) ?? [];
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length;
  if (shift >= 0) return BigInt(`${sign}${digits}${'0'.repeat(shift)}`);
  if (/[^0]/.test(digits.slice(shift))) throw new InexactNumber('has a number beyond 2^53 with a fraction');
  return BigInt(`${sign}${digits.slice(0, shift)}`);
}
