/**
 * JSON text to values without losing integers, and within a bound on nesting: the one place where text from outside is parsed (docs/adr/0012).
 *
 * An integer beyond ±(2^53 − 1) becomes a `bigint`, however it was written (`1e20`, `9007199254740993.0`); every other number is a double. So a
 * value has one representation, `===` compares exactly, and `<` between the two kinds is exact as well.
 */
import { isNumber, type Json } from './json.ts';

/**
 * Levels of lists and objects in one message of a client, and in one stored value. Whatever walks over such values may recurse: it stays far
 * from the end of its stack, as do PostgreSQL and ajv.
 */
export const MAX_JSON_DEPTH = 64;

/** Levels of what processes send each other: such a value in an envelope of their own. */
export const MAX_BUS_DEPTH = 2 * MAX_JSON_DEPTH;

/** A value, or one sentence without a subject ("is not JSON"), which never quotes the text. */
export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | {
      readonly ok: false;
      readonly reason: 'syntax' | 'depth' | 'number';
      readonly problem: string;
      /** Undefined when the text is no JSON. Only its uppermost members may be looked at: it may be of any depth. */
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

/** Completes what a library's `JSON.parse` has made of `text`: the same checks, and the integers that it has rounded. Never throws. */
export function exactJson(value: unknown, text: string, maxDepth = MAX_JSON_DEPTH): ParsedJson {
  const found = typeof value === 'object' && value !== null ? look(value, maxDepth) : isOrdinary(value) ? ORDINARY : LARGE_NUMBERS;
  if (found === ORDINARY) return { ok: true, value: value as Json }; // it came out of JSON.parse
  if (found === TOO_DEEP) return { ok: false, reason: 'depth', problem: `is nested more than ${maxDepth} levels deep`, read: value };
  try {
    return { ok: true, value: withLargeIntegers(text) };
  } catch (error) {
    if (error instanceof Inexact) return { ok: false, reason: 'number', problem: error.message, read: value };
    throw error;
  }
}

/** Parses text that one of our processes has written; undefined when it is none of theirs. Never throws. */
export function parseOwnJson(text: string): unknown {
  const parsed = parseJson(text, MAX_BUS_DEPTH);
  return parsed.ok ? parsed.value : undefined;
}

// What a walk has found. Numbers, not names: every message is walked over.
const ORDINARY = 0;
const LARGE_NUMBERS = 1;
const TOO_DEEP = 2;
type Found = typeof ORDINARY | typeof LARGE_NUMBERS | typeof TOO_DEEP;

const isOrdinary = (value: unknown): boolean => !isNumber(value) || (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER);

/** Looks at every part of a value that `JSON.parse` has made. Goes no deeper than `levels`. */
function look(value: object, levels: number): Found {
  if (levels === 0) return TOO_DEEP;
  let found: Found = ORDINARY;
  const parts: Readonly<Record<string, unknown>> | readonly unknown[] = value as Readonly<Record<string, unknown>>;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    for (let at = 0; at < items.length; at += 1) {
      const item = items[at];
      if (typeof item === 'object') {
        if (item === null) continue;
        const inside = look(item, levels - 1);
        if (inside === TOO_DEEP) return TOO_DEEP;
        if (inside !== ORDINARY) found = inside;
      } else if (!isOrdinary(item)) found = LARGE_NUMBERS;
    }
    return found;
  }
  // `for in` over an object of JSON.parse gives its own keys only, and makes no list of them.
  for (const name in parts) {
    const item = parts[name];
    if (typeof item === 'object') {
      if (item === null) continue;
      const inside = look(item, levels - 1);
      if (inside === TOO_DEEP) return TOO_DEEP;
      if (inside !== ORDINARY) found = inside;
    } else if (!isOrdinary(item)) found = LARGE_NUMBERS;
  }
  return found;
}

/** A number that no value stands for exactly. */
class Inexact extends Error {}

/** Digits that numbers with exponents may have in all beyond those that were written: `1e308` is five characters for 309 digits. */
const MAX_ADDED_DIGITS = 65_536;

// In front of the digits of a large integer while it travels through JSON.parse as a string: half a character, which UTF-8 cannot hold.
const MARK = '\ud800';
const MARK_IN_TEXT = /\\u[dD]800[-\d]/;

/**
 * The slow way, for texts with a number beyond 2^53: such numbers are made strings with a mark, and large integers after parsing. Takes about
 * three times as long as `JSON.parse` alone; a reviver, which gets each number's source, takes twenty times as long.
 */
function withLargeIntegers(text: string): Json {
  if (MARK_IN_TEXT.test(text)) throw new Inexact('has an unpaired surrogate');
  const root: { value: unknown } = { value: JSON.parse(withMarks(text)) };
  restore(root);
  return root.value as Json; // it came out of JSON.parse
}

/** @param text what JSON.parse has taken before, so nothing is checked again */
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
      while (isOfNumber(text.charCodeAt(at + 1))) at += 1;
      // Ten to the sixteenth takes four characters with an exponent.
      if (at - start < 3) continue;
      const source = text.slice(start, at + 1);
      if (isOrdinary(Number(source))) continue;
      const digits = String(integerOf(source));
      room -= Math.max(0, digits.length - source.length);
      if (room < 0) throw new Inexact('has too many numbers with large exponents');
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

/** Digits, signs, the point and the exponent's letter. */
const isOfNumber = (code: number): boolean =>
  (code >= ZERO && code <= NINE) || code === MINUS || code === 0x2b || code === 0x2e || (code | 0x20) === 0x65;

/** Where the string that begins at `at` ends: the place of its closing quote. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
}

/** Makes marked strings large integers, in place. No deeper than `look` has been. */
function restore(value: object): void {
  // An own `__proto__` is set like any other key, because it is there already.
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
  if (!Number.isFinite(Number(source))) throw new Inexact('has a number that is out of range');
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(source) ?? [];
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length;
  if (shift >= 0) return BigInt(`${sign}${digits}${'0'.repeat(shift)}`);
  if (/[^0]/.test(digits.slice(shift))) throw new Inexact('has a number beyond 2^53 with a fraction');
  return BigInt(`${sign}${digits.slice(0, shift)}`);
}
