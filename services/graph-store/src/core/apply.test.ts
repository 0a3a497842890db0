/** What each operation does to elements, and what it records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { JsonObject } from '@polyedge/query/json';
import { attributesOf, connect, create, equal, fails, remove, storeWith, succeeds, update } from '../../test/operations.ts';
import { TestStore } from '../testing/test-store.ts';

test('a vertex is created with version 1, its stamps and the default scope', () => {
  const store = storeWith(create('a', { x: 1 }, { xid: 'x-1' }));
  const element = store.element('a');
  const stamp = { on: 1_001, by: 'anna', app: 'test' };
  assert.deepEqual(element, {
    tenant: 'acme',
    id: 'a',
    kind: 'vertex',
    type: 'Note',
    scope: 'main',
    xid: 'x-1',
    attributes: { x: 1 },
    version: 1,
    seq: 1,
    created: stamp,
    modified: stamp,
    deleted: false,
  });
  assert.deepEqual(store.history('a'), [undefined, element]);
  const made = succeeds(store.request({ op: 'create', type: 'Note', attributes: {} }));
  assert.equal(made.operations[0]?.elements[0]?.id, 'new-1');
});

test('an id is taken until its element is deleted; then the element can be created again, and its versions continue', () => {
  const store = storeWith(create('a', { x: 1 }, { xid: 'x-1' }));
  fails(store.request(create('a')), 'conflict');
  succeeds(store.request(remove('a')));
  succeeds(store.request(create('a', { y: 2 }, { type: 'Task', scope: 'other' })));
  const element = store.element('a');
  assert.deepEqual([element?.version, element?.type, element?.xid, element?.created.on], [3, 'Task', undefined, 1_004]);
  const [, first, deleted, again] = store.history('a');
  assert.deepEqual(
    [first?.deleted, deleted?.deleted, deleted?.xid, deleted?.scope, deleted?.created.on],
    [false, true, 'x-1', 'main', 1_001],
  );
  assert.deepEqual(again, element);
  store.check();
});

test('update merges set, sets inside with put, and removes with unset', () => {
  const store = storeWith(create('a', { x: 1, keep: true, deep: { list: [1] } }));
  succeeds(
    store.request(
      update(
        'a',
        { x: null },
        {
          put: [
            { path: ['deep', 'b', 'c'], value: 2 },
            { path: ['x', 'y'], value: 3 },
          ],
          unset: ['keep'],
        },
      ),
    ),
  );
  assert.deepEqual(attributesOf(store, 'a'), { x: { y: 3 }, deep: { list: [1], b: { c: 2 } } });
  fails(store.request(update('a', {}, { put: [{ path: ['deep', 'list', 'c'], value: 2 }] })), 'invalid');
  store.check();
});

test('__proto__ is an ordinary attribute, also when a change is undone', () => {
  const proto: JsonObject = JSON.parse('{"__proto__":{"x":1},"constructor":1}');
  const store = storeWith(create('a', proto));
  succeeds(store.request({ op: 'update', target: { id: 'a' }, put: [{ path: ['__proto__', 'x'], value: 2 }], unset: ['constructor'] }));
  assert.equal(JSON.stringify(attributesOf(store, 'a')), '{"__proto__":{"x":2}}');
  succeeds(store.request({ op: 'replace', target: { id: 'a' }, attributes: {} }));
  assert.equal(JSON.stringify(store.history('a')[2]?.attributes), '{"__proto__":{"x":2}}');
  assert.equal(JSON.stringify(store.history('a')[1]?.attributes), JSON.stringify(proto));
});

test('an operation that changes nothing is not recorded unless touch is set', () => {
  const store = storeWith(create('a', { x: { p: 1, q: 2 } }));
  const same = succeeds(store.request(update('a', { x: { q: 2, p: 1 } })));
  assert.deepEqual([same.operations[0]?.unchanged, same.changes.length, store.element('a')?.version], [true, 0, 1]);
  const touched = succeeds(store.request(update('a', {}, { touch: true })));
  assert.deepEqual([touched.changes.length, store.element('a')?.version, touched.changes[0]?.undo.set], [1, 2, {}]);
  store.check();
});

test('two operations on one element in one batch are two changes and two versions', () => {
  const store = new TestStore();
  const outcomes = store.batch([create('a', { n: 0 })], [update('a', { n: 1 }), update('a', { n: 2 })], [update('a', { n: 3 })]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.ok && outcome.changes.map((change) => [change.seq, change.version, change.undo.seq])),
    [
      [[1, 1, 0]],
      [
        [2, 2, 1],
        [3, 3, 2],
      ],
      [[4, 4, 3]],
    ],
  );
  assert.deepEqual([store.journal[2]?.first, store.journal[2]?.last], [2, 3]);
  store.check();
});

test('a request that fails leaves nothing behind for the next one of its batch', () => {
  const store = storeWith(create('a', { n: 1 }, { xid: 'one' }));
  const outcomes = store.batch(
    [update('a', { n: 9 }), create('b', {}, { xid: 'two' }), remove('nobody')],
    [create('c', {}, { xid: 'two' }), update('a', { m: 1 })],
  );
  fails(outcomes[0], 'not-found', 2);
  succeeds(outcomes[1]);
  assert.deepEqual([attributesOf(store, 'a'), store.element('b'), store.element('a')?.seq], [{ n: 1, m: 1 }, undefined, 3]);
  store.check();
});

test('a missing or deleted target is not found, unless the operation creates it', () => {
  const store = storeWith(create('gone'), remove('gone'));
  for (const id of ['gone', 'never']) {
    fails(store.request(update(id, {})), 'not-found');
    fails(store.request({ op: 'replace', target: { id }, attributes: {} }), 'not-found');
    fails(store.request(remove(id)), 'not-found');
    fails(store.request({ op: 'apply', target: { id }, attribute: 'n', operator: 'incr', value: 1 }), 'not-found');
  }
  const made = succeeds(store.request(update('gone', { x: 1 }, { ifMissing: { type: 'Note', attributes: { y: 2 } } })));
  assert.deepEqual([attributesOf(store, 'gone'), store.element('gone')?.version, made.changes[0]?.action], [{ y: 2, x: 1 }, 3, 'create']);
  succeeds(store.request({ op: 'apply', target: { id: 'n' }, attribute: 'n', operator: 'incr', value: 2, ifMissing: { type: 'Note' } }));
  assert.deepEqual(attributesOf(store, 'n'), { n: 2 });
  fails(
    store.request({ op: 'apply', target: { id: 'm' }, attribute: 'n', operator: 'rem', value: 2, ifMissing: { type: 'Note' } }),
    'not-found',
  );
  assert.equal(store.element('m'), undefined);
  fails(store.request(update('v', {}, { version: 1, ifMissing: { type: 'Note' } })), 'conflict');
  // It exists but does not match the target's filter: the id stays taken.
  const hidden: Operation = { op: 'update', target: { id: 'n', where: equal('n', 3) }, ifMissing: { type: 'Note' } };
  fails(store.request(hidden), 'conflict');
  store.check();
});

test('criteria select the living elements that match now, including those that the batch has just created', () => {
  const store = storeWith(create('a', { t: 1 }), create('b', { t: 1 }), create('dead', { t: 1 }), remove('dead'));
  const where = equal('t', 1);
  const outcomes = store.batch(
    [update('b', { t: 2 }), create('c', { t: 1 })],
    [{ op: 'update', target: { where }, set: { seen: true } }],
    [{ op: 'update', target: { where }, set: { t: 3 }, expect: 3 }],
    [{ op: 'update', target: { where }, set: { t: 3 }, atMost: 1 }],
    [{ op: 'delete', target: { where } }],
    [{ op: 'update', target: { where }, set: { x: 1 } }],
    [{ op: 'update', target: { where }, ifMissing: { type: 'Note', attributes: { t: 1 } }, expect: 1 }],
  );
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.ok ? outcome.operations[0]?.elements.map((element) => element.id) : outcome.failure.code)),
    [['b'], ['a', 'c'], 'conflict', 'not-allowed', ['a', 'c'], [], ['new-1']],
  );
  store.check();
});

test('guards check the state before, the version and the state after', () => {
  const store = storeWith(create('a', { n: 1 }));
  fails(store.request(update('a', { n: 2 }, { before: equal('n', 2) })), 'not-allowed');
  fails(store.request(update('a', { n: 2 }, { after: equal('n', 1) })), 'not-allowed');
  fails(store.request(update('a', { n: 2 }, { version: 2 })), 'conflict');
  fails(store.request(create('b', {}, { after: equal('n', 1) })), 'not-allowed');
  fails(store.request({ op: 'delete', target: { id: 'a' }, before: equal('n', 2) }), 'not-allowed');
  succeeds(store.request(update('a', { n: 2 }, { before: equal('n', 1), after: equal('n', 2), version: 1 })));
  assert.equal(store.journal.length, 2);
});

test('replace keeps the attributes named by keep', () => {
  const store = storeWith(create('a', { 'ogit/_owner': 'anna', 'ogit/_tags': 'x', free: 1 }));
  succeeds(store.request({ op: 'replace', target: { id: 'a' }, attributes: { 'ogit/_tags': 'y', b: 2 }, keep: ['ogit/_'] }));
  assert.deepEqual(attributesOf(store, 'a'), { 'ogit/_owner': 'anna', 'ogit/_tags': 'y', b: 2 });
  store.check();
});

test('living vertices are connected once per verb, and can be connected again after a disconnect', () => {
  const store = storeWith(create('a'), create('b', {}, { type: 'Task' }), connect('a', 'likes', 'b'));
  const edge = store.element('a$$likes$$b');
  assert.deepEqual([edge?.type, edge?.out, edge?.in, edge?.outType, edge?.inType], ['likes', 'a', 'b', 'Note', 'Task']);
  assert.deepEqual(store.journal.at(-1)?.owners, ['a$$likes$$b', 'a', 'b']);
  fails(store.request(connect('a', 'likes', 'b')), 'conflict');
  const kept = succeeds(store.request({ op: 'connect', out: 'a', verb: 'likes', in: 'b', ifExists: 'keep', attributes: { x: 1 } }));
  assert.deepEqual([kept.operations[0]?.unchanged, kept.changes.length, attributesOf(store, 'a$$likes$$b')], [true, 0, {}]);
  fails(store.request(connect('a', 'likes', 'nobody')), 'not-found');
  fails(
    store.request({ op: 'connect', out: 'a', verb: 'v', in: 'b', ends: { test: 'equal', path: ['type'], value: 'Note' } }),
    'not-allowed',
  );
  const cut = succeeds(store.request(remove('a$$likes$$b')));
  assert.equal(cut.changes[0]?.action, 'disconnect');
  succeeds(store.request(remove('b'), create('b', {}, { type: 'Other' }), connect('a', 'likes', 'b'), connect('a', 'likes', 'a')));
  assert.deepEqual([store.element('a$$likes$$b')?.version, store.element('a$$likes$$b')?.inType], [3, 'Other']);
  store.check();
});

test('deleting a vertex deletes its edges, with one change each before its own', () => {
  const store = storeWith(
    create('a'),
    create('b'),
    connect('a', 'v', 'b'),
    connect('b', 'v', 'a'),
    connect('a', 'v', 'a'),
    create('c'),
    connect('b', 'v', 'c'),
  );
  const [, outcome] = store.batch([connect('c', 'w', 'a')], [remove('a')]);
  const { changes, operations } = succeeds(outcome);
  assert.deepEqual(
    changes.map((change) => [change.action, change.id]),
    [
      ['disconnect', 'a$$v$$a'],
      ['disconnect', 'a$$v$$b'],
      ['disconnect', 'b$$v$$a'],
      ['disconnect', 'c$$w$$a'],
      ['delete', 'a'],
    ],
  );
  assert.deepEqual(
    operations[0]?.elements.map((element) => [element.id, element.deleted, element.attributes]),
    [['a', true, {}]],
  );
  assert.equal(store.element('b$$v$$c')?.deleted, false);
  store.check();
});

test('criteria that select a vertex and its edge delete the edge once', () => {
  const store = storeWith(create('a'), create('b'), connect('a', 'v', 'b'));
  const { changes, operations } = succeeds(store.request({ op: 'delete', target: { where: { all: [] } } }));
  assert.deepEqual(
    [changes.length, operations[0]?.elements.length, operations[0]?.elements.every((element) => element.deleted)],
    [3, 3, true],
  );
  store.check();
});

test('saga:10 operators return the element and the popped value, and record even an equal value if touched', () => {
  const property = (id: string): Operation => create(id, { name: 'score', parent_id: 'u1', value: [1, 2] }, { type: 'saga/Property' });
  const apply = (rest: Partial<Extract<Operation, { op: 'apply' }>>): Operation => ({
    op: 'apply',
    target: { id: 'p' },
    attribute: 'value',
    operator: 'lpop',
    touch: true,
    ...rest,
  });
  const store = storeWith(property('p'));
  const popped = succeeds(store.request(apply({})));
  assert.deepEqual([popped.operations[0]?.popped, attributesOf(store, 'p')?.value], [1, [2]]);
  const equalValue = succeeds(store.request(apply({ operator: 'sadd', value: 2 })));
  assert.deepEqual([equalValue.changes.length, equalValue.operations[0]?.unchanged], [1, undefined]);
  succeeds(store.request(update('p', { value: { a: [1] } })));
  const nothing = succeeds(store.request(apply({ operator: 'hlpop', key: 'b' })));
  assert.deepEqual([nothing.changes.length, nothing.operations[0]], [0, { elements: [store.element('p')], unchanged: true, popped: null }]);
  fails(store.request(apply({ operator: 'hlpop', key: '__proto__' })), 'invalid');
  fails(store.request(apply({ operator: 'incr', value: 1 })), 'invalid');
  assert.deepEqual(store.journal[0]?.owners, ['p', 'u1']);
  fails(store.request(create('q', { name: 'two words' }, { type: 'saga/Property' })), 'invalid');
  store.check();
});

test('a watch of the old owner sees that the element left', () => {
  const store = storeWith(create('p', { name: 'n', parent_id: 'u1' }, { type: 'saga/Property' }));
  succeeds(store.request(update('p', { parent_id: 'u2' })));
  assert.deepEqual(store.journal.at(-1)?.owners, ['p', 'u2', 'u1']);
  succeeds(store.request(update('p', { parent_id: null })));
  assert.deepEqual(store.journal.at(-1)?.owners, ['p', 'u2']);
});

test('values of a time series are one change without them', () => {
  const store = storeWith(create('a', { x: 1 }));
  const { changes } = succeeds(store.request({ op: 'write-values', target: { id: 'a' }, values: [{ at: 5, value: 'v' }] }));
  assert.deepEqual([changes.length, changes[0]?.action, changes[0]?.state.version], [1, 'write-values', 2]);
  assert.deepEqual(store.values, [{ id: 'a', seq: 2, values: [{ at: 5, value: 'v' }] }]);
  store.check();
});

test('content is attached once it is complete, and stays with a replaced vertex', () => {
  const store = storeWith(create('a', { x: 1 }));
  const attach = (content: string | null, set: JsonObject = {}): Operation => ({ op: 'attach', target: { id: 'a' }, content, set });
  fails(store.request(attach('c1')), 'not-found');
  store.contents.add('c1');
  assert.equal(succeeds(store.request(attach('c1', { size: 3 }))).changes[0]?.action, 'write-blob');
  succeeds(store.request({ op: 'replace', target: { id: 'a' }, attributes: {} }));
  assert.deepEqual(attributesOf(store, 'a'), { 'ogit/_c-id': 'c1' });
  assert.equal(succeeds(store.request(attach('c1'))).operations[0]?.unchanged, true);
  assert.equal(succeeds(store.request(attach(null))).changes[0]?.action, 'delete-blob');
  store.check();
});
