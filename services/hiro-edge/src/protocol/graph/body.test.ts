import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sampleElement } from '../../../test/sample-element.ts';
import { editLists, LISTS } from '../element/lists.ts';
import { toVertex } from '../element/vertex.ts';
import { type BodyWrite, fixedViolations, fromBody, type Intent, reject, validationError, type WriteRules } from './body.ts';

const rules = (intent: Intent, more: Partial<WriteRules> = {}): WriteRules => ({ intent, at: 100, names: 'lenient', ...more });

function write(body: unknown, intent: Intent, more: Partial<WriteRules> = {}): BodyWrite {
  const outcome = fromBody(body, rules(intent, more));
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.failure.errors.join());
  return outcome.value;
}

function errorsOf(body: unknown, intent: Intent, more: Partial<WriteRules> = {}): readonly string[] {
  const outcome = fromBody(body, rules(intent, more));
  assert.ok(!outcome.ok);
  assert.equal(outcome.failure.code, 'invalid');
  return outcome.failure.errors;
}

test('a create takes its own id, external id and scope; scalars become strings and null is nothing', () => {
  const body = { 'ogit/_id': 5, 'ogit/_xid': 'x', 'ogit/_scope': 's2', 'ogit/name': 'n', '/a': 1, '/b': true, '/c': null, '/d': 1e21 };
  const { id, xid, scope, attributes } = write(body, 'create');
  assert.deepEqual({ id, xid, scope }, { id: '5', xid: 'x', scope: 's2' });
  assert.deepEqual(attributes, { 'ogit/name': 'n', '/a': '1', '/b': 'true', '/d': '1000000000000000000000' });
});

test('an update merges, null deletes, and attributes of the server are ignored', () => {
  const { set, unset, attributes, id } = write({ ...toVertex(sampleElement()), '/gone': null, '/new': 'x' }, 'update');
  assert.deepEqual(set, { 'ogit/_owner': 'alice', 'ogit/name': 'My name', '/new': 'x' });
  assert.deepEqual(unset, ['/gone']);
  assert.deepEqual(attributes, {});
  assert.equal(id, undefined);
});

test('fixed attributes may be sent back but not changed', () => {
  const element = sampleElement({ xid: 'x' });
  assert.deepEqual(fixedViolations(write(toVertex(element), 'update').fixed, element), []);
  const { fixed } = write({ 'ogit/_xid': 'y', 'ogit/_type': 'ogit/Other', 'ogit/_scope': 's2' }, 'replace');
  assert.equal(fixedViolations(fixed, element).length, 3);
  assert.equal(fixedViolations(write({ 'ogit/_xid': null }, 'update').fixed, element).length, 1);
});

test('an id that a path of the REST API begins with, or that is made of other ids, is not given to a vertex', () => {
  for (const id of ['new', 'query', 'xid', 'connect', 'events', '.', '..', 'role:x', 'profile:x'])
    assert.deepEqual(errorsOf({ 'ogit/_id': id }, 'create'), ['attribute ogit/_id is invalid: it is reserved'], id);
  assert.equal(write({ 'ogit/_id': 'news' }, 'create').id, 'news');
});

test('objects and forbidden names are refused, each by name', () => {
  assert.deepEqual(errorsOf({ id: '1', label: 'x', '/o': {}, '/l': [[1]], 'a\0': 'x', '/n': 'a\0', '/ok': '1' }, 'create'), [
    'attribute id is invalid: the name is forbidden',
    'attribute label is invalid: the name is forbidden',
    'attribute /o is invalid',
    'attribute /l is invalid',
    'attribute a\0 is invalid: no name',
    'attribute /n is invalid',
  ]);
  for (const body of ['text', 5, [], true]) assert.deepEqual(errorsOf(body, 'create'), ['the body is not an object']);
  assert.deepEqual(errorsOf({ 'ogit/_id': 'a$$b$$c' }, 'create'), ['attribute ogit/_id is invalid']);
  assert.deepEqual(validationError(reject(['attribute /x is invalid']).failure), {
    code: 400,
    message: 'validation failed',
    result: { errors: ['attribute /x is invalid'], warnings: [] },
  });
});

