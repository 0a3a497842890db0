/** Starting, overload and what it is like to run several replicas. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRedis } from '@polyedge/journal/redis';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { freshId, requestOf, startStore, TENANT } from './running-store.ts';

test('replicas that start at once on an empty database make one schema, one epoch, one key and one default scope', async () => {
  await using store = await startStore(3, { POLYEDGE_ADMIN_PASSWORD: 'secret' });
  const [row] = await store.sql`select (select count(*)::int from sequencer) as sequencers, (select count(*)::int from signing_key) as keys,
    (select count(*)::int from element where type = 'ogit/Auth/DataScope' and not deleted) as scopes,
    (select count(*)::int from element where type = 'polyedge/Account' and not deleted) as accounts,
    (select count(*) = count(distinct number) from migration) as once`;
  assert.deepEqual({ ...row }, { sequencers: 1, keys: 1, scopes: 1, accounts: 1, once: true });

  // An older version made the organization under an id of its own.
  await store.done({ op: 'delete', target: { id: TENANT } });
  const [old, type, xid] = ['c1_c2', 'ogit/Auth/Organization', `organization:${TENANT}`];
  await store.done({ op: 'create', type, id: old, xid, attributes: { 'ogit/name': TENANT } });
  const { nats, redis, databaseUrl } = store;
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: databaseUrl, LOG_LEVEL: 'warn' };
  await using _newer = await startService({ name: 'graph-store', env });
  const organizations = await store.sql<{ id: string; deleted: boolean }[]>`
    select id, deleted from element where tenant = ${TENANT} and type = ${type} order by id`;
  assert.deepEqual(
    organizations.map(({ id, deleted }) => [id, deleted]),
    [
      [old, true],
      [TENANT, false],
    ],
  );
  const [scope] =
    await store.sql`select attributes ->> 'ogit/_organization' as organization from element where type = 'ogit/Auth/DataScope'`;
  assert.equal(scope?.organization, TENANT);
});

test('too many waiting writes are refused with busy, and taken again when they can be done', async () => {
  await using database = await startPostgres();
  await using store = await startStore(1, {}, database);
  const id = freshId('counter');
  await store.done({ op: 'create', type: 'test/Counter', id, attributes: { n: 0 } });
  const message = () =>
    Array.from({ length: 400 }, () => requestOf({ op: 'apply', target: { id }, attribute: 'n', operator: 'incr', value: 1 }));
  database.pause();
  const replies = Array.from({ length: 9 }, () => store.send(message(), 8000));
  const refused = await Promise.race(
    replies.map(async (reply) => {
      const outcome = await reply;
      return outcome.ok ? await new Promise<never>(() => {}) : outcome.failure.code;
    }),
  );
  // It left the queue group, so a further one reaches nobody, or it was on its way and is refused.
  assert.ok(['busy', 'unavailable'].includes(refused), refused);
  database.resume();
  const outcomes = await Promise.all(replies);
  const taken = outcomes.filter(({ ok }) => ok).length;
  assert.ok(taken >= 5 && taken < 9, `${taken} of 9 messages were taken`);
  await until('it takes writes again', async () => {
    const reply = await store.send([requestOf({ op: 'update', target: { id }, set: { again: true } })], 2000);
    return reply.ok;
  });
  const [row] = await store.sql<
    { n: number }[]
  >`select (attributes ->> 'n')::int as n from element where tenant = ${TENANT} and id = ${id}`;
  assert.equal(row?.n, taken * 400);
});

test('a request whose caller has given up is not begun', async () => {
  await using store = await startStore(1);
  const [held, late] = [freshId(), freshId()];
  await store.done({ op: 'create', type: 'test/Thing', id: held, attributes: {} });
  const waiting = await store.sql.begin(async (sql) => {
    await sql`select 1 from element where tenant = ${TENANT} and id = ${held} for update`;
    const first = store.done({ op: 'update', target: { id: held }, set: { n: 1 } });
    await until('the first batch waits', async () => {
      const rows = await store.sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      return rows.length > 0;
    });
    const given = await store.send([requestOf({ op: 'create', type: 'test/Thing', id: late, attributes: {} })], 200);
    assert.equal(given.ok ? undefined : given.failure.code, 'unavailable');
    return { first };
  });
  await waiting.first;
  await store.done({ op: 'create', type: 'test/Thing', id: late, attributes: {} });
});

test('a database that may lose what it acknowledged is refused, unless that is accepted', async () => {
  await using unsafe = await startPostgres({ settings: { fsync: 'off', synchronous_commit: 'local' } });
  await using store = await startStore(0);
  const env = { NATS_URL: store.nats.url, REDIS_URL: store.redis.url, DATABASE_URL: unsafe.url, LOG_LEVEL: 'warn' };
  await assert.rejects(
    startService({ name: 'graph-store', env }),
    /fsync = off, synchronous_commit = local.*GRAPH_STORE_ALLOW_UNSAFE_DATABASE/s,
  );
  await using accepted = await startService({ name: 'graph-store', env: { ...env, GRAPH_STORE_ALLOW_UNSAFE_DATABASE: 'true' } });
  const ready = await fetch(`${accepted.url}/readyz`);
  const notices = await ready.text();
  for (const setting of ['fsync = off', 'synchronous_commit = local']) assert.ok(notices.includes(setting), notices);
});

test('Redis that was written under a higher fence than an older copy of the database knows is written again', async () => {
  await using store = await startStore(1);
  await store.done({ op: 'create', type: 'test/Thing', id: freshId(), attributes: {} });
  const redis = connectRedis({ url: store.redis.url, name: 'test', onError: () => {} });
  await new Promise<void>((resolve) => void redis.once('ready', resolve));
  const metas = async (): Promise<string[]> => (await redis.keys('{pe:*')).filter((key) => key.endsWith(':meta'));
  await until('Redis has all partitions', async () => (await metas()).length === 16);
  await store.replicas[0]?.kill();
  for (const key of await metas()) await redis.hset(key, 'fence', '1000');
  await store.replicas[0]?.restart();
  const { last } = await store.done(
    ...Array.from({ length: 50 }, () => ({ op: 'create' as const, type: 'test/Thing', id: freshId(), attributes: {} })),
  );
  await until('Redis has what was written', async () => {
    const newest = await Promise.all((await metas()).map((key) => redis.hget(key, 'last')));
    return newest.some((seq) => Number(seq) === last);
  });
  redis.disconnect();
});
