/** Reads over NATS: queries and their pages, history, time series and blobs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { graphChanged } from '@polyedge/contracts/bus/feed';
import {
  CHUNK_BYTES,
  graphGet,
  graphHistory,
  graphQuery,
  graphReadChunk,
  graphValues,
  graphWriteChunk,
  type Operation,
} from '@polyedge/contracts/bus/graph';
import { stateBefore } from '@polyedge/contracts/change';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import { HotJournal } from '@polyedge/journal/hot-journal';
import { connectRedis } from '@polyedge/journal/redis';
import { equalJson } from '@polyedge/query/equality';
import type { Json, JsonObject } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import { until } from '@polyedge/testkit/until';
import fc from 'fast-check';
import { freshId, positionOf, TENANT } from './running-store.ts';
import { store } from './store-scene.ts';

const create = (id: string, attributes: Record<string, Json> = {}, type = 'test/Thing'): Operation => ({
  op: 'create',
  type,
  id,
  attributes,
});
const query = (request: RequestOf<typeof graphQuery>) =>
  store.bus.request(graphQuery, graphQuery.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
const ofGroup = (group: string) => ({ test: 'equal', path: ['attributes', 'group'], value: group }) as const;

async function found(request: RequestOf<typeof graphQuery>): Promise<ReplyOf<typeof graphQuery>> {
  const reply = await query(request);
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}

async function connectedRedis() {
  const client = connectRedis({ url: store.redis.url, name: 'test', onError: () => {} });
  await once(client, 'ready');
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

/** The attribute `value` of every element in the hot journal. */
async function newestValues(hot: HotJournal, partitions: number): Promise<ReadonlyMap<string, Json>> {
  const values = new Map<string, Json>();
  for (let partition = 0; partition < partitions; partition += 1) {
    const { generation } = await hot.state(partition);
    const page = await hot.read(partition, generation, 0, 10_000);
    if (page.is !== 'read') continue;
    for (const { json } of page.entries) {
      const { id, state } = parseOwnJson(json) as { readonly id: string; readonly state: { readonly attributes: JsonObject } };
      values.set(id, state.attributes.value ?? null);
    }
  }
  return values;
}

async function history(request: RequestOf<typeof graphHistory>): Promise<ReplyOf<typeof graphHistory>> {
  const reply = await store.bus.request(graphHistory, graphHistory.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 });
  assert.ok(reply.ok, JSON.stringify(reply));
  return reply.value;
}

