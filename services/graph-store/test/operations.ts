/** Operations and expectations for the tests of `applyRequest`. */
import assert from 'node:assert/strict';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { type TestOutcome, TestStore } from '../src/testing/test-store.ts';

type Update = Extract<Operation, { op: 'update' }>;
type Create = Extract<Operation, { op: 'create' }>;

export const create = (id: string, attributes: JsonObject = {}, rest: Partial<Create> = {}): Operation => ({
  op: 'create',
  type: 'Note',
  id,
  attributes,
  ...rest,
});
export const update = (id: string, set: JsonObject, rest: Partial<Update> = {}): Operation => ({
  op: 'update',
  target: { id },
  set,
  ...rest,
});
export const remove = (id: string): Operation => ({ op: 'delete', target: { id } });
export const connect = (out: string, verb: string, into: string): Operation => ({ op: 'connect', out, verb, in: into });
export const equal = (name: string, value: string | number): Filter => ({ test: 'equal', path: ['attributes', name], value });

export function storeWith(...operations: readonly Operation[]): TestStore {
  const store = new TestStore();
  if (operations.length > 0) succeeds(store.request(...operations));
  return store;
}

export function succeeds(outcome: TestOutcome | undefined): Extract<TestOutcome, { ok: true }> {
  assert.ok(outcome?.ok, JSON.stringify(outcome));
  return outcome;
}

export function fails(outcome: TestOutcome | undefined, code: string, operation = 0): void {
  assert.ok(outcome !== undefined && !outcome.ok, JSON.stringify(outcome));
  assert.equal(outcome.failure.code, code, JSON.stringify(outcome));
  assert.equal(outcome.operation, operation);
}

export const attributesOf = (store: TestStore, id: string) => store.element(id)?.attributes;
