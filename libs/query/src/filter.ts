import type { Json } from './json.ts';

/**
 * A predicate on one element: the one filter language behind HIRO's Lucene queries and jfilter, Good Uncle's criteria and Saga's searches.
 *
 * It has two compilers that agree on every document: `compile` in `predicate.ts` and the SQL compiler of graph-store.
 * A filter is plain JSON. `parseFilter` in `validate.ts` checks one from an untrusted source.
 */
export type Filter = All | Any | Not | Condition;

/** Every part holds; `{ all: [] }` always does. */
export interface All {
  readonly all: readonly Filter[];
}

/** At least one part holds; `{ any: [] }` never does. */
export interface Any {
  readonly any: readonly Filter[];
}

/** The part does not hold. Exact: an element matches either the part or its negation, also if the path is absent. */
export interface Not {
  readonly not: Filter;
}

export type Condition = TypedCondition | TextCondition | GeoCondition;

/**
 * The value to test: one of `id kind type scope xid version seq deleted out in outType inType`; or `created`/`modified` and one of
 * `on by app`; or `attributes` and one or more keys. Keys reach into objects, never into lists. `action` is present only when a filter
 * is evaluated for a change; in a stored element, and so in SQL, it is absent.
 */
export type Path = readonly string[];

/**
 * Conditions on JSON values as they are stored.
 *
 * - `equal`: deep equality; the order of an object's keys does not count; `null` equals null or absent.
 * - `in`: equal to one of the values.
 * - `less`, `at-most`, `more`, `at-least`: only within one type (number; string by code point; false before true), else false.
 * - `present`: there and not null.
 * - `contains`: a list with an equal element (a null element equals null).
 * - `starts-with`: a string that begins with the value.
 */
export type TypedCondition =
  | { readonly test: 'equal'; readonly path: Path; readonly value: Json }
  | { readonly test: 'in'; readonly path: Path; readonly values: readonly Json[] }
  | { readonly test: 'less' | 'at-most' | 'more' | 'at-least'; readonly path: Path; readonly value: number | bigint | string | boolean }
  | { readonly test: 'present'; readonly path: Path }
  | { readonly test: 'contains'; readonly path: Path; readonly value: Json }
  | { readonly test: 'starts-with'; readonly path: Path; readonly value: string };

/**
 * Conditions on values seen as text (HIRO, where every attribute is a string).
 *
 * A string is its own text, a boolean is `true` or `false`, a number is its plain decimal notation (`1e21` is
 * `1000000000000000000000`). A list matches if one of its elements does; objects, lists in lists and null have no text and never match.
 * A *decimal* is `[+-]?digits[.digits]` of at most 1,000 characters; decimals are compared exactly, whatever their size.
 *
 * - `text-equal`: the same text, by code point; with `numeric`, two decimals are equal when their numbers are (`1.0` and `1`).
 * - `text-less` and so on: by number if both sides are decimals, else by code point.
 * - `text-like`: the whole text matches the pattern: `*` any run of characters, `?` exactly one, `\` escapes the next one.
 *   With `fold`, letters of ASCII and Latin-1 match in either case.
 * - `text-regexp`: the whole text matches the regular expression, in the syntax that `regexp.ts` reads.
 * - `text-words`: the words of `value` occur in the text, all of them in any order or, with `phrase`, one after the other. Words are
 *   runs of letters and digits and are folded like `fold`; see `text.ts` for what separates them. A value without words never matches.
 */
export type TextCondition =
  | { readonly test: 'text-equal'; readonly path: Path; readonly value: string; readonly numeric?: boolean }
  | { readonly test: 'text-less' | 'text-at-most' | 'text-more' | 'text-at-least'; readonly path: Path; readonly value: string }
  | { readonly test: 'text-like'; readonly path: Path; readonly pattern: string; readonly fold?: boolean }
  | { readonly test: 'text-regexp'; readonly path: Path; readonly pattern: string }
  | { readonly test: 'text-words'; readonly path: Path; readonly value: string; readonly phrase?: boolean };

/** Degrees on WGS 84: longitude within ±180, latitude within ±90 (the order of GeoJSON). */
export type Position = readonly [longitude: number, latitude: number];

/**
 * Conditions on a GeoJSON Point (RFC 7946); any other value never matches.
 *
 * - `near`: at most `maxMeters` away from `point` over a sphere of 6,371,008.8 m radius.
 * - `within`: inside `box` (west, south, east, north; borders count; west above east crosses the antimeridian).
 * - `inside`: inside the rings of `polygon` by the even-odd rule on plain longitude and latitude, so inner rings are holes.
 */
export type GeoCondition =
  | { readonly test: 'near'; readonly path: Path; readonly point: Position; readonly maxMeters: number }
  | { readonly test: 'within'; readonly path: Path; readonly box: readonly [west: number, south: number, east: number, north: number] }
  | { readonly test: 'inside'; readonly path: Path; readonly polygon: readonly (readonly Position[])[] };

/** The filter that every element matches. */
export const EVERYTHING: Filter = { all: [] };

/** The filter that no element matches. */
export const NOTHING: Filter = { any: [] };

/** A pattern of `text-like` that matches exactly this text. */
export function literalPattern(text: string): string {
  return text.replace(/[*?\\]/g, '\\$&');
}