test('a query pages by cursor and by offset, sorts, counts and projects', async () => {
  const group = freshId('group');
  await store.done(...Array.from({ length: 25 }, (_, n) => create(freshId(), { group, n: n % 5, other: 'x' })));
  const sort = [{ path: ['attributes', 'n'], order: 'desc' }] as const;
  const seen: { n: Json | undefined; id: string }[] = [];
  let cursor: string | undefined;
  do {
    const page = await found({ filter: ofGroup(group), sort, limit: 10, fields: ['n'], ...(cursor === undefined ? {} : { cursor }) });
    for (const { attributes, id } of page.elements) {
      assert.deepEqual(Object.keys(attributes), ['n']);
      seen.push({ n: attributes.n, id });
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  assert.equal(new Set(seen.map(({ id }) => id)).size, 25);
  assert.deepEqual(
    seen.map(({ n }) => n),
    [4, 3, 2, 1, 0].flatMap((n) => [n, n, n, n, n]),
  );
  const skipped = await found({ filter: ofGroup(group), sort, limit: 10, offset: 10 });
  assert.deepEqual(
    skipped.elements.map(({ id }) => id),
    seen.slice(10, 20).map(({ id }) => id),
  );
  const counted = await found({ filter: ofGroup(group), limit: 0, count: true });
  assert.deepEqual([counted.count, counted.elements.length], [25, 0]);
  const none = await found({ filter: ofGroup('none'), count: true });
  assert.deepEqual([none.count, none.elements, none.seq > 0], [0, [], true]);
});

test('rows and count of one reply come from one state, whatever is written meanwhile', async () => {
  const group = freshId('group');
  await store.done(create(freshId(), { group }));
  let writing = true;
  const writer = (async () => {
    while (writing) await store.done(create(freshId(), { group }));
  })();
  try {
    for (let round = 0; round < 50; round += 1) {
      const page = await found({ filter: ofGroup(group), limit: 10_000, count: true });
      assert.equal(page.elements.length, page.count);
      assert.ok(page.elements.every(({ seq }) => seq <= page.seq));
    }
  } finally {
    writing = false;
    await writer;
  }
});

test('documents with integers of any size travel unchanged through write, read, query, feed, journal and history', async () => {
  const integers = fc
    .bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
    .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
  const { value: values } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      { weight: 3, arbitrary: integers },
      { weight: 1, arbitrary: fc.constantFrom<Json>(null, true, 'text', 1.5, 2 ** 53 - 1, 9_007_199_254_740_993n, '9007199254740993') },
      { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
      { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), tie('value'), { maxKeys: 3 }) },
    ),
  }));
  const documents = fc.sample(values, { numRuns: 40, seed: 7 });
  const heard = new Map<string, JsonObject>();
  const feed = store.bus.subscribe(graphChanged, graphChanged.pattern({}), (change) => {
    if ('state' in change && change.state !== undefined) heard.set(change.id, change.state.attributes);
  });
  await store.bus.flush(5000);
  const same = (where: string, found: Json | undefined, value: Json): void =>
    assert.ok(found !== undefined && equalJson(found, value), `${where}: ${JSON.stringify(found)} is not ${JSON.stringify(value)}`);
  const written = await Promise.all(
    documents.map(async (value) => {
      const id = freshId('exact');
      const { attributes, seq } = await store.element(create(id, { value }, 'test/Exact'));
      same('reply', attributes.value, value);
      return { id, value, seq };
    }),
  );
  const got = await store.bus.request(
    graphGet,
    graphGet.subject({ tenant: TENANT }),
    { ids: written.map(({ id }) => id) },
    { timeoutMs: 30_000 },
  );
  assert.ok(got.ok);
  for (const [at, { id, value }] of written.entries()) {
    same('get', got.value.elements[at]?.attributes.value, value);
    const ofType = { test: 'equal', path: ['type'], value: 'test/Exact' } as const;
    const { elements } = await found({ filter: { all: [ofType, { test: 'equal', path: ['attributes', 'value'], value }] }, limit: 1000 });
    assert.ok(
      elements.some((element) => element.id === id),
      `query: ${JSON.stringify(value)}`,
    );
    for (const { attributes } of elements) same('query', attributes.value ?? null, value);
  }
  const { changes } = await history({ type: 'test/Exact', limit: 1000 });
  await using redis = await connectedRedis();
  const { epoch, partitions } = await positionOf(store);
  const inRedis = () => newestValues(new HotJournal(redis.client, epoch), partitions);
  await until('the feed and Redis have them all', async () => {
    const kept = await inRedis();
    return written.every(({ id }) => heard.has(id) && kept.has(id));
  });
  const kept = await inRedis();
  for (const { id, value } of written) {
    same('history', changes.find((change) => change.id === id)?.state?.attributes.value, value);
    same('feed', heard.get(id)?.value, value);
    same('Redis', kept.get(id), value);
  }
  feed.unsubscribe();
});

test('deleted elements are shown on request only, those of the system never', async () => {
  const id = freshId();
  await store.done(create(id));
  await store.done({ op: 'delete', target: { id } });
  const byId = { test: 'equal', path: ['id'], value: id } as const;
  assert.equal((await found({ filter: byId })).elements.length, 0);
  assert.equal((await found({ filter: byId, includeDeleted: true })).elements[0]?.deleted, true);
  const reply = await store.bus.request(
    graphQuery,
    graphQuery.subject({ tenant: 'system' }),
    { filter: { all: [] }, includeDeleted: true },
    { timeoutMs: 30_000 },
  );
  assert.ok(!reply.ok || reply.value.elements.length === 0);
});

test('a read that must reflect a write does, and one of the future is not available', async () => {
  const id = freshId();
  const { last } = await store.done(create(id));
  const get = (atLeast: number) =>
    store.bus.request(graphGet, graphGet.subject({ tenant: TENANT }), { ids: [id], atLeast }, { timeoutMs: 30_000 });
  const read = await get(last);
  assert.ok(read.ok && read.value.seq >= last && read.value.elements[0] !== null);
  const later = await get(last + 1_000_000);
  assert.equal(later.ok ? undefined : later.failure.code, 'unavailable');
});