test('names without a namespace are a matter of mode', () => {
  assert.deepEqual(write({ attr1: 'x' }, 'create').attributes, { attr1: 'x' });
  assert.deepEqual(errorsOf({ attr1: 'x', 'ogit/name': 'y', '/z': 'z' }, 'create', { names: 'strict' }), [
    'attribute attr1 is invalid: the name has no namespace',
  ]);
});

test('only an administrator writes the organization', () => {
  assert.deepEqual(write({ 'ogit/_organization': 'o' }, 'update').set, {});
  assert.deepEqual(write({ 'ogit/_organization': 'o' }, 'update', { admin: true }).set, { 'ogit/_organization': 'o' });
});

test('a list is set by = or by an array, with times and keys beside it', () => {
  const { attributes } = write({ '=ogit/x': [{ value: 'a', key: 'k' }, { value: 'b' }], '/y': ['c'], '+/z': 'd' }, 'create');
  assert.deepEqual(attributes, {
    'ogit/x': ['a', 'b'],
    '/y': ['c'],
    '/z': ['d'],
    [LISTS]: {
      'ogit/x': [
        { value: 'a', created: 100, key: 'k' },
        { value: 'b', created: 100 },
      ],
      '/y': [{ value: 'c', created: 100 }],
      '/z': [{ value: 'd', created: 100 }],
    },
  });
  const update = write({ '=ogit/x': ['a'] }, 'update');
  assert.deepEqual(update.set, { 'ogit/x': ['a'] });
  assert.deepEqual(update.put, [{ path: [LISTS, 'ogit/x'], value: [{ value: 'a', created: 100 }] }]);
  assert.deepEqual(errorsOf({ '=/x': [{ key: 'k' }], '+/y': [null], '=ogit/_id': ['x'], '=/z': ['a'], '/z': 'b' }, 'update'), [
    'attribute =/x is invalid',
    'attribute +/y is invalid',
    'attribute =ogit/_id is invalid: it is no list',
    'attribute /z is invalid: it is written twice',
  ]);
});

test('elements are added to and removed from a list, by key or value', () => {
  const element = sampleElement({
    attributes: { '/l': ['a', 'b', 'c'], '/s': 'x', [LISTS]: { '/l': [{ value: 'a', created: 5, key: 'k' }] } },
  });
  const { edits } = write({ '+/l': [{ value: 'z', key: 'k' }, 'd'], '-/l': ['b'], '+/s': 'y', '+/n': ['1'], '-/n': ['2'] }, 'update');
  const { set, put } = editLists(element, edits);
  assert.deepEqual(set, { '/l': ['z', 'c', 'd'], '/s': ['x', 'y'], '/n': ['1'] });
  assert.deepEqual(put[0], {
    path: [LISTS, '/l'],
    value: [
      { value: 'z', created: 100, key: 'k' },
      { value: 'c', created: 1502437236523 },
      { value: 'd', created: 100 },
    ],
  });
  const removed = editLists(element, write({ '-/l': [{ key: 'k' }, { value: 'c' }] }, 'update').edits);
  assert.deepEqual(removed.set, { '/l': ['b'] });
});

test('no body makes the parser throw, and accepted values are strings and lists of strings', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom<Intent>('create', 'update', 'replace'), (value, intent) => {
      const body =
        typeof value === 'object' && !Array.isArray(value) ? value : { '/x': value, '=/y': value, '-/z': value, 'ogit/_id': value };
      const outcome = fromBody(body, rules(intent));
      if (!outcome.ok) return;
      for (const [name, written] of Object.entries({ ...outcome.value.attributes, ...outcome.value.set })) {
        if (name === LISTS) continue;
        const texts = Array.isArray(written) ? written : [written];
        assert.ok(texts.every((text) => typeof text === 'string'));
      }
    }),
  );
});
