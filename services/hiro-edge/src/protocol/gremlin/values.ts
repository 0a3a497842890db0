/** The values of a traversal: their comparison, and their JSON form. */
import type { Element } from '@polyedge/contracts/element';
import { isList, isNumber, type Json } from '@polyedge/query/json';
import { jsonCharacters } from '@polyedge/query/json-size';
import { compareDecimals, compareText, isDecimal, textOf } from '@polyedge/query/text';
import { isComputed } from '../element/attributes.ts';
import { type DisplayOptions, toVertex } from '../element/vertex.ts';
import type { Argument } from './parser.ts';

export type Value =
  | { readonly is: 'element'; readonly element: Element }
  | { readonly is: 'json'; readonly json: Json }
  | { readonly is: 'list'; readonly items: readonly Value[] }
  | { readonly is: 'map'; readonly entries: readonly (readonly [string, Value])[] };

export const json = (value: Json): Value => ({ is: 'json', json: value });

/** Thrown for a query that is invalid or exceeds a limit; caught where the run starts. */
export class TraversalError extends Error {}

/** The approximate number of characters in one answer. A few steps can build lists that contain the same value many times. */
const MAX_SHOWN_CHARACTERS = 64 * 1024 * 1024;
/** The depth of lists in lists: more than clients use, and safe for recursion. */
const MAX_DEPTH = 100;

/** Converts values to items of one answer; fails if the answer gets too long. @throws TraversalError */
export class ResultWriter {
  readonly #display: DisplayOptions;
  #left = MAX_SHOWN_CHARACTERS;

  constructor(display: DisplayOptions) {
    this.#display = display;
  }

  show(value: Value): Json {
    switch (value.is) {
      case 'element': {
        const vertex = toVertex(value.element, this.#display);
        for (const name of Object.keys(vertex)) this.#spend(name.length + jsonCharacters(vertex[name] ?? null));
        return vertex;
      }
      case 'json':
        this.#spend(jsonCharacters(value.json));
        return value.json;
      case 'list':
        this.#spend(2);
        return value.items.map((item) => this.show(item));
      case 'map':
        // fromEntries defines keys, so `__proto__` stays one.
        return Object.fromEntries(
          value.entries.map(([key, entry]) => {
            this.#spend(key.length + 2);
            return [key, this.show(entry)];
          }),
        );
    }
  }

  #spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0) throw new TraversalError('gremlin: the answer is too long');
  }
}

/** Weights of lists and maps. Their parts are weighed before, so each is weighed once. */
const weights = new WeakMap<Value, { readonly weight: number; readonly depth: number }>();

/** The number of plain values visited to name or convert a value; repeated values count each time. @throws TraversalError if it is nested too deep */
export function weightOf(value: Value): number {
  if (value.is === 'element') return 1;
  if (value.is === 'json') return 1 + Math.floor(jsonCharacters(value.json) / 256);
  return weigh(value).weight;
}

function weigh(value: Extract<Value, { is: 'list' | 'map' }>): { readonly weight: number; readonly depth: number } {
  const known = weights.get(value);
  if (known !== undefined) return known;
  let weight = 1;
  let depth = 1;
  for (const item of value.is === 'list' ? value.items : value.entries.map(([, entry]) => entry)) {
    weight += weightOf(item);
    if (item.is === 'list' || item.is === 'map') depth = Math.max(depth, 1 + weigh(item).depth);
  }
  if (depth > MAX_DEPTH) throw new TraversalError(`gremlin: lists are nested more than ${MAX_DEPTH} deep`);
  const weighed = { weight, depth };
  weights.set(value, weighed);
  return weighed;
}

/** A text that two values share exactly if they are equal: the parts in brackets are JSON, or names again. */
export function nameOf(value: Value): string {
  switch (value.is) {
    case 'element':
      return `e${JSON.stringify(value.element.id)}`;
    case 'json':
      return `j${JSON.stringify(value.json)}`;
    case 'list':
      return `l[${value.items.map(nameOf).join()}]`;
    case 'map':
      return `m{${value.entries.map(([key, entry]) => `${JSON.stringify(key)}:${nameOf(entry)}`).join()}}`;
  }
}

/** A value as the key of a group. */
export function keyOf(value: Value): string {
  if (value.is === 'element') return value.element.id;
  return value.is === 'json' ? (textOf(value.json) ?? JSON.stringify(value.json)) : JSON.stringify(new ResultWriter({}).show(value));
}

/** The values of an attribute (for a list, its elements) as HIRO shows them, or an entry of a map. */
export function attributeOf(value: Value, name: string): readonly Value[] {
  if (value.is === 'map') return value.entries.filter(([key]) => key === name).map(([, entry]) => entry);
  if (value.is !== 'element') return [];
  const { attributes } = value.element;
  const stored = !isComputed(name) && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (isList(stored)) return stored.map((item) => json(textOf(item) ?? JSON.stringify(item)));
  const shown = Object.entries(toVertex(value.element, { fields: [name] })).find(([key]) => key === name)?.[1];
  return shown === undefined ? [] : [json(shown)];
}

/** Negative, zero or positive: numbers by value, everything else by text; values without text come first. */
export function compareValues(left: Value, right: Value): number {
  const [a, b] = [textOfValue(left), textOfValue(right)];
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return isDecimal(a) && isDecimal(b) ? compareDecimals(a, b) : compareText(a, b);
}

/** Whether a value satisfies an argument of `has`, `is` or `where`: a predicate, or a value to equal. */
export function fulfils(value: Value, wanted: Argument): boolean {
  if (wanted.is === 'value') return isList(wanted.value) ? wanted.value.some((one) => same(value, one)) : same(value, wanted.value);
  if (wanted.is !== 'predicate') return false;
  const [first = null, second = null] = wanted.values;
  const order = (limit: Json): number | undefined => (textOfValue(value) === undefined ? undefined : compareValues(value, json(limit)));
  const [toFirst, toSecond] = [order(first), order(second)];
  switch (wanted.name) {
    case 'eq':
      return same(value, first);
    case 'neq':
      return !same(value, first);
    case 'within':
      return wanted.values.some((one) => same(value, one));
    case 'without':
      return !wanted.values.some((one) => same(value, one));
  }
  if (toFirst === undefined || toSecond === undefined) return false;
  switch (wanted.name) {
    case 'gt':
      return toFirst > 0;
    case 'gte':
      return toFirst >= 0;
    case 'lt':
      return toFirst < 0;
    case 'lte':
      return toFirst <= 0;
    case 'inside':
      return toFirst > 0 && toSecond < 0;
    case 'outside':
      return toFirst < 0 || toSecond > 0;
    case 'between':
      return toFirst >= 0 && toSecond < 0;
    default:
      return false;
  }
}

/** HIRO's attributes are strings, so a number in a query also equals a text with the same number. */
function same(value: Value, wanted: Json): boolean {
  const [text, other] = [textOfValue(value), textOf(wanted)];
  if (text === undefined || other === undefined) return false;
  return text === other || (isNumber(wanted) && isDecimal(text) && isDecimal(other) && compareDecimals(text, other) === 0);
}

function textOfValue(value: Value): string | undefined {
  if (value.is === 'element') return value.element.id;
  return value.is === 'json' ? textOf(value.json) : undefined;
}
