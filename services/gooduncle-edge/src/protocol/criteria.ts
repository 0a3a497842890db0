/**
 * Criteria (protocol page 3.4): an object whose entries must all match becomes a filter. Operators are recognised only here, so an id or
 * any other plain value of a request can never become one. No regular expressions, no code.
 */
import type { Filter, Path } from '@polyedge/query/filter';
import { isList, isNumber, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { parseFilter } from '@polyedge/query/validate';
import { type FieldProblem, problem } from './problems.ts';

/** Parsed criteria, and the top-level fields that they name with their places. */
export interface Criteria {
  readonly filter: Filter;
  readonly fields: readonly NamedField[];
}

/** A field that a request uses: its first key, and its place in the request. */
export interface NamedField {
  readonly field: string;
  readonly place: string;
}

const CRITERIA_LIMITS = { conditions: 50, depth: 8, items: 100 } as const;

/** Keys of answers and criteria in addition to the resource's own fields. */
export const ID = 'id';
export const VERSION = '_version';

type ParsedCriteria = { readonly ok: true; readonly value: Criteria } | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** @param place of the criteria in the request, for error messages */
export function parseCriteria(value: JsonObject, place = 'criteria'): ParsedCriteria {
  const reader = new CriteriaReader();
  const filter = reader.all(value, place, 1);
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  const parsed = parseFilter(filter);
  if (!parsed.ok) return { ok: false, problems: [problem('value', place, { message: parsed.problem })] };
  return { ok: true, value: { filter: parsed.value, fields: reader.fields } };
}

/** The path in an element of a field name with dots; undefined for one that no resource has. */
export function pathOf(name: string): Path | undefined {
  if (name === ID) return ['id'];
  const keys = name.split('.');
  return keys.length > 15 || keys.some((key) => key === '' || key.length > 1024) ? undefined : ['attributes', ...keys];
}

/** The top-level field of a name with dots. */
export const firstKey = (name: string): string => name.split('.', 1)[0] ?? name;

class CriteriaReader {
  readonly problems: FieldProblem[] = [];
  readonly fields: NamedField[] = [];
  #conditions = 0;

  all(object: JsonObject, place: string, depth: number): Filter {
    if (depth > CRITERIA_LIMITS.depth) return this.#wrong(problem('too deep', place));
    const parts = Object.entries(object).map(([name, value]) => this.#entry(name, value, `${place}.${name}`, depth));
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { all: parts };
  }

  #entry(name: string, value: Json, place: string, depth: number): Filter {
    switch (name) {
      case '$and':
      case '$or': {
        if (!isList(value) || value.length === 0) return this.#wrong(problem('operator', place));
        const parts = value.map((part, at) =>
          isObject(part) ? this.all(part, `${place}.${at}`, depth + 1) : this.#wrong(problem('operator', `${place}.${at}`)),
        );
        return name === '$and' ? { all: parts } : { any: parts };
      }
      case '$not':
        return isObject(value) ? { not: this.all(value, place, depth + 1) } : this.#wrong(problem('operator', place));
    }
    if (name.startsWith('$')) return this.#wrong(problem('operator', place));
    if (name === VERSION) return this.#version(value, place);
    const path = pathOf(name);
    if (path === undefined) return this.#wrong(problem('value', place));
    this.fields.push({ field: firstKey(name), place });
    if (isObject(value) && Object.keys(value).some((key) => key.startsWith('$'))) {
      const parts = Object.entries(value).map(([operator, operand]) => this.#test(path, operator, operand, `${place}.${operator}`));
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : { all: parts };
    }
    this.#count(place);
    return { test: 'equal', path, value };
  }

  /** `_version: v` matches rows that have not changed since commit v: with the version of an answer, the state that the answer showed. */
  #version(value: Json, place: string): Filter {
    this.#count(place);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return this.#wrong(problem('type', place));
    return { test: 'at-most', path: ['seq'], value };
  }

  #test(path: Path, operator: string, operand: Json, place: string): Filter {
    this.#count(place);
    const wrong = (): Filter => this.#wrong(problem('operator', place));
    switch (operator) {
      case '$eq':
        return { test: 'equal', path, value: operand };
      case '$ne':
        return { not: { test: 'equal', path, value: operand } };
      case '$in':
      case '$nin': {
        if (!isList(operand)) return wrong();
        if (operand.length > CRITERIA_LIMITS.items) return this.#wrong(problem('limit', place, { expected: CRITERIA_LIMITS.items }));
        const among: Filter = { test: 'in', path, values: operand };
        return operator === '$in' ? among : { not: among };
      }
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte': {
        if (!isNumber(operand) && typeof operand !== 'string' && typeof operand !== 'boolean') return wrong();
        return { test: ORDER[operator], path, value: operand };
      }
      case '$exists':
        if (typeof operand !== 'boolean') return wrong();
        return operand ? { test: 'present', path } : { not: { test: 'present', path } };
      case '$contains':
        return { test: 'contains', path, value: operand };
      case '$startsWith':
        return typeof operand === 'string' ? { test: 'starts-with', path, value: operand } : wrong();
      default:
        return wrong();
    }
  }

  #count(place: string): void {
    this.#conditions += 1;
    if (this.#conditions === CRITERIA_LIMITS.conditions + 1) this.#wrong(problem('limit', place, { expected: CRITERIA_LIMITS.conditions }));
  }

  #wrong(found: FieldProblem): Filter {
    // Reports a few problems only, because the client could cause any number of them.
    if (this.problems.length < 20) this.problems.push(found);
    return { any: [] };
  }
}

const ORDER = { $gt: 'more', $gte: 'at-least', $lt: 'less', $lte: 'at-most' } as const;
