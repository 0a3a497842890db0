/** Large values: what they cost those who write small ones beside them, and those who ask twice. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import { restoreGiven } from '@polyedge/contracts/given-attributes';
import { until } from '@polyedge/testkit/until';
import { Lookups } from '../src/postgres/lookups.ts';
import { Pool, type Queries } from '../src/postgres/pool.ts';
import { Reader } from '../src/postgres/read.ts';
import { freshId, type RunningStore, requestOf, startStore, TENANT } from './running-store.ts';

let store: RunningStore;
before(async () => {
  store = await startStore(1);
});
after(() => store[Symbol.asyncDispose]());

/** What hardly compresses, of 1.9 MiB. */
const large = (): string => randomBytes(Math.floor(0.95 * 1024 * 1024)).toString('hex');
const exists = (id: string): Operation => ({ op: 'update', target: { id }, ifMissing: { type: 'test/Parent', attributes: {} } });

test('small writes beside large ones do not wait in a batch with them, nor for a parent that both only look at', async () => {
  const [parent, big, small] = [freshId('parent'), freshId('big'), freshId('small')];
  for (const id of [parent, big, small]) await store.done({ op: 'create', type: 'test/Thing', id, attributes: {} });
  // The large one waits for its element, with its batch begun and everything else of it locked.
  const waiting = await store.sql.begin(async (sql) => {
    await sql`select 1 from element where tenant = ${TENANT} and id = ${big} for update`;
    const held = store.done(exists(parent), { op: 'update', target: { id: big }, set: { value: large() } });
    await until('the large write waits', async () => {
      const rows =
        await store.sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and application_name like 'graph-store%-large'`;
      return rows.length > 0;
    });
    for (let n = 0; n < 5; n += 1) await store.done(exists(parent), { op: 'update', target: { id: small }, set: { n } });
    return { held };
  });
  await waiting.held;
  assert.equal((await store.element({ op: 'update', target: { id: big }, set: { small: 1 } })).version, 3);
});

test('a large value is stored, journaled and undone as it came', async () => {
  const id = freshId('big');
  const values = [large(), { list: Array.from({ length: 40_000 }, (_, n) => ({ n, ä: 'x"\\' })) }, 'small'];
  await store.done({ op: 'create', type: 'test/Thing', id, attributes: { kept: 1 } });
  for (const value of values) {
    const element = await store.element({ op: 'update', target: { id }, set: { value } });
    assert.deepEqual(element.attributes, { kept: 1, value });
  }
  const rows = await store.sql<{ attributes: object; undo: { set: object } }[]>`
    select attributes, undo from journal where element = ${id} order by seq`;
  assert.deepEqual(
    rows.map(({ attributes }) => attributes),
    [{ kept: 1 }, ...values.map((value) => ({ kept: 1, value }))],
  );
  assert.deepEqual(
    rows.slice(2).map(({ undo }) => undo.set),
    values.slice(0, 2).map((value) => ({ value })),
  );
  const [row] = await store.sql<{ attributes: object }[]>`select attributes from element where tenant = ${TENANT} and id = ${id}`;
  assert.deepEqual(row?.attributes, { kept: 1, value: 'small' });
});

test('a caller that restores what it gave gets the rest of a large element; another one, also for the same request, all of it', async () => {
  const id = freshId('big');
  await store.done({ op: 'create', type: 'test/Thing', id, attributes: { kept: 1 } });
  const value = large();
  const request = requestOf({ op: 'update', target: { id }, set: { value } });
  const body = { defaultScope: 'scope', requests: [request] };
  const resultOf = async (message: RequestOf<typeof graphMutate>) => {
    const reply = await store.bus.request(graphMutate, graphMutate.subject({ tenant: TENANT }), message, { timeoutMs: 30_000 });
    assert.ok(reply.ok && reply.value.outcomes[0]?.ok === true, JSON.stringify(reply));
    return reply.value.outcomes[0].value;
  };
  const rest = await resultOf({ restores: true, ...body });
  assert.deepEqual(rest.operations[0]?.elements[0]?.attributes, { kept: 1 });
  assert.deepEqual(await resultOf(body), { ...restoreGiven(request, rest), repeated: true });
});

test('a message repeated while it is in progress waits for the outcome of the first, and nothing is done twice', async () => {
  const id = freshId('big');
  await store.done({ op: 'create', type: 'test/Thing', id, attributes: {} });
  const request = requestOf({ op: 'update', target: { id }, set: { value: large() } });
  const sent = await store.sql.begin(async (sql) => {
    await sql`select 1 from element where tenant = ${TENANT} and id = ${id} for update`;
    // The first gives up, as an edge does, and asks again.
    const gaveUp = await store.send([request], 300);
    assert.equal(gaveUp.ok, false);
    return { replies: [store.send([request], 10_000), store.send([request], 10_000)] };
  });
  for (const reply of await Promise.all(sent.replies)) assert.ok(reply.ok && reply.value.outcomes[0]?.ok === true, JSON.stringify(reply));
  const [row] = await store.sql<{ version: number }[]>`select version from element where tenant = ${TENANT} and id = ${id}`;
  assert.equal(row?.version, 2);
  const metrics = await (await fetch(store.replicas[0]?.metricsUrl ?? '')).text();
  assert.match(metrics, /store_joined_messages\S* [1-9]/);
});

test('a read of more than an answer may have is refused without receiving it: other callers share the process', async () => {
  const [group, id] = [freshId('group'), freshId('big')];
  const ids: string[] = [];
  for (let n = 0; n < 18; n += 1) {
    const value = n % 2 === 0 ? large() : 'x'.repeat(1_990_000);
    ids.push(freshId('big'));
    await store.done({ op: 'create', type: 'test/Large', id: ids.at(-1) ?? '', attributes: { group, value } });
    await store.done({ op: 'update', target: { id }, set: { value }, ifMissing: { type: 'test/Thing', id, attributes: { value } } });
  }
  const pool = new Pool({ url: store.databaseUrl, name: 'test', max: 1 });
  let received = 0;
  const unsafe: Queries['unsafe'] = (text, values, options) => {
    const statement = pool.sql.unsafe(text, values, options);
    void statement.then((rows) => {
      received += JSON.stringify(rows).length;
    });
    // The same statement; the type of its rows is the caller's.
    return statement as never;
  };
  const counted: Queries = Object.assign(pool.sql.before(Number.POSITIVE_INFINITY), { unsafe, before: () => counted });
  try {
    const reader = new Reader(counted, new Lookups(pool));
    const filter = { test: 'equal', path: ['attributes', 'group'], value: group } as const;
    for (const read of [
      () => reader.query(TENANT, { filter, limit: 18 }),
      () => reader.get(TENANT, { ids }),
      () => reader.get(TENANT, { ids, accounts: true }),
      () => reader.history(TENANT, { elements: [id] }),
    ]) {
      received = 0;
      const refused = await read();
      assert.equal(refused.ok ? '' : refused.failure.code, 'too-large', String(read));
      assert.ok(received < 8_000_000, `${read}: ${received} characters were received`);
    }
    // So few are answered whatever their size.
    const few = await reader.query(TENANT, { filter, limit: 14, sort: [{ path: ['id'], order: 'asc' }] });
    assert.deepEqual(few.ok && few.value.elements.map((element) => element.id), ids.toSorted().slice(0, 14));
    const states = await reader.history(TENANT, { elements: [id], limit: 14 });
    assert.equal(states.ok && states.value.changes.length, 14);
  } finally {
    await pool.end();
  }
});
