import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import type { Json } from '@polyedge/query/json';
import fc from 'fast-check';
import { validateRequest, validateScope } from './validate.ts';

const request = (...operations: Operation[]): MutationRequest => ({
  operationId: '0'.repeat(32),
  by: 'anna',
  app: 'test',
  origin: { protocol: 'hiro', way: 'socket', operation: 'create' },
  operations,
});

const create = (attributes: { [key: string]: Json }, rest: Partial<Extract<Operation, { op: 'create' }>> = {}): Operation => ({
  op: 'create',
  type: 'Note',
  attributes,
  ...rest,
});

const nested = (levels: number): Json => {
  let value: Json = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
};

function refuses(operation: Operation, code: string, place: string): void {
  const outcome = validateRequest(request(operation));
  assert.ok(!outcome.ok, place);
  assert.equal(outcome.failure.code, code, place);
  assert.ok(outcome.failure.detail?.startsWith(`${place}: `), `${outcome.failure.detail} is not at ${place}`);
}

test('what PostgreSQL cannot store is rejected before the batch, with its place and without its value', () => {
  refuses(create({ 'ogit/name': 'se\0cret' }), 'invalid', 'operations/0/attributes/ogit~1name');
  refuses(create({ a: [{ b: '\ud800' }] }), 'invalid', 'operations/0/attributes/a/0/b');
  refuses(create({ a: { 'x\0': 1 } }), 'invalid', 'operations/0/attributes/a');
  refuses(create({ a: Number.POSITIVE_INFINITY }), 'invalid', 'operations/0/attributes/a');
  refuses(create({}, { id: 'a\0' }), 'invalid', 'operations/0/id');
  refuses(create({}, { xid: '\udc00' }), 'invalid', 'operations/0/xid');
  refuses({ op: 'update', target: { id: 'a\0' } }, 'invalid', 'operations/0/target/id');
  refuses({ op: 'update', target: { id: 'a' }, put: [{ path: ['a', '\0'], value: 1 }] }, 'invalid', 'operations/0/put/0/path/1');
  refuses({ op: 'delete', target: { where: { test: 'equal', path: ['nowhere'], value: 1 } } }, 'invalid', 'operations/0/target/where');
  refuses({ op: 'write-values', target: { id: 'a' }, values: [{ at: 1e300, value: 1 }] }, 'invalid', 'operations/0/values/0');
  // A column takes it for no value, which would abort the batch.
  refuses({ op: 'write-values', target: { id: 'a' }, values: [{ at: 1, value: null }] }, 'invalid', 'operations/0/values/0/value');
  const outcome = validateRequest({ ...request(), by: 'a\0' });
  assert.ok(!outcome.ok && outcome.failure.detail?.startsWith('by: '));
  const second = validateRequest(request(create({}), create({ a: 'se\0cret' })));
  assert.ok(!second.ok && second.operation === 1 && !JSON.stringify(second).includes('cret'));
});

test('depth counts from the attributes, whichever operation writes the value', () => {
  assert.ok(validateRequest(request(create({ a: nested(63) }))).ok);
  refuses(create({ a: nested(64) }), 'invalid', `operations/0/attributes/a${'/0'.repeat(63)}`);
  const update = (levels: number): Operation => ({ op: 'update', target: { id: 'a' }, put: [{ path: ['a', 'b'], value: nested(levels) }] });
  assert.ok(validateRequest(request(update(62))).ok);
  assert.ok(!validateRequest(request(update(63))).ok);
  const push = (levels: number): Operation => ({
    op: 'apply',
    target: { id: 'a' },
    attribute: 'a',
    operator: 'hlpush',
    key: 'k',
    value: nested(levels),
  });
  assert.ok(validateRequest(request(push(61))).ok);
  assert.ok(!validateRequest(request(push(62))).ok);
  assert.ok(!validateRequest(request(create({ a: nested(200_000) }))).ok, 'a deep value must not overflow the stack');
});

test('names and elements have size limits', () => {
  assert.ok(validateRequest(request(create({}, { id: 'é'.repeat(256) }))).ok);
  refuses(create({}, { id: 'é'.repeat(257) }), 'invalid', 'operations/0/id');
  assert.ok(validateRequest(request({ op: 'delete', target: { id: `${'a'.repeat(512)}$$v$$${'b'.repeat(512)}` } })).ok);
  refuses(create({ a: 'x'.repeat(2 * 1024 * 1024 + 1) }), 'too-large', 'operations/0/attributes');
});

test('the system scope, types in it and the reference to content cannot be written by data mutations', () => {
  refuses(create({}, { scope: 'system' }), 'not-allowed', 'operations/0/scope');
  refuses(create({}, { type: 'system/Account' }), 'not-allowed', 'operations/0/type');
  refuses({ op: 'connect', out: 'a', verb: 'system', in: 'b' }, 'not-allowed', 'operations/0/verb');
  refuses({ op: 'update', target: { id: 'a' }, ifMissing: { type: 'T', scope: 'system' } }, 'not-allowed', 'operations/0/ifMissing/scope');
  refuses(create({ 'ogit/_c-id': 'x' }), 'not-allowed', 'operations/0/attributes/ogit~1_c-id');
  refuses({ op: 'apply', target: { id: 'a' }, attribute: 'ogit/_c-id', operator: 'unset' }, 'not-allowed', 'operations/0/attribute');
});

test('the default scope of a message is checked like any other', () => {
  assert.ok(validateScope('main').ok);
  for (const scope of ['system', 'a\0', 'x'.repeat(513)]) assert.ok(!validateScope(scope).ok);
});

test('no vertex id or verb can give two edges the same id', () => {
  for (const id of ['a$$b', 'a$']) refuses(create({}, { id }), 'invalid', 'operations/0/id');
  refuses({ op: 'connect', out: 'a', verb: 'v$', in: 'b' }, 'invalid', 'operations/0/verb');
  refuses({ op: 'update', target: { id: 'a$$v$$b' }, ifMissing: { type: 'T' } }, 'invalid', 'operations/0/target/id');
  refuses({ op: 'update', target: { id: 'a' }, ifMissing: { type: 'T', id: 'b' } }, 'invalid', 'operations/0/ifMissing/id');
});

test('any JSON is either accepted or rejected with a place, without an exception', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' })), (attributes) => {
      const sound = !JSON.stringify(attributes).match(/\\u0000|\\ud[89a-f]/i);
      const outcome = validateRequest(request(create(attributes as { [key: string]: Json })));
      assert.equal(outcome.ok, sound);
    }),
    { numRuns: 500 },
  );
});
