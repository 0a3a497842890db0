/** Computes the new attributes of operations that write attributes. */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Action } from '@polyedge/contracts/change';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json, JsonObject } from '@polyedge/query/json';
import { own, putInto, setOwn, withOwn, withoutOwn } from '@polyedge/query/own-properties';
import { CONTENT_ATTRIBUTE } from './content-attribute.ts';
import { applyOperator } from './operators.ts';
import { problemOfKey } from './type-rules.ts';

type OperationOf<Op extends Operation['op']> = Extract<Operation, { op: Op }>;

/** Operations that write attributes. */
export type Rewrites = OperationOf<'update' | 'replace' | 'apply' | 'attach'>;

/** New attributes; the old ones are never modified in place. */
export interface Rewritten {
  readonly attributes: JsonObject;
  readonly popped?: Json;
  /** An operator's key is missing: record nothing, even with `touch`. */
  readonly nothing?: boolean;
}

/** `set` is merged at the top level, then `put` sets inside, then `unset` removes. */
export function updated(attributes: JsonObject, { set, put = [], unset = [] }: OperationOf<'update'>): Outcome<Rewritten> {
  if (set === undefined && put.length === 0 && unset.length === 0) return done({ attributes });
  const next: Record<string, Json> = { ...attributes, ...set };
  const copies = new Set<JsonObject>([next]);
  for (const [index, { path, value }] of put.entries()) {
    if (putInto(next, path, value, copies) === undefined) return failed('invalid', `put/${index}: a value on the path is not an object`);
  }
  for (const name of unset) delete next[name];
  return done({ attributes: next });
}

/** Attributes whose names begin with a prefix of `keep` stay unless they are given, and so does the reference to content. */
export function replaced(attributes: JsonObject, { attributes: given, keep = [] }: OperationOf<'replace'>): Rewritten {
  const next: Record<string, Json> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name === CONTENT_ATTRIBUTE || keep.some((prefix) => name.startsWith(prefix))) setOwn(next, name, value);
  }
  for (const [name, value] of Object.entries(given)) setOwn(next, name, value);
  return { attributes: next };
}

/** Applies an operator to one attribute. */
export function operated(attributes: JsonObject, type: string, operation: OperationOf<'apply'>): Outcome<Rewritten> {
  const { attribute, operator, key, value, set = {} } = operation;
  const problem = key === undefined ? undefined : problemOfKey(type, key);
  if (problem !== undefined) return failed('invalid', problem);
  const result = applyOperator(operator, own(attributes, attribute), key, value);
  if (!result.ok) return result;
  const { value: next, popped, unchanged } = result.value;
  return done({
    attributes: unchanged === true ? attributes : withOwn({ ...attributes, ...set }, attribute, next),
    ...(popped === undefined ? {} : { popped }),
    ...(unchanged === true ? { nothing: true } : {}),
  });
}

/** Merges `set`, and writes or removes the reference to a blob. */
export function attached(attributes: JsonObject, { content, set = {} }: OperationOf<'attach'>): Rewritten {
  const merged = { ...attributes, ...set };
  return { attributes: content === null ? withoutOwn(merged, CONTENT_ATTRIBUTE) : withOwn(merged, CONTENT_ATTRIBUTE, content) };
}

/** The action of an operation in the journal. */
export function actionOf(operation: Rewrites): Action {
  switch (operation.op) {
    case 'update':
    case 'apply':
      return 'update';
    case 'replace':
      return 'replace';
    case 'attach':
      return operation.content === null ? 'delete-blob' : 'write-blob';
  }
}

/** The stored unique names plus those that an operation adds; the same list if it adds none. */
export function namesOf(remembered: readonly string[], added: readonly string[] = []): readonly string[] {
  const fresh = added.filter((name, at) => !remembered.includes(name) && added.indexOf(name) === at);
  return fresh.length === 0 ? remembered : [...remembered, ...fresh];
}

/** The popped value as part of a result. */
export const poppedOf = (rewritten: Rewritten | undefined): { readonly popped?: Json } =>
  rewritten?.popped === undefined ? {} : { popped: rewritten.popped };
