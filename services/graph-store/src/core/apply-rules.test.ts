/** What an operation must not do: unique values, schemas, scopes and sizes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@polyedge/contracts/bus/graph';
import { connect, create, fails, remove, storeWith, succeeds, update } from '../../test/operations.ts';
import { TestStore } from '../testing/test-store.ts';

test('an xid is unique in the tenant, other unique values in their type, and deleting frees them', () => {
  const store = storeWith(create('a', { name: 'n' }, { xid: 'x', unique: ['name'] }));
  fails(store.request(create('b', {}, { xid: 'x', type: 'Task' })), 'conflict');
  fails(store.request(create('b', { name: 'n' }, { unique: ['name'] })), 'conflict');
  succeeds(store.request(create('b', { name: 'n' }, { unique: ['name'], type: 'Task' })));
  succeeds(store.request(create('c', { name: 'm' }, { unique: ['name'] })));
  // The names are stored: a later update is checked without repeating them.
  fails(store.request(update('c', { name: 'n' })), 'conflict');
  const [, swapped] = store.batch([update('a', { name: 'o' })], [update('c', { name: 'n' })], [update('c', { name: null })]);
  succeeds(swapped);
  succeeds(store.request(update('a', { name: 'n' })));
  const outcomes = store.batch([remove('a')], [create('d', { name: 'n' }, { xid: 'x', unique: ['name', 'xid'] })]);
  assert.ok(outcomes.every((outcome) => outcome.ok));
  store.check();
});

test('uniqueness that an update declares is checked, and stored with the element', () => {
  const store = storeWith(create('a', { n: { p: 1, q: 2 } }), create('b', { n: 2 }));
  succeeds(store.request(update('a', {}, { unique: ['n'] })));
  fails(store.request(update('b', { n: { q: 2, p: 1 } }, { unique: ['n'] })), 'conflict');
  assert.deepEqual([store.rows.get('a')?.uniqueNames, store.rows.get('b')?.uniqueNames], [['n'], []]);
  store.check();
});

test('a stored schema guards its attribute; deleting it lifts the rule', () => {
  const schema: Operation = { op: 'create', type: 'saga/SchemaDefinition', id: 's', attributes: { body: { type: 'number', maximum: 5 } } };
  const store = storeWith(schema, create('other', { body: false }), create('p', { value: 1 }));
  // An element of any other type guards nothing: its id can be computed, so anybody may have created it.
  succeeds(store.request(update('p', { value: 2 }, { schema: { id: 'other', attribute: 'body', of: 'value' } })));
  const set = (value: number): Operation => update('p', { value }, { schema: { id: 's', attribute: 'body', of: 'value' } });
  succeeds(store.request(set(5)));
  fails(store.request(set(6)), 'invalid');
  const outcomes = store.batch([update('s', { body: { type: 'number', maximum: 9 } })], [set(7)], [set(10)]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.ok),
    [true, true, false],
  );
  succeeds(store.request(remove('s')));
  succeeds(store.request(set(100)));
});

test('accounts and the rest of the system scope do not exist for data mutations', () => {
  const store = storeWith(create('a'));
  const row = store.rows.get('a');
  assert.ok(row);
  store.rows.set('sys', { ...row, element: { ...row.element, id: 'sys', scope: 'system' } });
  fails(store.request(update('sys', { x: 1 })), 'not-found');
  fails(store.request(remove('sys')), 'not-found');
  fails(store.request(connect('a', 'v', 'sys')), 'not-found');
  fails(store.request(create('sys')), 'conflict');
  assert.equal(succeeds(store.request({ op: 'update', target: { where: { all: [] } }, set: { y: 1 } })).operations[0]?.elements.length, 1);
});

test('an element cannot grow over its size, nor a request multiply a large one', () => {
  const store = storeWith(create('a', { list: ['x'.repeat(1024 * 1024)] }));
  const push: Operation = { op: 'apply', target: { id: 'a' }, attribute: 'list', operator: 'rpush', value: 'y'.repeat(1024 * 1024) };
  fails(store.request(push), 'too-large');
  const touch: Operation = update('a', {}, { touch: true });
  fails(store.request(...Array.from({ length: 40 }, () => touch)), 'too-large', 31);
  assert.equal(store.element('a')?.version, 1);
});

test('a batch whose states are too large together answers busy to the excess requests and executes the rest', () => {
  const store = storeWith(create('a', { x: 'x'.repeat(1_900_000) }));
  const touches = Array.from({ length: 15 }, () => update('a', {}, { touch: true }));
  const outcomes = store.batch(touches, touches, touches, [create('b')]);
  succeeds(outcomes[0]);
  succeeds(outcomes[1]);
  fails(outcomes[2], 'busy', 5);
  succeeds(outcomes[3]);
  store.check();
});

test('a vertex with too many edges is not deleted in one transaction', () => {
  const store = storeWith(create('hub'));
  for (let batch = 0; batch < 11; batch += 1) {
    const leaves = Array.from({ length: 1000 }, (_, at) => `l${batch}-${at}`);
    succeeds(store.request(...leaves.map((id) => create(id))));
    succeeds(store.request(...leaves.slice(0, batch === 10 ? 1 : 1000).map((id) => connect('hub', 'v', id))));
  }
  fails(store.request(remove('hub')), 'too-large');
  succeeds(store.request(remove('l10-0'), remove('hub')));
});

test('elements of Saga and SPACE live in the default scope of their tenant, whoever creates them', () => {
  const store = new TestStore();
  store.defaultScope = 'attic';
  const property = { op: 'create', type: 'saga/Property', attributes: { name: 'mood' } } as const;
  assert.equal(store.request({ ...property, id: 'p1' }).ok, true);
  assert.equal(store.rows.get('p1')?.element.scope, 'main', 'not the scope of the writer');
  const refused = store.request({ ...property, id: 'p2', scope: 'attic' });
  assert.deepEqual(refused.ok ? undefined : refused.failure.code, 'not-allowed');
  assert.equal(store.request({ ...property, id: 'p3', scope: 'main' }).ok, true);
  const missing = { op: 'update', target: { id: 's1' }, ifMissing: { type: 'space/Service', scope: 'attic', attributes: {} } } as const;
  assert.equal(store.request(missing).ok, false);
  assert.equal(store.request({ op: 'create', type: 'ogit/Note', id: 'n1', attributes: {} }).ok, true);
  assert.equal(store.rows.get('n1')?.element.scope, 'attic');
});

test('ids of Saga properties cannot be taken in another scope', () => {
  const store = storeWith();
  const make = (id: string, scope: string): Operation => ({ op: 'create', type: 'Note', id, scope, attributes: {} });
  const bot = 'a'.repeat(24);
  for (const id of ['saga-globals', 'saga-globals:mood', `${bot}:mood`, `c${bot}_c${bot}:mood`]) {
    fails(store.request(make(id, 'mine')), 'not-allowed');
    fails(store.request({ op: 'replace', target: { id }, attributes: {}, ifMissing: { type: 'Note', scope: 'mine' } }), 'not-allowed');
    succeeds(store.request(make(id, 'main')));
  }
  for (const id of ['saga-globals:a b', 'urn:mood', bot, `c${bot}_c${bot}`]) succeeds(store.request(make(id, 'mine')));
});
