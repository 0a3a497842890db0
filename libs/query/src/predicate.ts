import type { Document } from './document.ts';
import { equalJson } from './equality.ts';
import type { Condition, Filter } from './filter.ts';
import { haversine, haversineOfMeters, inBox, insideSides, pointOf, sidesOf } from './geo.ts';
import { isList, isNumber, type Json } from './json.ts';
import { compilePattern } from './like.ts';
import { compilePath } from './path.ts';
import { parseRegexp } from './regexp.ts';
import { compareDecimals, compareText, isDecimal, someText, spacedWords, words } from './text.ts';

export type Predicate = (document: Document) => boolean;

/**
 * Compiles a filter, so that evaluating it does not interpret it again.
 *
 * @param filter one that `parseFilter` accepted; its values are kept by reference and must not change
 * @returns a pure function that never throws on an element within the store's limits
 */
export function compile(filter: Filter): Predicate {
  if ('all' in filter) return every(filter.all.map(compile));
  if ('any' in filter) return some(filter.any.map(compile));
  if ('not' in filter) {
    const part = compile(filter.not);
    return (document) => !part(document);
  }
  const read = compilePath(filter.path);
  const test = compileTest(filter);
  return (document) => test(read(document));
}

function every(parts: readonly Predicate[]): Predicate {
  const [first, second] = parts;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (parts.length === 2) return (document) => first(document) && second(document);
  return (document) => {
    for (const part of parts) if (!part(document)) return false;
    return true;
  };
}

function some(parts: readonly Predicate[]): Predicate {
  const [first, second] = parts;
  if (first === undefined) return () => false;
  if (second === undefined) return first;
  return (document) => {
    for (const part of parts) if (part(document)) return true;
    return false;
  };
}

type ValueTest = (value: Json | undefined) => boolean;

function compileTest(condition: Condition): ValueTest {
  switch (condition.test) {
    case 'equal':
      return compileEqual(condition.value);
    case 'in':
      return compileIn(condition.values);
    case 'less':
      return compileOrder(condition.value, (order) => order < 0);
    case 'at-most':
      return compileOrder(condition.value, (order) => order <= 0);
    case 'more':
      return compileOrder(condition.value, (order) => order > 0);
    case 'at-least':
      return compileOrder(condition.value, (order) => order >= 0);
    case 'present':
      return (value) => value !== undefined && value !== null;
    case 'contains': {
      const isWanted = compileEqual(condition.value);
      return (value) => isList(value) && value.some(isWanted);
    }
    case 'starts-with': {
      const prefix = condition.value;
      return (value) => typeof value === 'string' && value.startsWith(prefix);
    }
    case 'text-equal':
      return compileTextEqual(condition.value, condition.numeric === true);
    case 'text-less':
      return compileTextOrder(condition.value, (order) => order < 0);
    case 'text-at-most':
      return compileTextOrder(condition.value, (order) => order <= 0);
    case 'text-more':
      return compileTextOrder(condition.value, (order) => order > 0);
    case 'text-at-least':
      return compileTextOrder(condition.value, (order) => order >= 0);
    case 'text-like': {
      const matches = compilePattern(condition.pattern, condition.fold === true);
      return (value) => someText(value, matches);
    }
    case 'text-regexp': {
      const regexp = parseRegexp(condition.pattern);
      return regexp.ok ? (value) => someText(value, regexp.value.matches) : () => false;
    }
    case 'text-words':
      return compileWords(words(condition.value), condition.phrase === true);
    case 'near': {
      const { point } = condition;
      const limit = haversineOfMeters(condition.maxMeters);
      return onPoint((position) => haversine(point, position) <= limit);
    }
    case 'within': {
      const { box } = condition;
      return onPoint((position) => inBox(position, box));
    }
    case 'inside': {
      const sides = sidesOf(condition.polygon);
      return onPoint((position) => insideSides(position, sides));
    }
  }
}

function compileEqual(wanted: Json): ValueTest {
  if (wanted === null) return (value) => value === null || value === undefined;
  if (typeof wanted !== 'object') return (value) => value === wanted;
  return (value) => value !== undefined && equalJson(value, wanted);
}

function compileIn(values: readonly Json[]): ValueTest {
  const scalars = new Set<Json | undefined>(values.filter((value) => typeof value !== 'object'));
  if (values.includes(null)) scalars.add(null).add(undefined);
  const composites = values.filter((value) => typeof value === 'object' && value !== null);
  if (composites.length === 0) return (value) => scalars.has(value);
  return (value) => scalars.has(value) || (value !== undefined && composites.some((composite) => equalJson(value, composite)));
}

function compileOrder(limit: number | bigint | string | boolean, passes: (order: number) => boolean): ValueTest {
  switch (typeof limit) {
    case 'number':
    case 'bigint':
      // `<` between a double and a bigint compares their values exactly.
      return (value) => isNumber(value) && passes(value < limit ? -1 : value > limit ? 1 : 0);
    case 'string':
      return (value) => typeof value === 'string' && passes(compareText(value, limit));
    case 'boolean':
      return (value) => typeof value === 'boolean' && passes(Number(value) - Number(limit));
  }
}

function compileTextEqual(wanted: string, numeric: boolean): ValueTest {
  if (numeric && isDecimal(wanted)) {
    return (value) => someText(value, (text) => text === wanted || (isDecimal(text) && compareDecimals(text, wanted) === 0));
  }
  return (value) => (typeof value === 'string' ? value === wanted : someText(value, (text) => text === wanted));
}

function compileTextOrder(limit: string, passes: (order: number) => boolean): ValueTest {
  if (!isDecimal(limit)) return (value) => someText(value, (text) => passes(compareText(text, limit)));
  return (value) => someText(value, (text) => passes(isDecimal(text) ? compareDecimals(text, limit) : compareText(text, limit)));
}

function compileWords(wanted: readonly string[], phrase: boolean): ValueTest {
  if (wanted.length === 0) return () => false;
  const needles = phrase ? [` ${wanted.join(' ')} `] : wanted.map((word) => ` ${word} `);
  return (value) =>
    someText(value, (text) => {
      const spaced = spacedWords(text);
      return needles.every((needle) => spaced.includes(needle));
    });
}

function onPoint(passes: (position: readonly [number, number]) => boolean): ValueTest {
  return (value) => {
    const position = pointOf(value);
    return position !== undefined && passes(position);
  };
}
