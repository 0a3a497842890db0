/** Every kind of mutation and guard over NATS, on two replicas. The rules themselves are tried in src/core; this is about the way through. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphGet, type MutationOutcome, type Operation } from '@polyedge/contracts/bus/graph';
import type { Json } from '@polyedge/query/json';
import { freshId, requestOf, TENANT } from './running-store.ts';
import { store } from './store-scene.ts';

const create = (id: string, attributes: Record<string, Json> = {}): Operation => ({ op: 'create', type: 'test/Thing', id, attributes });

async function get(id: string, includeDeleted = false) {
  const read = await store.bus.request(
    graphGet,
    graphGet.subject({ tenant: TENANT }),
    { ids: [id], includeDeleted },
    { timeoutMs: 30_000 },
  );
  assert.ok(read.ok, JSON.stringify(read));
  return read.value.elements[0] ?? undefined;
}

test('create, update, replace and delete increment versions, and a read returns what the write returned', async () => {
  const id = freshId();
  const created = await store.element(create(id, { a: 1, 'b.c': ['x', null, { d: 'ü"\\\u2028' }] }));
  assert.equal(created.version, 1);
  const updated = await store.element({ op: 'update', target: { id }, set: { a: null, e: 2 }, unset: ['b.c'] });
  assert.deepEqual([updated.version, updated.attributes], [2, { a: null, e: 2 }]);
  const put = await store.element({ op: 'update', target: { id }, put: [{ path: ['deep', 'er'], value: [1] }] });
  assert.deepEqual(put.attributes.deep, { er: [1] });
  const replaced = await store.element({ op: 'replace', target: { id }, attributes: { f: 1.5e-300 }, keep: ['de'] });
  assert.deepEqual(replaced.attributes, { f: 1.5e-300, deep: { er: [1] } });
  assert.deepEqual(await get(id), replaced);
  const deleted = await store.element({ op: 'delete', target: { id } });
  assert.equal(deleted.deleted, true);
  assert.equal(await get(id), undefined);
  assert.deepEqual(await get(id, true), deleted);
  assert.equal((await store.refused({ op: 'update', target: { id }, set: { a: 1 } })).code, 'not-found');
  const again = await store.element(create(id));
  assert.equal(again.version, 6);
});

test('guards refuse with their own failure and leave no trace', async () => {
  const id = freshId();
  await store.done(create(id, { n: 1, state: 'open' }));
  const isOpen = { test: 'equal', path: ['attributes', 'state'], value: 'open' } as const;
  const isShut = { test: 'equal', path: ['attributes', 'state'], value: 'shut' } as const;
  const set = { n: 2 };
  const code = async (operation: Operation): Promise<string> => (await store.refused(operation)).code;
  assert.equal(await code({ op: 'update', target: { id }, set, before: isShut }), 'not-allowed');
  assert.equal(await code({ op: 'update', target: { id }, set, after: isShut }), 'not-allowed');
  assert.equal(await code({ op: 'update', target: { id }, set, version: 7 }), 'conflict');
  assert.equal(await code({ op: 'update', target: { where: { test: 'equal', path: ['id'], value: id } }, set, expect: 2 }), 'conflict');
  assert.equal(await code({ op: 'update', target: { where: { test: 'equal', path: ['id'], value: id } }, set, atMost: 0 }), 'not-allowed');
  assert.equal(await code(create(id)), 'conflict');
  assert.equal((await get(id))?.version, 1);
  const passed = await store.element({
    op: 'update',
    target: { id, where: isOpen },
    set,
    before: isOpen,
    after: isOpen,
    version: 1,
    expect: 1,
    atMost: 1,
  });
  assert.equal(passed.attributes.n, 2);
});

test('a request is atomic, and an update of nothing is recorded only on request', async () => {
  const [one, two] = [freshId(), freshId()];
  assert.equal((await store.mutate(create(one), { op: 'update', target: { id: two }, set: { a: 1 } })).ok, false);
  assert.equal(await get(one), undefined);
  const first = await store.element(create(one, { a: 1 }));
  const nothing = await store.done({ op: 'update', target: { id: one }, set: { a: 1 } });
  assert.deepEqual([nothing.first, nothing.last, nothing.operations[0]?.unchanged], [0, 0, true]);
  const touched = await store.element({ op: 'update', target: { id: one }, set: { a: 1 }, touch: true });
  assert.equal(touched.version, first.version + 1);
});

test('operators apply to existing values, and create the element on request', async () => {
  const id = freshId('counter');
  const incr: Operation = {
    op: 'apply',
    target: { id },
    attribute: 'n',
    operator: 'incr',
    value: 2,
    ifMissing: { type: 'test/Counter', id },
  };
  assert.equal((await store.element(incr)).attributes.n, 2);
  const twice = await store.done(incr, incr);
  assert.equal(twice.last - twice.first, 1, 'two increments are two changes');
  assert.equal((await get(id))?.attributes.n, 6);
  await store.done({ op: 'apply', target: { id }, attribute: 'list', operator: 'rpush', value: 'a' });
  const popped = await store.done({ op: 'apply', target: { id }, attribute: 'list', operator: 'lpop' });
  assert.equal(popped.operations[0]?.popped, 'a');
});

test('a criteria update changes every element it selects, and those that stop matching meanwhile are left alone', async () => {
  const group = freshId('group');
  await store.done(...Array.from({ length: 20 }, (_, n) => create(freshId(), { group, n })));
  const where = {
    all: [
      { test: 'equal', path: ['attributes', 'group'], value: group },
      { test: 'less', path: ['attributes', 'n'], value: 10 },
    ],
  } as const;
  const [left, right] = await Promise.all([
    store.done({ op: 'update', target: { where }, set: { n: 100, by: 'left' } }),
    store.done({ op: 'update', target: { where }, set: { n: 100, by: 'right' } }),
  ]);
  const changed = [left, right].map((result) => (result.first === 0 ? 0 : result.last - result.first + 1));
  assert.deepEqual(
    changed.toSorted((a, b) => a - b),
    [0, 10],
  );
});

test('edges connect two living vertices once, and a deleted vertex takes them along', async () => {
  const [one, two] = [freshId(), freshId()];
  await store.done(create(one), create(two));
  const connect: Operation = { op: 'connect', out: one, verb: 'test/knows', in: two, attributes: { since: 1 } };
  const edge = await store.element(connect);
  assert.deepEqual([edge.kind, edge.out, edge.in, edge.id, edge.outType], ['edge', one, two, `${one}$$test/knows$$${two}`, 'test/Thing']);
  assert.equal((await store.refused(connect)).code, 'conflict');
  assert.equal((await store.done({ ...connect, ifExists: 'keep' })).first, 0);
  assert.equal((await store.refused({ ...connect, in: 'nothing' })).code, 'not-found');
  await store.element({ op: 'delete', target: { id: edge.id } });
  assert.equal((await store.element(connect)).version, 3);
  const cascade = await store.done({ op: 'delete', target: { id: two } });
  assert.equal(cascade.last - cascade.first, 1);
  const last = await store.sql<
    { element: string }[]
  >`select element from journal where seq between ${cascade.first} and ${cascade.last} order by seq`;
  assert.deepEqual(
    last.map(({ element }) => element),
    [edge.id, two],
    'the edge goes before its vertex',
  );
  assert.equal(await get(edge.id), undefined);
});

test('deleting a vertex and connecting to it at once leave no edge to nothing', async () => {
  for (let round = 0; round < 10; round += 1) {
    const [one, two] = [freshId(), freshId()];
    await store.done(create(one), create(two));
    await Promise.all([
      store.mutate({ op: 'connect', out: one, verb: 'test/knows', in: two }),
      store.mutate({ op: 'delete', target: { id: two } }),
    ]);
    assert.equal(await get(`${one}$$test/knows$$${two}`), undefined);
  }
});

test('of many that claim one unique key at once over two replicas, one gets it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const name = freshId('name');
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, () => store.mutate({ op: 'create', type: 'test/Named', attributes: { name }, unique: ['name'] })),
    );
    assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
    for (const outcome of outcomes) if (!outcome.ok) assert.equal(outcome.failure.code, 'conflict');
  }
  const xid = freshId('xid');
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, () => store.mutate({ op: 'create', type: 'test/Named', xid, attributes: {}, unique: ['xid'] })),
  );
  assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
  const holder = outcomes.find((outcome) => outcome.ok);
  assert.ok(holder?.ok);
  await store.done({ op: 'delete', target: { id: holder.value.operations[0]?.elements[0]?.id ?? '' } });
  await store.element({ op: 'create', type: 'test/Named', xid, attributes: {}, unique: ['xid'] });
});

test('many increments over two replicas add up', async () => {
  const id = freshId('counter');
  await store.done(create(id, { n: 0 }));
  await Promise.all(
    Array.from({ length: 200 }, () => store.done({ op: 'apply', target: { id }, attribute: 'n', operator: 'incr', value: 1 })),
  );
  assert.equal((await get(id))?.attributes.n, 200);
  assert.equal((await get(id))?.version, 201);
});

test('deletes, connects and updates across each other on two replicas end without a failure of the database', async () => {
  const ids = Array.from({ length: 8 }, () => freshId('busy'));
  await store.done(...ids.map((id) => create(id)));
  const pick = (n: number): string => ids[n % ids.length] ?? '';
  const outcomes = await Promise.all(
    Array.from({ length: 300 }, (_, n): Promise<MutationOutcome> => {
      switch (n % 4) {
        case 0:
          return store.mutate({ op: 'connect', out: pick(n), verb: 'test/knows', in: pick(n * 7 + 1), ifExists: 'keep' });
        case 1:
          return store.mutate(
            { op: 'delete', target: { id: pick(n * 3) } },
            { op: 'create', type: 'test/Thing', id: pick(n * 3), attributes: { n } },
          );
        case 2:
          return store.mutate(
            { op: 'update', target: { id: pick(n * 5) }, set: { n }, ifMissing: { type: 'test/Thing', id: pick(n * 5) } },
            { op: 'update', target: { id: pick(n * 5 + 3) }, set: { n }, ifMissing: { type: 'test/Thing', id: pick(n * 5 + 3) } },
          );
        default:
          return store.mutate({
            op: 'delete',
            target: {
              where: {
                all: [
                  { test: 'equal', path: ['kind'], value: 'edge' },
                  { test: 'equal', path: ['out'], value: pick(n) },
                ],
              },
            },
          });
      }
    }),
  );
  for (const outcome of outcomes) {
    if (!outcome.ok) assert.ok(['not-found', 'conflict'].includes(outcome.failure.code), JSON.stringify(outcome));
  }
  const [row] = await store.sql<{ rows: number; seq: number; dangling: number }[]>`
    select (select count(*) from journal) as rows, (select seq from sequencer) as seq,
      (select count(*) from element e join element v on v.tenant = e.tenant and v.id in (e.out_id, e.in_id) where not e.deleted and v.deleted) as dangling`;
  assert.deepEqual([row?.rows, row?.dangling], [row?.seq, 0]);
});

test('a poison request fails alone in a full batch', async () => {
  const deep = (depth: number): Json => (depth === 0 ? 1 : [deep(depth - 1)]);
  const poison: { readonly [name: string]: Operation } = {
    NUL: create(freshId(), { a: 'x\u0000y' }),
    'NUL in a name': create(freshId(), { 'x\u0000y': 1 }),
    'NUL in an id': create(`a\u0000${freshId()}`),
    'a lone surrogate': create(freshId(), { a: '\ud800' }),
    'a lone surrogate in a name': create(freshId(), { '\udc00': 1 }),
    depth: create(freshId(), { a: deep(70) }),
    'a long id': create('x'.repeat(513)),
    'an empty id': create(''),
    'a long type': { op: 'create', type: 'x'.repeat(600), attributes: {} },
    'a long key': { op: 'create', type: 'test/Thing', attributes: {}, unique: ['x'.repeat(600)] },
    'a long end of an edge': { op: 'connect', out: 'x'.repeat(600), verb: 'test/knows', in: 'y' },
    'a long text': create(freshId(), { a: 'x'.repeat(2 * 1024 * 1024) }),
  };
  const good = Array.from({ length: 100 }, (_, n) => requestOf(create(freshId(), { n })));
  for (const [name, operation] of Object.entries(poison)) {
    const requests = [...good.slice(0, 50), requestOf(operation), ...good.slice(50)].map((request) => ({ ...request, ...fresh() }));
    const reply = await store.send(
      requests.map((request, at) => (at === 50 ? request : { ...request, operations: [create(freshId(), { at })] })),
    );
    assert.ok(reply.ok, `${name}: ${JSON.stringify(reply)}`);
    const failed = reply.value.outcomes.flatMap((outcome, at) => (outcome.ok ? [] : [{ at, code: outcome.failure.code }]));
    assert.deepEqual(
      failed.map(({ at }) => at),
      [50],
      name,
    );
    assert.ok(['invalid', 'too-large'].includes(failed[0]?.code ?? ''), name);
  }
});

const fresh = () => ({ operationId: requestOf().operationId });

test('requests of one message take effect in its order', async () => {
  const id = freshId();
  const reply = await store.send([
    requestOf(create(id, { n: 0 })),
    requestOf(create(id, { n: 100 })),
    ...Array.from({ length: 50 }, (_, n) =>
      requestOf({ op: 'update', target: { id }, set: { n: n + 1 }, before: { test: 'equal', path: ['attributes', 'n'], value: n } }),
    ),
  ]);
  assert.ok(reply.ok);
  assert.deepEqual(
    reply.value.outcomes.map(({ ok }) => ok),
    [true, false, ...Array.from({ length: 50 }, () => true)],
  );
});
