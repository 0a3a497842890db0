/** PostgreSQL goes away under load, in every manner: no replica ends, none says that it is ready, and writes go on as soon as it is back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphHead } from '@polyedge/contracts/bus/feed';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { openFaultyGateway } from './faulty-gateway.ts';
import { freshId, requestOf, startStore } from './running-store.ts';

test('a replica whose connections end in any manner under load stays, is not ready meanwhile, and takes writes within two seconds', async (t) => {
  await using database = await startPostgres();
  await using store = await startStore(0, {}, database);
  await using gateway = await openFaultyGateway(database.port);
  const url = new URL(database.url);
  url.port = String(gateway.port);
  const ends: string[] = [];
  await using replica = await startService({
    name: 'graph-store',
    env: { NATS_URL: store.nats.url, REDIS_URL: store.redis.url, DATABASE_URL: url.href, LOG_LEVEL: 'warn' },
    onUnexpectedExit: (reason) => ends.push(reason),
  });
  const ready = async (): Promise<boolean> => (await fetch(`${replica.url}/readyz`)).ok;
  let told = 0;
  store.bus.subscribe(graphHead, graphHead.pattern({}), ({ to }) => {
    told = Math.max(told, to);
  });
  // Writers as edges are: each repeats what has no answer, under the same id.
  const written: string[] = [];
  let writing = true;
  let acknowledgedAt = 0;
  const writers = Array.from({ length: 8 }, async () => {
    while (writing) {
      const id = freshId();
      const request = requestOf({ op: 'create', type: 'test/Thing', id, attributes: {} });
      for (let done = false; !done && writing; ) {
        const reply = await store.send([request], 1000);
        done = reply.ok && reply.value.outcomes[0]?.ok === true;
        if (!done) await new Promise((resolve) => setTimeout(resolve, 20));
        else {
          written.push(id);
          acknowledgedAt = performance.now();
        }
      }
    }
  });
  const gaps: number[] = [];
  /** Does something to the database; how long until the next write is acknowledged. */
  const survives = async (what: string, fault: () => Promise<void> | void): Promise<void> => {
    await until(`writes before: ${what}`, () => performance.now() - acknowledgedAt < 500);
    await fault();
    await until(`the end of: ${what}`, () => gateway.planned === 0);
    const back = performance.now();
    await until(`a write after: ${what}`, () => acknowledgedAt > back);
    gaps.push(Math.round(performance.now() - back));
    await until(`ready after: ${what}`, ready);
  };
  for (const [n, manner] of (['reset', 'end', 'refused', 'ended'] as const).entries()) {
    for (const delayMs of [15, 0]) {
      gateway.delay(delayMs);
      // Those that follow end in their handshake, at another place each time.
      for (let connection = 0; connection < 4; connection += 1) gateway.fail(manner, 2 * n + 6 * connection);
      await survives(`${manner} with ${delayMs} ms of delay`, () => gateway.endAll(manner));
    }
  }
  await survives('pg_terminate_backend', async () => {
    await store.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'graph-store%'`;
  });
  let sawUnready = false;
  await survives('a crash', async () => {
    await database.kill();
    await until('it is not ready', async () => !(await ready()), { withinMs: 2000 });
    sawUnready = true;
    await database.restart();
  });
  await survives('an orderly restart', () => database.restart());
  writing = false;
  await Promise.all(writers);
  t.diagnostic(`${written.length} writes; gaps ${gaps.join(', ')} ms`);
  assert.ok(sawUnready);
  assert.deepEqual(ends, []);
  assert.ok(
    gaps.every((ms) => ms <= 2000),
    gaps.join(),
  );
  const [row] = await store.sql<{ seq: number; found: number }[]>`
    select (select seq from sequencer) as seq, (select count(*)::int from element where id in ${store.sql(written)}) as found`;
  assert.equal(row?.found, written.length, 'everything acknowledged is there');
  await until('everything is told', () => told >= (row?.seq ?? 0));
  assert.doesNotMatch(replica.log(), /"level":"(?:fatal|error)"/);
});