test('what does not parse is invalid, never a failure of the store', async () => {
  for (const filter of [
    null,
    5,
    { test: 'nothing' },
    { all: 'x' },
    { test: 'equal', path: [], value: 1 },
    { test: 'equal', path: ['attributes', 'x\u0000'], value: 1 },
  ]) {
    const reply = await store.bus.request(graphQuery, graphQuery.subject({ tenant: TENANT }), { filter } as never, { timeoutMs: 30_000 });
    assert.ok(!reply.ok && reply.failure.code === 'invalid', `${JSON.stringify(filter)}: ${JSON.stringify(reply)}`);
  }
  const cursor = await query({ filter: { all: [] }, cursor: 'nonsense' });
  assert.equal(cursor.ok ? undefined : cursor.failure.code, 'invalid');
});

test('the history of an element has every state, in either order, and each undoes to the one before', async () => {
  const id = freshId();
  await store.done(create(id, { n: 0, gone: true }));
  for (let n = 1; n <= 5; n += 1) await store.done({ op: 'update', target: { id }, set: { n }, ...(n === 3 ? { unset: ['gone'] } : {}) });
  await store.done({ op: 'delete', target: { id } });
  const { changes, more } = await history({ elements: [id], order: 'asc' });
  assert.deepEqual([changes.map(({ version }) => version), more], [[1, 2, 3, 4, 5, 6, 7], false]);
  for (const [index, { state, undo }] of changes.entries()) {
    assert.ok(state && undo);
    const before = stateBefore(state, undo);
    assert.deepEqual(before, changes[index - 1]?.state);
  }
  const newest = await history({ elements: [id], limit: 2 });
  assert.deepEqual([newest.changes.map(({ version }) => version), newest.more], [[7, 6], true]);
  const third = changes[2];
  assert.ok(third);
  assert.deepEqual((await history({ elements: [id], version: 3 })).changes, [third]);
  assert.deepEqual((await history({ elements: [id], order: 'asc', afterSeq: third.seq })).changes, changes.slice(3));
  assert.deepEqual((await history({ elements: [id], order: 'asc', beforeSeq: third.seq })).changes, changes.slice(0, 2));
  // What may not be seen does not count for the page: the first page of the others is full.
  const visible = { test: 'more', path: ['attributes', 'n'], value: 2 } as const;
  const seen = await history({ elements: [id], order: 'asc', limit: 2, visible });
  assert.deepEqual([seen.changes.map(({ version }) => version), seen.more], [[4, 5], true]);
});

test('values of a time series: in time order, replaced, expired, aggregated', async () => {
  const id = freshId('series');
  await store.done(create(id, {}, 'ogit/Timeseries'));
  const write = await store.done({
    op: 'write-values',
    target: { id },
    values: [
      { at: 3000, value: '30' },
      { at: 1000, value: 10 },
      { at: 2000, value: 'text' },
      { at: 4000, value: 1, ttlMs: 1 },
    ],
  });
  assert.equal(write.first, write.last, 'writing some is one change');
  await store.done({
    op: 'write-values',
    target: { id },
    values: [
      { at: 1000, value: 11 },
      { at: 1000, value: 12 },
    ],
  });
  const values = async (request: Omit<RequestOf<typeof graphValues>, 'ids'>) => {
    const reply = await store.bus.request(
      graphValues,
      graphValues.subject({ tenant: TENANT }),
      { ids: [id], ...request },
      { timeoutMs: 30_000 },
    );
    assert.ok(reply.ok, JSON.stringify(reply));
    return reply.value;
  };
  await until('the value of 1 ms is over', async () => (await values({})).values.length === 3);
  assert.deepEqual((await values({})).values, [
    { at: 1000, value: 12 },
    { at: 2000, value: 'text' },
    { at: 3000, value: '30' },
  ]);
  assert.deepEqual(await values({ order: 'desc', limit: 1 }), { values: [{ at: 3000, value: '30' }], more: true });
  assert.deepEqual((await values({ from: 1500, to: 2500 })).values, [{ at: 2000, value: 'text' }]);
  assert.deepEqual(
    (await values({ at: 1000 })).values.map(({ value }) => value),
    [12, 11, 10],
  );
  assert.equal((await values({ aggregate: 'sum' })).values[0]?.value, 42);
});

