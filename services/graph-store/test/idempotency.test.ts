/** A write happens once: repeats of an operation id, side by side, after failures and after a restart. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { graphGet, type MutationOutcome, type MutationRequest, type Operation } from '@polyedge/contracts/bus/graph';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { until } from '@polyedge/testkit/until';
import { freshId, type RunningStore, requestOf, startStore, TENANT } from './running-store.ts';

const parts = new AsyncDisposableStack();
let database: RunningServer;
let store: RunningStore;
before(async () => {
  database = parts.use(await startPostgres());
  store = parts.use(await startStore(2, {}, database));
});
after(() => parts.disposeAsync());

const create = (id: string): Operation => ({ op: 'create', type: 'test/Thing', id, attributes: { n: 0 } });
const incr = (id: string): Operation => ({ op: 'apply', target: { id }, attribute: 'n', operator: 'incr', value: 1 });

async function send(request: MutationRequest): Promise<MutationOutcome> {
  const reply = await store.send([request]);
  assert.ok(reply.ok, JSON.stringify(reply));
  const [outcome] = reply.value.outcomes;
  assert.ok(outcome);
  return outcome;
}

test('a repeat returns the first result, and says so', async () => {
  const id = freshId();
  await store.done(create(id));
  const request = requestOf(incr(id), { op: 'update', target: { id }, set: { n: 1 } });
  const first = await send(request);
  assert.ok(first.ok);
  await store.done(incr(id));
  const second = await send(request);
  assert.deepEqual(second, { ok: true, value: { ...first.value, repeated: true } });
  const other = await send({ ...request, operations: [incr(id)] });
  assert.deepEqual(other.ok ? undefined : other.failure.code, 'conflict');
});

test('a repeat within one message has one effect', async () => {
  const id = freshId();
  await store.done(create(id));
  const request = requestOf(incr(id));
  const reply = await store.send([request, request, { ...request, by: 'another' }]);
  assert.ok(reply.ok);
  const [first, second, third] = reply.value.outcomes;
  assert.ok(first?.ok && second?.ok && third !== undefined && !third.ok);
  assert.deepEqual(second.value, { ...first.value, repeated: true });
  assert.equal(third.failure.code, 'conflict');
});

test('concurrent attempts on two replicas take effect once, and none of them fails because of the other', async () => {
  for (let round = 0; round < 30; round += 1) {
    const id = freshId();
    const request = requestOf(create(id), incr(id));
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => send(request)));
    for (const outcome of outcomes) assert.ok(outcome.ok, JSON.stringify(outcome));
    const guarded = requestOf({ op: 'update', target: { id }, set: { n: 10 }, version: 2 }, { op: 'delete', target: { id } });
    for (const outcome of await Promise.all(Array.from({ length: 6 }, () => send(guarded)))) assert.ok(outcome.ok, JSON.stringify(outcome));
  }
});

test('an attempt that waited for the lock of another one gets its result, not a failed guard', async () => {
  const id = freshId();
  await store.done(create(id));
  const guarded = requestOf({ op: 'update', target: { id }, set: { n: 10 }, version: 1 });
  const attempts = await store.sql.begin(async (sql) => {
    await sql`select 1 from element where tenant = ${TENANT} and id = ${id} for update`;
    const sent = Array.from({ length: 12 }, () => send(guarded));
    await until('both replicas wait for the lock', async () => {
      const [row] = await store.sql<{ waiting: number }[]>`
        select count(distinct application_name) as waiting from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'graph-store%'`;
      return row?.waiting === 2;
    });
    return sent;
  });
  const outcomes = await Promise.all(attempts);
  for (const outcome of outcomes) assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.equal(outcomes.filter((outcome) => outcome.ok && outcome.value.repeated !== true).length, 1);
});

test('attempts side by side whose target is found by a filter have one effect', async () => {
  for (let round = 0; round < 40; round += 1) {
    const id = freshId();
    const where = { test: 'equal', path: ['attributes', 'name'], value: id } as const;
    const request = requestOf(
      { op: 'update', target: { where }, set: { n: 1 }, expect: 0 },
      { op: 'create', type: 'test/Thing', id, attributes: { name: id } },
    );
    for (const outcome of await Promise.all(Array.from({ length: 8 }, () => send(request)))) assert.ok(outcome.ok, JSON.stringify(outcome));
  }
});

test('a failure is not remembered', async () => {
  const id = freshId();
  const request = requestOf(incr(id));
  assert.equal((await send(request)).ok, false);
  await store.done(create(id));
  assert.equal((await send(request)).ok, true);
});

test('a repeat is known after the store and the database were killed', async () => {
  const id = freshId();
  await store.done(create(id));
  const request = requestOf(incr(id));
  const first = await send(request);
  assert.ok(first.ok);
  await Promise.all(store.replicas.map((replica) => replica.kill()));
  await database.kill();
  await database.restart();
  await Promise.all(store.replicas.map((replica) => replica.restart()));
  const second = await send(request);
  assert.deepEqual(second, { ok: true, value: { ...first.value, repeated: true } });
  const read = await store.bus.request(graphGet, graphGet.subject({ tenant: TENANT }), { ids: [id] }, { timeoutMs: 30_000 });
  assert.ok(read.ok);
  assert.equal(read.value.elements[0]?.attributes.n, 1);
});

test('an operation id of another time is refused, since its repeats could not be found', async () => {
  const request = requestOf(create(freshId()));
  const old = {
    ...request,
    operationId: `${(Date.now() - 30 * 3_600_000).toString(16).padStart(12, '0')}${request.operationId.slice(12)}`,
  };
  const outcome = await send(old);
  assert.equal(outcome.ok ? undefined : outcome.failure.code, 'invalid');
});
