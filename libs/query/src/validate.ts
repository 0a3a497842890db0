import type { Condition, Filter, Path, Position } from './filter.ts';
import { isNumber, isObject, type Json, type JsonObject } from './json.ts';
import { type Parsed, ParseError, parsing } from './parsed.ts';
import { MAX_PATH_SEGMENTS, MAX_SEGMENT_CHARACTERS, parsePath } from './path.ts';
import { parseRegexp } from './regexp.ts';

/**
 * The limits of a filter. Strings are counted in UTF-16 units. Together with `MAX_PATH_SEGMENTS` these bounds keep the bound values of
 * one statement below 65,535, which is all that PostgreSQL's protocol can count.
 */
export const FILTER_LIMITS = {
  depth: 32,
  /** Conditions and groups together. */
  conditions: 1000,
  /** Items of one `in`. */
  items: 1000,
  /** JSON nodes of all values together. */
  nodes: 10_000,
  /** Characters of all values, patterns and paths together. */
  characters: 262_144,
  patternCharacters: 1024,
  regexps: 16,
  /** Corners of all polygons together. */
  corners: 1000,
} as const;

/**
 * Checks a filter from an untrusted source. Accepts only what `Filter` describes, without further keys, within `FILTER_LIMITS`, and
 * with nothing that PostgreSQL cannot store (NUL, unpaired surrogates, non-finite numbers).
 *
 * @param value any value, JSON of any depth included
 * @returns the same filter, typed; never throws on JSON
 */
export function parseFilter(value: unknown): Parsed<Filter> {
  return parsing(() => new Checker().filter(value, 1));
}

/** Checks one filter or query and counts what its parts cost together. */
export class Checker {
  #conditions = 0;
  #nodes = 0;
  #characters = 0;
  #corners = 0;
  #regexps = 0;