test('aggregates of integers beyond 2^53 are exact, and what cannot be exact is refused', async () => {
  const aggregates = async (...of: readonly Json[]) => {
    const id = freshId('sums');
    await store.done(create(id, {}, 'ogit/Timeseries'));
    await store.done({ op: 'write-values', target: { id }, values: of.map((value, at) => ({ at, value })) });
    const subject = graphValues.subject({ tenant: TENANT });
    const found: unknown[] = [];
    for (const aggregate of ['sum', 'avg', 'min', 'max'] as const) {
      const reply = await store.bus.request(graphValues, subject, { ids: [id], aggregate }, { timeoutMs: 30_000 });
      found.push(reply.ok ? reply.value.values[0]?.value : reply.failure);
    }
    return found;
  };
  const inexact = (name: string) => ({ code: 'invalid', detail: `the ${name} has a number beyond 2^53 with a fraction` });
  assert.deepEqual(await aggregates(9007199254740993n, '9007199254740995'), [
    18014398509481988n,
    9007199254740994n,
    9007199254740993n,
    9007199254740995n,
  ]);
  assert.deepEqual(await aggregates(0.1, '0.2', 'text'), [0.3, 0.15, 0.1, 0.2]);
  assert.deepEqual(await aggregates(9007199254740993n, 9007199254740994n), [
    18014398509481987n,
    inexact('avg'),
    9007199254740993n,
    9007199254740994n,
  ]);
  assert.deepEqual((await aggregates(9007199254740993n, 0.5)).slice(0, 2), [inexact('sum'), 4503599627370497]);
  assert.deepEqual((await aggregates('1e308', '1e308', '9e308'))[0], {
    code: 'invalid',
    detail: 'the sum has a number that is out of range',
  });
});

test('a blob is written in chunks, is complete before it can be attached, and is read byte for byte', async () => {
  const content = randomBytes(12).toString('hex');
  const bytes = randomBytes(CHUNK_BYTES * 2 + 1000);
  const write = (index: number, data: Buffer, last: boolean) =>
    store.bus.request(
      graphWriteChunk,
      graphWriteChunk.subject({ tenant: TENANT }),
      { content, index, data: data.toString('base64'), last, mediaType: 'image/x' },
      { timeoutMs: 30_000 },
    );
  const chunk = (index: number): Buffer => bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
  const code = async (reply: ReturnType<typeof write>): Promise<string | undefined> => {
    const outcome = await reply;
    return outcome.ok ? undefined : outcome.failure.code;
  };
  const id = freshId('blob');
  const attach: Operation = { op: 'attach', target: { id }, content, set: { size: bytes.length } };
  await store.done(create(id, {}, 'ogit/Attachment'));
  assert.equal(await code(write(1, chunk(1), false)), 'conflict', 'the first is missing');
  assert.equal(await code(write(0, Buffer.from('short'), false)), 'invalid');
  assert.equal(await code(write(0, chunk(0), false)), undefined);
  assert.equal(await code(write(0, chunk(0), false)), undefined, 'a repeat is harmless');
  assert.equal((await store.refused(attach)).code, 'not-found');
  assert.deepEqual(await write(1, chunk(1), false), { ok: true, value: { size: 2 * CHUNK_BYTES } });
  assert.deepEqual(await write(2, chunk(2), true), { ok: true, value: { size: bytes.length } });
  assert.equal(await code(write(3, chunk(2), true)), 'conflict', 'it is complete');
  await store.done(attach);
  const read = async (index: number) => {
    const reply = await store.bus.request(
      graphReadChunk,
      graphReadChunk.subject({ tenant: TENANT }),
      { content, index },
      { timeoutMs: 30_000 },
    );
    return reply.ok ? Buffer.from(reply.value.data, 'base64') : undefined;
  };
  assert.deepEqual(Buffer.concat([await read(0), await read(1), await read(2)].map((part) => part ?? Buffer.alloc(0))), bytes);
  assert.equal(await read(3), undefined);

  // Content that nothing refers to is swept; what an element referred to once stays.
  const orphan = randomBytes(12).toString('hex');
  const upload = { content: orphan, index: 0, data: 'AAAA', last: true, mediaType: 'x' };
  assert.ok((await store.bus.request(graphWriteChunk, graphWriteChunk.subject({ tenant: TENANT }), upload, { timeoutMs: 30_000 })).ok);
  await store.sql`update content set touched_on = now() - interval '2 hours'`;
  await until('the orphan is swept', async () => (await store.sql`select 1 from chunk where content = ${orphan}`).length === 0);
  assert.ok((await read(0)) !== undefined);
});
