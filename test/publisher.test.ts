/** There is one publisher at a time, whatever happens to it; a stopped replica affects only its own callers. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphChanged, graphHead } from '@polyedge/contracts/bus/feed';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { openFeed } from '@polyedge/edge-kit/feed/feed';
import type { Bus } from '@polyedge/service-kit/bus';
import { startService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { checkJournal, checkRedis, checkWrites } from './kill/check.ts';
import { readTruth } from './kill/journal.ts';
import { randomFrom } from './kill/random.ts';
import { publisherOf, type System, startSystem } from './kill/system.ts';
import { Watcher } from './kill/watcher.ts';
import { TENANT, Writer } from './kill/writer.ts';

let system: System;
before(async () => {
  system = await startSystem(1);
});
after(() => system[Symbol.asyncDispose]());

function send(bus: Bus, operation: Operation) {
  const request = {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'test',
    app: 'test',
    origin: { protocol: 'test', way: 'job' as const, operation: 'test' },
    operations: [operation],
  };
  return bus.request(
    graphMutate,
    graphMutate.subject({ tenant: TENANT }),
    { defaultScope: 'scope', requests: [request] },
    { timeoutMs: 10_000 },
  );
}

test('a replica stopped in the middle of a batch keeps its locks for two seconds and no longer', async () => {
  const [first] = system.stores;
  assert.ok(first);
  const bus = await system.bus('test-stopped');
  const sql = postgres(system.postgres.url, { max: 1, onnotice: () => {} });
  const id = 'held';
  assert.ok((await send(bus, { op: 'create', type: 'test/Thing', id, attributes: { by: 'nobody' } })).ok);
  const update = (by: string): Operation => ({ op: 'update', target: { id }, set: { by } });
  let stopped: ReturnType<typeof send> | undefined;
  await using second = await sql.begin(async (transaction) => {
    await transaction`select 1 from element where tenant = ${TENANT} and id = ${id} for update`;
    // Only the first replica can receive it, and it waits for this lock in the middle of its batch.
    stopped = send(bus, update('stopped'));
    const env = { NATS_URL: system.nats.url, REDIS_URL: system.redis.url, DATABASE_URL: system.postgres.url, LOG_LEVEL: 'warn' };
    const started = await startService({ name: 'graph-store', env });
    first.pause();
    return started;
  });
  assert.ok(second.pid > 0);
  const pausedAt = performance.now();
  // Some of these go to the stopped replica, and are answered when it resumes.
  const writes = Array.from({ length: 12 }, async (_, n) => {
    const outcome = await send(bus, update(`writer ${n}`));
    return outcome.ok && outcome.value.outcomes[0]?.ok === true;
  });
  // By the clock of the database, which ends the transaction of the stopped replica; whoever asks now is next.
  await sql.begin(async (transaction) => {
    await transaction`set local lock_timeout = '5s'`;
    await transaction`select 1 from element where tenant = ${TENANT} and id = ${id} for update`;
  });
  await Promise.race(writes.map(async (write) => ((await write) ? true : await new Promise<never>(() => {}))));
  // It must be stopped for longer than the stall threshold, however soon others were released.
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1500 - (performance.now() - pausedAt))));
  first.resume();
  await Promise.all(writes);
  await stopped;
  // It noticed the stall, left the queue group for a moment, and has rejoined.
  const metrics = await (await fetch(first.metricsUrl)).text();
  assert.match(metrics, /^store_stalls_total\{[^}]*\} [1-9]/m);
  await second.stop();
  // Like an edge: there is no answer while it stays away.
  await until('the other one is there again', async () => {
    const outcome = await send(bus, update('afterwards'));
    return outcome.ok || (outcome.failure.code === 'unavailable' ? false : assert.fail(JSON.stringify(outcome)));
  });
  await sql.end();
  assert.deepEqual(checkJournal(await readTruth(system.postgres.url)), []);
});

test('publishers that are killed, or stopped past their lease and continued, never publish or append out of order or twice', async () => {
  const env = { NATS_URL: system.nats.url, REDIS_URL: system.redis.url, DATABASE_URL: system.postgres.url, LOG_LEVEL: 'warn' };
  await using second = await startService({ name: 'graph-store', env });
  const stores = [...system.stores, second];
  const bus = await system.bus('test-observer');
  const heads: { fence: number; from: number; to: number }[] = [];
  const firstSeen: number[] = [];
  const seen = new Set<number>();
  const uncovered: string[] = [];
  bus.subscribe(graphChanged, graphChanged.pattern({ tenant: TENANT }), ({ seq }) => {
    if (!seen.has(seq)) firstSeen.push(seq);
    seen.add(seq);
  });
  let began = Number.POSITIVE_INFINITY;
  bus.subscribe(graphHead, graphHead.pattern({}), ({ fence, from, to, keys }) => {
    began = Math.min(began, from);
    heads.push({ fence, from, to });
    for (const [at, own] of keys.entries()) if (own.length > 0 && !seen.has(from + at)) uncovered.push(`${from + at} under fence ${fence}`);
  });
  assert.ok((await bus.flush(2000)).ok);
  await until('an idle head comes', () => heads.at(-1));
  const writers = await Promise.all(
    [0, 1].map(async (index) => new Writer(100 + index, await system.bus(`test-publisher-${index}`), randomFrom(index))),
  );
  for (const writer of writers) writer.start();
  for (const how of ['kill', 'stop'] as const) {
    const index = await until('there is a publisher', () => publisherOf(stores));
    const store = stores[index];
    assert.ok(store);
    if (how === 'kill') {
      await store.kill();
      await until('there is another publisher', () => publisherOf(stores));
      await store.restart();
    } else {
      store.pause();
      // Its lease has expired, and the other one publishes.
      await until('there is another publisher', async () => {
        const other = await publisherOf(stores);
        return other === index ? undefined : other;
      });
      store.resume();
      await until('it knows that it publishes no more', async () => (await publisherOf([store])) === undefined);
    }
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  const truth = await readTruth(system.postgres.url);
  await until('the last head comes', () => heads.some(({ to }) => to === truth.seq));
  assert.deepEqual(uncovered, [], 'a head lists a change that was not sent before it');
  assert.deepEqual(
    firstSeen,
    firstSeen.toSorted((left, right) => left - right),
    'changes came out of order',
  );
  let top = heads[0];
  assert.ok(new Set(heads.map(({ fence }) => fence)).size >= 3);
  for (const head of heads.slice(1)) {
    assert.ok(top);
    if (head.fence < top.fence) continue;
    const follows = head.fence === top.fence ? head.from === top.to + 1 : head.from <= top.to + 1;
    assert.ok(follows, `${JSON.stringify(head)} follows ${JSON.stringify(top)}`);
    top = head;
  }
  const told = writers.flatMap((writer) => writer.told);
  assert.deepEqual(
    [
      ...checkJournal(truth),
      ...checkWrites({ ...truth, elements: new Map() }, told).filter((line) => !line.startsWith('counter')),
      ...(await checkRedis(system.redis.url, truth)),
    ],
    [],
  );
});

test('a NATS restart with one edge that reconnects late loses nothing', async () => {
  const [near, far] = await Promise.all([system.bus('test-near'), system.bus('test-late', true)]);
  const feeds = [near, far].map((bus) => openFeed({ bus }));
  const watchers = feeds.map((feed, index) => new Watcher(index === 0 ? 'near' : 'far', feed, { tenant: TENANT }));
  await until('both are live', () => watchers.every(({ live }) => live));
  const writer = new Writer(200, await system.bus('test-late-writer'), randomFrom(7));
  writer.start();
  system.gateway.cut();
  await system.nats.kill();
  await system.nats.restart();
  const before = writer.told.length;
  await until('there are writes that the late edge misses', () => writer.told.length > before + 100);
  system.gateway.mend();
  await until('the late edge is back', () => far.status === 'connected');
  await writer.stop();
  const truth = await readTruth(system.postgres.url);
  const caughtUp = await Promise.all(
    feeds.map((feed) => new Promise<boolean>((resolve) => void feed.whenDelivered('default', truth.epoch, truth.seq, 10_000, resolve))),
  );
  assert.deepEqual(caughtUp, [true, true]);
  for (const watcher of watchers) assert.deepEqual(watcher.problems(truth.rows), []);
  for (const feed of feeds) feed.close();
});
