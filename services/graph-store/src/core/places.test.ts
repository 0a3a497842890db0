import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { owners } from './owners.ts';
import { plan } from './plan.ts';
import { partitionOf, slotOf } from './slot.ts';
import { joinKey, splitKey, uniqueKey, uniqueKeys } from './unique.ts';

test('a slot is the first two bytes of the hash modulo 256, and a partition follows from it', () => {
  for (const id of ['a', 'ü', 'a$$v$$b']) {
    const bytes = createHash('sha256').update(id).digest();
    assert.equal(slotOf(id), ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) % 256);
    assert.equal(partitionOf(slotOf(id), 16), slotOf(id) % 16);
  }
});

test('owners are the element itself, the ends of an edge, the parent of a property, the sender and recipients of a message', () => {
  const vertex = (type: string, attributes: Parameters<typeof owners>[0]['attributes']) =>
    owners({ id: 'x', kind: 'vertex', type, attributes });
  assert.deepEqual(vertex('Note', { parent_id: 'p' }), ['x']);
  assert.deepEqual(vertex('saga/Property', { parent_id: 'p' }), ['x', 'p']);
  assert.deepEqual(vertex('saga/Property', { parent_id: null }), ['x']);
  assert.deepEqual(vertex('saga/Message', { sender_id: 'u1', user_ids: ['u1', 'u2', 7, ''], bot_ids: ['b1'] }), ['x', 'u1', 'u2', 'b1']);
  assert.equal(vertex('saga/Message', { user_ids: Array.from({ length: 500 }, (_, at) => `u${at}`) }).length, 256);
  assert.deepEqual(owners({ id: 'a$$v$$a', kind: 'edge', type: 'v', attributes: {}, out: 'a', in: 'a' }), ['a$$v$$a', 'a']);
});

test('equal values have equal keys, different ones do not, and every key fits an index', () => {
  assert.equal(uniqueKey('T', 'n', { a: 1, b: 2 }), uniqueKey('T', 'n', { b: 2, a: 1 }));
  const keys = [
    uniqueKey('T', 'n', 1),
    uniqueKey('T', 'n', '1'),
    uniqueKey('U', 'n', 1),
    uniqueKey('T', 'm', 1),
    ...uniqueKeys('T', '1', {}, ['xid']),
  ];
  keys.push(uniqueKey('T', 'xid', '1'), uniqueKey('T', 'n', 'y'.repeat(10_000)), uniqueKey('t'.repeat(512), 'n', 1));
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) {
    const { name, value } = splitKey(key);
    assert.ok(name.length + value.length <= 512);
    assert.equal(joinKey({ name, value }), key);
  }
  assert.deepEqual(uniqueKeys('T', undefined, { n: null }, ['n', 'm']), []);
});

test('a plan names every row a request needs, once', () => {
  const where = { test: 'present', path: ['attributes', 'p'] } as const;
  const planned = plan({
    operations: [
      { op: 'create', type: 'T', id: 'a', xid: 'x', attributes: { n: 1 }, unique: ['n'], schema: { id: 's', attribute: 'body' } },
      { op: 'connect', out: 'a', verb: 'v', in: 'b', accounts: true },
      { op: 'update', target: { id: 'a' }, set: {}, ifMissing: { type: 'T', xid: 'y' } },
      { op: 'delete', target: { id: 'c' } },
      { op: 'delete', target: { id: 'a$$v$$b' } },
      { op: 'delete', target: { where } },
      { op: 'attach', target: { where }, content: 'k' },
    ],
  });
  assert.deepEqual(planned, {
    vertices: ['a', 'c'],
    shared: ['s', 'a', 'b'],
    edges: ['a$$v$$b'],
    adjacency: ['c'],
    criteria: [
      { operation: 5, filter: where, deletes: true },
      { operation: 6, filter: where, deletes: false },
    ],
    uniqueKeys: [...uniqueKeys('T', 'x', { n: 1 }, ['n']), ...uniqueKeys('T', 'y', {}, [])],
    accounts: ['a', 'b'],
    contents: ['k'],
  });
});
