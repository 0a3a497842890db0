/** Saga's eighteen property operators (Saga protocol page, 4) on any attribute. */
import type { Operator } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { equalJson } from '@polyedge/query/equality';
import { isList, isNumber, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { own, withOwn, withoutOwn } from '@polyedge/query/own-properties';

/** The result of an operator. */
export interface Operated {
  readonly value: Json;
  /** Only for pop operators; null if there was nothing to remove. */
  readonly popped?: Json;
  /** The operator's key is missing: nothing is recorded, not even with `touch`. */
  readonly unchanged?: boolean;
}

type Apply = (value: Json | undefined, key: string | undefined, operand: Json | undefined) => Outcome<Operated>;

/**
 * Applies an operator. Absent and null both count as missing, for the value and for the value under `key`.
 *
 * @returns the new value (inputs are never modified); `invalid` with a detail that begins with `key:` or `value:`; or `not-found` if the
 * operator needs an existing value
 */
export const applyOperator = (operator: Operator, value: Json | undefined, key?: string, operand?: Json): Outcome<Operated> =>
  table[operator](value, key, operand);

/** A calculation on doubles and on integers of any size. */
interface Calculation {
  readonly doubles: (left: number, right: number) => number;
  readonly integers: (left: bigint, right: bigint) => bigint;
}

const PLUS: Calculation = { doubles: (left, right) => left + right, integers: (left, right) => left + right };
const TIMES: Calculation = { doubles: (left, right) => left * right, integers: (left, right) => left * right };

const incr: Apply = (value, _key, operand) => calculate(value, operand, PLUS, 'operand');

const table: Readonly<Record<Operator, Apply>> = {
  incr,
  // A misspelling that the Unity client's documentation uses once.
  inrc: incr,
  mul: (value, _key, operand) => calculate(value, operand, TIMES, 'zero'),
  sadd: (value, _key, operand) => onList(value, operand, [], addUnlessThere),
  rem: (value, _key, operand) => onList(value, operand, undefined, dropAll),
  lpush: (value, _key, operand) => onList(value, operand, [], (list, item) => [item, ...list]),
  rpush: (value, _key, operand) => onList(value, operand, [], (list, item) => [...list, item]),
  lpop: (value) => pop(value, 'first'),
  rpop: (value) => pop(value, 'last'),
  set: (value, key, operand) => onKey(value, key, {}, () => done({ value: operand ?? null })),
  unset: (value, key) => {
    const place = placeOf(value, key, undefined);
    if (!place.ok) return place;
    const { object, name } = place.value;
    return done(Object.hasOwn(object, name) ? { value: withoutOwn(object, name) } : { value: object, unchanged: true });
  },
  hincr: (value, key, operand) => onKey(value, key, {}, (at) => calculate(at, operand, PLUS, 'operand')),
  hmul: (value, key, operand) => onKey(value, key, {}, (at) => calculate(at, operand, TIMES, 'zero')),
  hlpush: (value, key, operand) => onKey(value, key, {}, (at) => onList(at, operand, [], (list, item) => [item, ...list])),
  hrpush: (value, key, operand) => onKey(value, key, {}, (at) => onList(at, operand, [], (list, item) => [...list, item])),
  hlpop: (value, key) => popAt(value, key, 'first'),
  hrpop: (value, key) => popAt(value, key, 'last'),
  hrem: (value, key, operand) => {
    if (operand === undefined) return failed('invalid', 'value: is missing');
    return onKey(value, key, undefined, (at, object) =>
      missing(at) ? done({ value: object, unchanged: true }) : onList(at, operand, undefined, dropAll),
    );
  },
  hsadd: (value, key, operand) => onKey(value, key, {}, (at) => onList(at, operand, [], addUnlessThere)),
};

const missing = (value: Json | undefined): value is null | undefined => value === null || value === undefined;

function calculate(
  value: Json | undefined,
  operand: Json | undefined,
  calculation: Calculation,
  whenMissing: 'operand' | 'zero',
): Outcome<Operated> {
  if (!isNumber(operand)) return failed('invalid', 'value: is not a number');
  if (!missing(value) && !isNumber(value)) return failed('invalid', 'value: what is stored is not a number');
  const result = missing(value) ? (whenMissing === 'zero' ? 0 : operand) : exactly(value, operand, calculation);
  if (result === undefined) return failed('invalid', 'value: the result of an integer beyond 2^53 and a fraction cannot be exact');
  if (!Number.isFinite(Number(result))) return failed('invalid', 'value: the result is not a finite number');
  if (typeof result === 'number' && Math.abs(result) > Number.MAX_SAFE_INTEGER) {
    return failed('invalid', 'value: the result is beyond 2^53 and cannot be exact');
  }
  return done({ value: result });
}

/** Integers are calculated exactly at any size. Of fractions, a result beyond 2^53 is left as a double; with an integer beyond it there is none. */
function exactly(left: number | bigint, right: number | bigint, { doubles, integers }: Calculation): number | bigint | undefined {
  // JSON has no negative zero; adding 0 removes the sign.
  const result = doubles(Number(left), Number(right)) + 0;
  if (typeof left === 'number' && typeof right === 'number' && Math.abs(result) <= Number.MAX_SAFE_INTEGER) return result;
  // Neither a double nor an integer holds what such an operand and a fraction make.
  if (typeof left === 'bigint' ? !isInteger(right) : typeof right === 'bigint' && !isInteger(left)) return undefined;
  if (!isInteger(left) || !isInteger(right)) return result;
  const exact = integers(BigInt(left), BigInt(right));
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}

const isInteger = (value: number | bigint): boolean => typeof value === 'bigint' || Number.isInteger(value);

/** `empty` replaces a missing list; undefined if the operator needs an existing one. */
function onList(
  value: Json | undefined,
  operand: Json | undefined,
  empty: readonly Json[] | undefined,
  change: (list: readonly Json[], item: Json) => readonly Json[],
): Outcome<Operated> {
  if (operand === undefined) return failed('invalid', 'value: is missing');
  const list = missing(value) ? empty : value;
  if (list === undefined) return failed('not-found');
  return isList(list) ? done({ value: change(list, operand) }) : failed('invalid', 'value: what is stored is not a list');
}

const addUnlessThere = (list: readonly Json[], item: Json): readonly Json[] =>
  list.some((element) => equalJson(element, item)) ? list : [...list, item];

const dropAll = (list: readonly Json[], item: Json): readonly Json[] => list.filter((element) => !equalJson(element, item));

function pop(value: Json | undefined, end: 'first' | 'last'): Outcome<Operated> {
  if (missing(value)) return done({ value: null, popped: null });
  if (!isList(value)) return failed('invalid', 'value: what is stored is not a list');
  const popped = value.at(end === 'first' ? 0 : -1) ?? null;
  return done({ value: end === 'first' ? value.slice(1) : value.slice(0, -1), popped });
}

function popAt(value: Json | undefined, key: string | undefined, end: 'first' | 'last'): Outcome<Operated> {
  if (key !== undefined && missing(value)) return done({ value: null, popped: null });
  return onKey(value, key, {}, (at, object) => (missing(at) ? done({ value: object, popped: null, unchanged: true }) : pop(at, end)));
}

function placeOf(
  value: Json | undefined,
  key: string | undefined,
  empty: JsonObject | undefined,
): Outcome<{ readonly object: JsonObject; readonly name: string }> {
  if (key === undefined) return failed('invalid', 'key: is missing');
  const object = missing(value) ? empty : value;
  if (object === undefined) return failed('not-found');
  return isObject(object) ? done({ object, name: key }) : failed('invalid', 'value: what is stored is not an object');
}

/** Changes the value under a key; `change` receives that value and the whole object. */
function onKey(
  value: Json | undefined,
  key: string | undefined,
  empty: JsonObject | undefined,
  change: (at: Json | undefined, object: JsonObject) => Outcome<Operated>,
): Outcome<Operated> {
  const place = placeOf(value, key, empty);
  if (!place.ok) return place;
  const { object, name } = place.value;
  const changed = change(own(object, name), object);
  if (!changed.ok || changed.value.unchanged === true) return changed;
  return done({ ...changed.value, value: withOwn(object, name, changed.value.value) });
}
