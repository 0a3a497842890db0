/** What moves through a traversal, how it is compared, and how it is shown. */
import type { Element } from '@polyedge/contracts/element';
import { isList, type Json } from '@polyedge/query/json';
import { compareDecimals, compareText, isDecimal, textOf } from '@polyedge/query/text';
import { isComputed } from './attributes.ts';
import type { Argument } from './gremlin-parser.ts';
import { type Showing, toVertex } from './vertex.ts';

export type Value =
  | { readonly is: 'element'; readonly element: Element }
  | { readonly is: 'json'; readonly json: Json }
  | { readonly is: 'list'; readonly items: readonly Value[] }
  | { readonly is: 'map'; readonly entries: readonly (readonly [string, Value])[] };

export const json = (value: Json): Value => ({ is: 'json', json: value });

/** A value as an item of the answer. */
export function showValue(value: Value, showing: Showing): Json {
  switch (value.is) {
    case 'element':
      return toVertex(value.element, showing);
    case 'json':
      return value.json;
    case 'list':
      return value.items.map((item) => showValue(item, showing));
    case 'map':
      // fromEntries defines keys, so `__proto__` stays one.
      return Object.fromEntries(value.entries.map(([key, entry]) => [key, showValue(entry, showing)]));
  }
}

/** Equal values have equal names, others have not. */
export function nameOf(value: Value): string {
  switch (value.is) {
    case 'element':
      return `e${JSON.stringify(value.element.id)}`;
    case 'json':
      return `j${JSON.stringify(value.json)}`;
    case 'list':
      return `l${JSON.stringify(value.items.map(nameOf))}`;
    case 'map':
      return `m${JSON.stringify(value.entries.map(([key, entry]) => [key, nameOf(entry)]))}`;
  }
}

/** A value as the key of a group. */
export function keyOf(value: Value): string {
  if (value.is === 'element') return value.element.id;
  return value.is === 'json' ? (textOf(value.json) ?? JSON.stringify(value.json)) : JSON.stringify(showValue(value, {}));
}

/** The values of an attribute (of a list its elements) as HIRO shows them, or an entry of a map. */
export function attributeOf(value: Value, name: string): readonly Value[] {
  if (value.is === 'map') return value.entries.filter(([key]) => key === name).map(([, entry]) => entry);
  if (value.is !== 'element') return [];
  const { attributes } = value.element;
  const stored = !isComputed(name) && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (isList(stored)) return stored.map((item) => json(textOf(item) ?? JSON.stringify(item)));
  const shown = Object.entries(toVertex(value.element, { fields: [name] })).find(([key]) => key === name)?.[1];
  return shown === undefined ? [] : [json(shown)];
}

/** Negative, zero or positive: numbers by value, all else by text; what has no text comes first. */
export function compareValues(left: Value, right: Value): number {
  const [a, b] = [textOfValue(left), textOfValue(right)];
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return isDecimal(a) && isDecimal(b) ? compareDecimals(a, b) : compareText(a, b);
}

/** Whether a value fulfils an argument of `has`, `is` or `where`: a predicate, or a value to be equal to. */
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

/** HIRO's attributes are strings, so a number in a query is also equal to a text that is this number. */
function same(value: Value, wanted: Json): boolean {
  const [text, other] = [textOfValue(value), textOf(wanted)];
  if (text === undefined || other === undefined) return false;
  return text === other || (typeof wanted === 'number' && isDecimal(text) && isDecimal(other) && compareDecimals(text, other) === 0);
}

function textOfValue(value: Value): string | undefined {
  if (value.is === 'element') return value.element.id;
  return value.is === 'json' ? textOf(value.json) : undefined;
}