  filter(value: unknown, depth: number): Filter {
    if (depth > FILTER_LIMITS.depth) throw new ParseError(`a filter is at most ${FILTER_LIMITS.depth} levels deep`);
    const object = record(value, 'a filter');
    if (Object.hasOwn(object, 'all')) return { all: this.#parts(object, 'all', depth) };
    if (Object.hasOwn(object, 'any')) return { any: this.#parts(object, 'any', depth) };
    if (Object.hasOwn(object, 'not')) {
      only(object, ['not']);
      this.#count();
      return { not: this.filter(object.not, depth + 1) };
    }
    this.#count();
    return this.#condition(object);
  }

  path(value: unknown): Path {
    if (!Array.isArray(value) || value.length === 0 || value.length > MAX_PATH_SEGMENTS) {
      throw new ParseError(`a path is a list of 1 to ${MAX_PATH_SEGMENTS} strings`);
    }
    const path = value.map((segment) => {
      const text = this.text(segment, 'a path segment');
      if (text.length > MAX_SEGMENT_CHARACTERS) throw new ParseError(`a path segment is at most ${MAX_SEGMENT_CHARACTERS} characters long`);
      return text;
    });
    if (parsePath(path) === undefined) throw new ParseError(`there is no path ${JSON.stringify(path.slice(0, 2)).slice(0, 200)}`);
    return path;
  }

  /** A string that PostgreSQL can store. */
  text(value: unknown, what: string): string {
    if (typeof value !== 'string') throw new ParseError(`${what} must be a string`);
    if (value.includes('\0') || !value.isWellFormed()) throw new ParseError(`${what} contains NUL or an unpaired surrogate`);
    this.#characters += value.length;
    if (this.#characters > FILTER_LIMITS.characters) throw new ParseError(`a filter has at most ${FILTER_LIMITS.characters} characters`);
    return value;
  }

  position(value: unknown): Position {
    if (!Array.isArray(value) || value.length < 2) throw new ParseError('a position is a list of longitude and latitude');
    return [within(value[0], 180, 'a longitude'), within(value[1], 90, 'a latitude')];
  }

  #count(): void {
    if (++this.#conditions > FILTER_LIMITS.conditions) throw new ParseError(`a filter has at most ${FILTER_LIMITS.conditions} conditions`);
  }

  #parts(object: Record<string, unknown>, key: 'all' | 'any', depth: number): readonly Filter[] {
    only(object, [key]);
    this.#count();
    return list(object[key], FILTER_LIMITS.conditions, `"${key}"`).map((part) => this.filter(part, depth + 1));
  }

  #condition(object: Record<string, unknown>): Condition {
    const { test } = object;
    const path = this.path(object.path);
    switch (test) {
      case 'equal':
      case 'contains':
        only(object, ['test', 'path', 'value']);
        return { test, path, value: this.#json(object.value, 1) };
      case 'in':
        only(object, ['test', 'path', 'values']);
        return { test, path, values: list(object.values, FILTER_LIMITS.items, '"values"').map((item) => this.#json(item, 1)) };
      case 'less':
      case 'at-most':
      case 'more':
      case 'at-least': {
        only(object, ['test', 'path', 'value']);
        const value = this.#json(object.value, 1);
        if (!isNumber(value) && typeof value !== 'string' && typeof value !== 'boolean') {
          throw new ParseError(`"${test}" compares with a number, a string or a boolean`);
        }
        return { test, path, value };
      }
      case 'present':
        only(object, ['test', 'path']);
        return { test, path };
      case 'starts-with':
      case 'text-less':
      case 'text-at-most':
      case 'text-more':
      case 'text-at-least':
        only(object, ['test', 'path', 'value']);
        return { test, path, value: this.text(object.value, '"value"') };
      case 'text-equal': {
        const numeric = flag(object, 'numeric');
        only(object, ['test', 'path', 'value', 'numeric']);
        return { test, path, value: this.text(object.value, '"value"'), ...(numeric && { numeric }) };
      }
      case 'text-words': {
        const phrase = flag(object, 'phrase');
        only(object, ['test', 'path', 'value', 'phrase']);
        return { test, path, value: this.#short(object.value, '"value"'), ...(phrase && { phrase }) };
      }
      case 'text-like': {
        const fold = flag(object, 'fold');
        only(object, ['test', 'path', 'pattern', 'fold']);
        return { test, path, pattern: this.#short(object.pattern, '"pattern"'), ...(fold && { fold }) };
      }
      case 'text-regexp': {
        only(object, ['test', 'path', 'pattern']);
        const pattern = this.#short(object.pattern, '"pattern"');
        const regexp = parseRegexp(pattern);
        if (!regexp.ok) throw new ParseError(regexp.problem);
        this.#regexps += 1;
        if (this.#regexps > FILTER_LIMITS.regexps)
          throw new ParseError(`a filter has at most ${FILTER_LIMITS.regexps} regular expressions`);
        return { test, path, pattern };
      }
      case 'near': {
        only(object, ['test', 'path', 'point', 'maxMeters']);
        const { maxMeters } = object;
        if (typeof maxMeters !== 'number' || !Number.isFinite(maxMeters) || maxMeters < 0) {
          throw new ParseError('"maxMeters" must be a number, 0 or more');
        }
        return { test, path, point: this.position(object.point), maxMeters };
      }
      case 'within': {
        only(object, ['test', 'path', 'box']);
        const [west, south, east, north, ...rest] = list(object.box, 4, '"box"');
        if (rest.length > 0 || north === undefined) throw new ParseError('"box" is west, south, east and north');
        return {
          test,
          path,
          box: [within(west, 180, 'west'), within(south, 90, 'south'), within(east, 180, 'east'), within(north, 90, 'north')],
        };
      }
      case 'inside':
        only(object, ['test', 'path', 'polygon']);
        return { test, path, polygon: list(object.polygon, FILTER_LIMITS.corners, '"polygon"').map((ring) => this.#ring(ring)) };
      default:
        throw new ParseError('a filter has "all", "any", "not" or a known "test"');
    }
  }

  #short(value: unknown, what: string): string {
    const text = this.text(value, what);
    if (text.length > FILTER_LIMITS.patternCharacters) {
      throw new ParseError(`${what} is at most ${FILTER_LIMITS.patternCharacters} characters long`);
    }
    return text;
  }

  #ring(value: unknown): readonly Position[] {
    const ring = list(value, FILTER_LIMITS.corners, 'a ring').map((corner) => this.position(corner));
    this.#corners += ring.length + 1;
    if (this.#corners > FILTER_LIMITS.corners) throw new ParseError(`polygons have at most ${FILTER_LIMITS.corners} corners`);
    return ring;
  }

  #json(value: unknown, depth: number): Json {
    if (depth > FILTER_LIMITS.depth) throw new ParseError(`a value is at most ${FILTER_LIMITS.depth} levels deep`);
    if (++this.#nodes > FILTER_LIMITS.nodes) throw new ParseError(`the values of a filter have at most ${FILTER_LIMITS.nodes} parts`);
    if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return value;
    if (typeof value === 'string') return this.text(value, 'a value');
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) throw new ParseError('a number must be finite');
      return value;
    }
    if (Array.isArray(value)) {
      const elements: readonly unknown[] = value;
      return elements.map((element) => this.#json(element, depth + 1));
    }
    const object = record(value, 'a value');
    // fromEntries defines keys, so `__proto__` stays a key.
    return Object.fromEntries(
      Object.keys(object).map((key): [string, Json] => [this.text(key, 'a key'), this.#json(object[key], depth + 1)]),
    ) satisfies JsonObject;
  }
}

/** Throws if the object has other keys than these: a misspelt key must not silently widen a filter. */
export function only(object: Record<string, unknown>, keys: readonly string[]): void {
  const stray = Object.keys(object).find((key) => !keys.includes(key));
  if (stray !== undefined) throw new ParseError(`unexpected key ${JSON.stringify(stray.slice(0, 100))}`);
}

export function record(value: unknown, what: string): Record<string, unknown> {
  // Narrowing unknown to an object leaves its keys untyped; each is checked as it is read.
  if (typeof value === 'object' && isObject(value as Json)) return value as Record<string, unknown>;
  throw new ParseError(`${what} must be an object`);
}

export function list(value: unknown, maxLength: number, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ParseError(`${what} must be a list`);
  if (value.length > maxLength) throw new ParseError(`${what} has at most ${maxLength} items`);
  return value;
}

export function flag(object: Record<string, unknown>, key: string): boolean {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  if (value !== undefined && typeof value !== 'boolean') throw new ParseError(`"${key}" must be true or false`);
  return value === true;
}

function within(value: unknown, limit: number, what: string): number {
  if (typeof value !== 'number' || !(Math.abs(value) <= limit)) throw new ParseError(`${what} is a number within ±${limit}`);
  return value;
}
