/** Parses single fields of a pricing file. Each function reports problems at their place and returns a value to continue with. */
import { UNLIMITED, type ValueType, type Worth } from './pricing.ts';
import type { LocatedValue } from './source.ts';

const MIN_NAME = 3;
const MAX_NAME = 255;
/** The most characters of an expression, a URL or a name. */
const MAX_TEXT = 4096;
const MAX_DESCRIPTION = 65_536;

/** Keys with a special meaning in objects. */
const REFUSED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The keys and values of a section. Keys must be valid names. */
export function named(at: LocatedValue): readonly (readonly [name: string, value: LocatedValue])[] {
  if (at.empty) return [];
  if (at.kind !== 'map') {
    at.report('must be a map');
    return [];
  }
  return at.entries().flatMap(([key, value]) => {
    const name = key.trim();
    const problem = keyProblem(name);
    if (problem !== undefined) value.report(problem);
    return problem === undefined ? [[name, value] as const] : [];
  });
}

function keyProblem(key: string): string | undefined {
  if (REFUSED_KEYS.has(key) || /\p{Cc}/u.test(key) || !key.isWellFormed()) return 'Invalid key: this is not a valid name';
  if (key.length < MIN_NAME || key.length > MAX_NAME) return `the name must have ${MIN_NAME} to ${MAX_NAME} characters`;
  return undefined;
}

/** A text, or undefined if absent. */
export function text(at: LocatedValue, max = MAX_TEXT): string | undefined {
  if (at.empty) return undefined;
  const value = at.scalar;
  if (typeof value !== 'string') {
    at.report(typeof value === 'number' ? `must be a text: write it in quotes, "${at.written}"` : 'must be a text');
    return undefined;
  }
  if (value.length > max) at.report(`must have at most ${max} characters`);
  // The database cannot store NUL and unpaired surrogates.
  if (value.includes('\0') || !value.isWellFormed()) at.report('must be a text without NUL and unpaired surrogates');
  return value;
}

/** Free text: numbers, dates etc. are kept as written. */
export function description(at: LocatedValue): string | undefined {
  if (at.kind === 'text') return text(at, MAX_DESCRIPTION);
  return at.written === '' ? undefined : at.written.slice(0, MAX_DESCRIPTION);
}

/** The unit of a value; the empty text if absent. */
export function unit(at: LocatedValue): string {
  return text(at) ?? '';
}

const WEB_ADDRESS = /^https?:\/\/[^\s/$.?#]\S*$/i;

export function webAddress(at: LocatedValue): string | undefined {
  const address = text(at);
  if (address !== undefined && !WEB_ADDRESS.test(address)) at.report('must be a URL that begins with http:// or https://');
  return address;
}

export function webAddresses(at: LocatedValue): readonly string[] | undefined {
  const addresses = texts(at);
  if (at.kind === 'list') for (const item of at.items()) webAddress(item);
  return addresses;
}

export function boolean(at: LocatedValue): boolean | undefined {
  if (at.empty) return undefined;
  const value = at.scalar;
  if (typeof value === 'boolean') return value;
  at.report('must be true or false');
  return undefined;
}

/** One of the given words, in any case. */
export function oneOf<const Word extends string>(at: LocatedValue, words: readonly Word[]): Word | undefined {
  if (at.empty || at.scalar === '') return undefined;
  const written = typeof at.scalar === 'string' ? at.scalar.trim().toUpperCase() : undefined;
  const found = words.find((word) => word === written);
  if (found === undefined) at.report(`must be one of ${words.join(', ')}`);
  return found;
}

/** A number of at least 0; values above the maximum, including infinity, become the maximum. */
export function amount(at: LocatedValue): number | undefined {
  const value = at.scalar;
  if (typeof value !== 'number' || Number.isNaN(value) || value < 0) {
    at.report('must be a number of at least 0');
    return undefined;
  }
  return Math.min(value, UNLIMITED);
}

/** A number that must be stored exactly; one that a double cannot hold is rejected. */
export function exact(at: LocatedValue): number | undefined {
  if (at.inexact) at.report('is a number beyond 2^53');
  return typeof at.scalar === 'number' ? at.scalar : undefined;
}

/** A whole number of at least `min`. */
export function count(at: LocatedValue, min: number): number | undefined {
  if (at.empty) return undefined;
  const value = at.scalar;
  if (typeof value === 'number' && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY) && value >= min)
    return Math.min(value, UNLIMITED);
  at.report(`must be a whole number of at least ${min}`);
  return undefined;
}

export function texts(at: LocatedValue): readonly string[] | undefined {
  if (at.empty) return undefined;
  if (at.kind !== 'list') {
    at.report('must be a list of texts');
    return undefined;
  }
  return at.items().flatMap((item) => text(item) ?? []);
}

/** Names of things that must exist elsewhere in the file. */
export function references(at: LocatedValue, known: ReadonlySet<string>, what: string): readonly string[] | undefined {
  if (at.empty) return undefined;
  const names = texts(at);
  for (const item of at.items()) {
    const name = item.scalar;
    if (item.empty) item.report(`names no ${what}`);
    else if (typeof name === 'string' && !known.has(name)) item.report(`names the ${what} "${name.slice(0, 100)}", which does not exist`);
  }
  return names;
}

/** A value of the type of its feature or limit. */
export function readValue(at: LocatedValue, valueType: ValueType | undefined, payments?: readonly string[]): Worth | undefined {
  if (payments !== undefined) {
    const chosen = at.kind === 'list' ? at.items().map((item) => oneOf(item, payments)) : undefined;
    if (chosen === undefined) at.report(`must be a list of ${payments.join(', ')}`);
    return chosen?.filter((each) => each !== undefined);
  }
  switch (valueType) {
    case undefined:
      return undefined;
    case 'BOOLEAN':
      if (typeof at.scalar !== 'boolean') at.report('must be true or false, since valueType is BOOLEAN');
      return at.scalar === true;
    case 'NUMERIC':
      if (typeof at.scalar !== 'number' || Number.isNaN(at.scalar)) at.report('must be a number, since valueType is NUMERIC');
      return typeof at.scalar === 'number' ? Math.max(-UNLIMITED, Math.min(at.scalar, UNLIMITED)) : undefined;
    case 'TEXT':
      if (typeof at.scalar !== 'string') at.report('must be a text, since valueType is TEXT');
      return typeof at.scalar === 'string' ? at.scalar : undefined;
  }
}

/** The fields that have a value: optional keys are omitted, not undefined. */
export function present<Fields extends Readonly<Record<string, unknown>>>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const kept: { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) kept[name] = value as Exclude<Fields[typeof name], undefined>; // it is not undefined here; the compiler does not narrow generics
  }
  return kept;
}
