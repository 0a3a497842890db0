/** Writing properties: plain posts, the operators, deleting and resetting (Saga protocol page, 3.6, 4 and 6.3). */
import { OPERATORS, type Operation, type Operator } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import { isNumber, type Json } from '@polyedge/query/json';
import { write } from '@polyedge/session/questions';
import {
  attribute,
  both,
  type Creator,
  equal,
  GLOBALS_ID,
  isObject,
  ofType,
  type ParentKind,
  PLURAL,
  propertyId,
  schemaId,
  TITLE,
  TYPES,
  toProperty,
} from './elements.ts';
import { operationOf, type SagaError, sagaError, toError, unprocessable } from './errors.ts';
import { answer, type Caller, type ParsedPost, refuse, type Work } from './work.ts';

/** A validated request to write one property. */
export interface PropertyPost {
  readonly kind: ParentKind;
  readonly parent: string;
  readonly name: string;
  /** Undefined if the whole value is written. */
  readonly operator: Operator | undefined;
  readonly key: string | undefined;
  /** Undefined only if the operator takes no value. */
  readonly value: Json | undefined;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/;
const REFUSED: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

/** The problem with the name of a property, signal or schema; undefined if it is valid. A name of digits only is valid. */
export const problemOfName = (name: unknown): string | undefined =>
  typeof name === 'string' && NAME.test(name) && !REFUSED.has(name)
    ? undefined
    : 'is not a name: 1 to 128 letters, digits, _ and -, and not - first';

/** The parent that a payload names; `id`, `user_id` and `bot_id` are accepted for `parent_id`. */
export function parentOf(kind: ParentKind, payload: Readonly<Record<string, unknown>>): ParsedPost<string> {
  if (kind === 'globals') return { ok: true, value: GLOBALS_ID };
  const { parent_id, id, user_id, bot_id } = payload;
  const parent = parent_id ?? id ?? (kind === 'user' ? (user_id ?? bot_id) : (bot_id ?? user_id));
  if (typeof parent !== 'string' || parent === '' || parent.length > 512) {
    return refuse(sagaError(400, 'parent_id is missing'));
  }
  return { ok: true, value: parent };
}

/** The fields that each operator needs besides the name. */
const NEEDS: Readonly<Record<Operator, { readonly key?: true; readonly value?: 'any' | 'number' }>> = {
  set: { key: true, value: 'any' },
  unset: { key: true },
  incr: { value: 'number' },
  inrc: { value: 'number' },
  mul: { value: 'number' },
  sadd: { value: 'any' },
  rem: { value: 'any' },
  lpush: { value: 'any' },
  rpush: { value: 'any' },
  lpop: {},
  rpop: {},
  hincr: { key: true, value: 'number' },
  hmul: { key: true, value: 'number' },
  hlpush: { key: true, value: 'any' },
  hrpush: { key: true, value: 'any' },
  hlpop: { key: true },
  hrpop: { key: true },
  hrem: { key: true, value: 'any' },
  hsadd: { key: true, value: 'any' },
};

/** Operators that need an existing property. */
const NEEDS_PROPERTY: ReadonlySet<Operator> = new Set(['unset', 'rem', 'hrem']);

export const operatorOf = (name: string): Operator | undefined => OPERATORS.find((operator) => operator === name);

/** Checks a client's post. Without `operator` it is a plain post; its missing value means null, because the Unity client drops nulls. */
export function parsePost(kind: ParentKind, operator: Operator | undefined, payload: unknown): ParsedPost<PropertyPost> {
  if (!isObject(payload)) return refuse(sagaError(400, 'the payload is not an object'));
  const parent = parentOf(kind, payload);
  if (!parent.ok) return parent;
  const { name, key, value } = payload;
  const problem = problemOfName(name);
  if (problem !== undefined || typeof name !== 'string') return refuse(unprocessable('name', problem ?? 'is missing'));
  const post = { kind, parent: parent.value, name, operator };
  if (operator === undefined) return { ok: true, value: { ...post, key: undefined, value: value ?? null } };
  const needs = NEEDS[operator];
  if (needs.key === true && (typeof key !== 'string' || key === '')) return refuse(unprocessable('key', 'is missing'));
  // `set` without a value stores null, like a plain post: the client drops nulls.
  if (needs.value === 'any' && value === undefined && operator !== 'set') return refuse(unprocessable('value', 'is missing'));
  if (needs.value === 'number' && !isNumber(value)) {
    return refuse(unprocessable('value', 'is not a number'));
  }
  return {
    ok: true,
    value: {
      ...post,
      key: needs.key === true && typeof key === 'string' ? key : undefined,
      value: needs.value === undefined ? undefined : (value ?? null),
    },
  };
}

/** Locks the parent and checks that it exists; otherwise operation 0 fails with `not-found`. */
export const parentMustExist = (kind: ParentKind, parent: string): Operation =>
  kind === 'globals'
    ? { op: 'update', target: { id: parent }, ifMissing: { type: TYPES.globals, attributes: {} } }
    : { op: 'update', target: { id: parent, where: ofType(TYPES[kind]) } };

export interface WriteOptions {
  readonly renew?: boolean;
  /** Do not write a value that is already stored: the operation fails with `not-allowed`. */
  readonly avoidDuplicate?: boolean;
  readonly testData?: boolean;
}

/**
 * The operation that adds one timeline entry with the complete new value.
 * @param life the id of the property's timeline: stored when the property is created; with `renew` a new timeline begins here
 */
function writeOf(
  { kind, parent, name, operator, key, value }: PropertyPost,
  creator: Creator,
  life: string,
  { renew = false, avoidDuplicate = false, testData = false }: WriteOptions = {},
): Operation {
  const id = propertyId(parent, name);
  const origin = { source_creator: { ...creator }, ...(renew ? { life } : {}), ...(testData ? { test_data: true } : {}) };
  const shared = {
    target: { id, where: ofType(TYPES.property) },
    schema: { id: schemaId(`/${PLURAL[kind]}/properties/${name}`), attribute: 'active', of: 'value' },
    touch: true,
  };
  const ifMissing = { type: TYPES.property, attributes: { parent_type: kind, parent_id: parent, name, life } };
  if (operator === undefined) {
    return {
      op: 'update',
      ...shared,
      set: { value: value ?? null, ...origin },
      ...(avoidDuplicate ? { before: { not: equal(attribute('value'), value ?? null) } } : {}),
      ifMissing,
    };
  }
  return {
    op: 'apply',
    ...shared,
    attribute: 'value',
    operator,
    ...(key === undefined ? {} : { key }),
    ...(value === undefined ? {} : { value }),
    set: origin,
    ...(NEEDS_PROPERTY.has(operator) ? {} : { ifMissing }),
  };
}

/** Writes a property and answers with it as broadcast; pops add the value that they removed. */
export function* postProperty(
  post: PropertyPost,
  caller: Caller,
  creator: Creator = { type: caller.way },
  options: Pick<WriteOptions, 'avoidDuplicate'> = {},
): Work {
  const operation = writeOf(post, creator, caller.newId(), { ...options, testData: caller.testData === true });
  const written = yield* write(post.operator ?? 'post', [parentMustExist(post.kind, post.parent), operation]);
  if (!written.ok) return refuse(writeError(written.failure, post.kind));
  const [, result] = written.value.operations;
  const [property] = result?.elements ?? [];
  if (property === undefined) return refuse(sagaError(500));
  return answer(result?.popped === undefined ? toProperty(property) : { ...toProperty(property), popped: result.popped });
}

/** Maps a failed write: operation 0 concerns the parent, the next one the property. */
export function writeError(failure: Failure, kind: ParentKind): SagaError {
  if (failure.code === 'not-found') {
    return sagaError(404, operationOf(failure) === 0 ? `${TITLE[kind]} does not exist` : 'Property does not exist');
  }
  return toError(failure);
}

/** Deletes one property and its history: a new timeline begins after the deletion. */
export function* deleteProperty(kind: ParentKind, parent: string, name: string): Work {
  const written = yield* write('delete', [
    parentMustExist(kind, parent),
    { op: 'delete', target: { id: propertyId(parent, name), where: ofType(TYPES.property) } },
  ]);
  return written.ok ? answer({ ok: 1 }) : refuse(writeError(written.failure, kind));
}

/** The most properties of a parent that one request can reset, with two operations each. */
const MAX_RESET = 450;

/**
 * Deletes all properties with their history and writes the members of `_defaults` again.
 * @param current all living properties of the parent
 */
export function* resetProperties(kind: ParentKind, parent: string, current: readonly Element[], caller: Caller): Work {
  if (current.length > MAX_RESET) return refuse(sagaError(413, 'too many properties to reset at once'));
  const defaults = current.find(({ attributes }) => attributes.name === '_defaults')?.attributes.value ?? null;
  const restored = Object.entries(isObject(defaults) ? defaults : {});
  if (restored.length > MAX_RESET) return refuse(sagaError(413, 'too many defaults to write at once'));
  const bad = restored.find(([name]) => problemOfName(name) !== undefined || name === '_defaults');
  if (bad !== undefined) return refuse(unprocessable('_defaults', 'has a member that is not a property name'));
  const removed = current.filter(
    ({ attributes: { name } }) => name !== '_defaults' && !restored.some(([restoredName]) => restoredName === name),
  );
  const values = removed.map(({ id }) => id);
  const written = yield* write('_defaults', [
    parentMustExist(kind, parent),
    // By a filter, because another reset may have deleted some of them meanwhile.
    { op: 'delete', target: { where: both(ofType(TYPES.property), { test: 'in', path: ['id'], values }) } },
    // A default is overwritten rather than deleted first, so that its watchers see one change; its timeline begins anew.
    ...restored.map(([name, value]) =>
      writeOf({ kind, parent, name, operator: undefined, key: undefined, value }, { type: '_defaults' }, caller.newId(), { renew: true }),
    ),
  ]);
  return written.ok ? answer({ ok: 1 }) : refuse(writeError(written.failure, kind));
}
