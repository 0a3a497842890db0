/** A group whose organization moves while graph-store is not running, or while one of its edges is suspended. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { GROUP_WINDOW } from '@polyedge/journal/groups/settings';
import { connectRedis } from '@polyedge/journal/redis';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { Scene, untilHeard } from '../services/hiro-edge/test/groups-scene.ts';
import { call } from '../services/hiro-edge/test/system.ts';
import { type Ground, startGround } from './groups/ground.ts';
import { ToAndFro } from './groups/to-and-fro.ts';

const TYPE = 'ogit/Kept';
/** Longer than graph-store needs to end. */
const CONFIRM_MS = 60_000;
/** Changes of one vertex: more than may be unconfirmed. */
const MORE = 2 * GROUP_WINDOW.partitionItems;

/** Waits until Redis has the only group at everything that was written of the type, and the store has it before all of that. */
async function untilOnlyInRedis(ground: Ground): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const sql = postgres(ground.journals.get('main') ?? '', { max: 1, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 1 }));
  const redis = connectRedis({ url: ground.redis.url, name: 'test', onError: () => {} });
  parts.defer(() => redis.disconnect());
  const [last, [stored]] = await Promise.all([
    sql<{ partition: number; seq: string }[]>`
      select slot % partitions as partition, max(seq) as seq from journal, journal_identity where type = ${TYPE} group by 1`,
    sql<{ id: string; epoch: string; partitions: number }[]>`
      select id, epoch, partitions from consumer_group, sequencer, journal_identity`,
  ]);
  assert.ok(stored);
  const copies = new GroupRedis(redis, stored.epoch);
  await until('what was confirmed reaches Redis', async () => {
    const positions = await copies.positions(Number(stored.id), stored.partitions).catch(() => new Map<number, number>());
    return last.every(({ partition, seq }) => (positions.get(partition) ?? 0) >= Number(seq));
  });
  const [{ ahead } = { ahead: undefined }] = await sql<{ ahead: boolean }[]>`
    select max(position) >= (select min(seq) from journal where type = ${TYPE}) as ahead from group_position`;
  assert.equal(ahead, false, 'the store has heard of it');
}

/** By how many changes the group is behind in one partition, as its edge sees it. */
async function lagOf(url: string, token: string): Promise<number> {
  const text = await (await fetch(`${url}/admin/groups`, { headers: { authorization: `Bearer ${token}` } })).text();
  return Math.max(0, ...[...text.matchAll(/"lag":(\d+)/g)].map(([, lag]) => Number(lag)));
}

/** When the last lease of all groups ends, in ms since 1970. */
async function endOfLeases(url: string): Promise<number> {
  const redis = connectRedis({ url, name: 'test', onError: () => {} });
  try {
    await once(redis, 'ready');
    const leases = await Promise.all((await redis.keys('*:leases')).map((key) => redis.hgetall(key)));
    const ends = leases.flatMap((fields) =>
      Object.entries(fields).flatMap(([name, value]) => (name.endsWith('.until') ? [Number(value)] : [])),
    );
    assert.ok(ends.length > 0);
    return Math.max(...ends);
  } finally {
    redis.disconnect();
  }
}

test('a group continues after what was confirmed while graph-store was not running, when its organization moves before graph-store runs again', async () => {
  await using ground = await startGround(true, CONFIRM_MS);
  const { steady, store, redis, journals, token } = ground;
  const scene = new Scene({ hiro: steady }, token);
  const member = await scene.member('kept', TYPE, { offset: 'smallest', autoPong: false });
  const pings: Buffer[] = [];
  member.client.ws.on('ping', (payload) => pings.push(payload));
  const ids = await scene.makeMany(TYPE, 8);
  await untilHeard([member], ids);

  await store.kill();
  member.client.ws.on('ping', (payload) => member.client.ws.pong(payload));
  for (const payload of pings) member.client.ws.pong(payload);
  await untilOnlyInRedis(ground);
  const moves = new ToAndFro({ journals, redisUrl: redis.url, pauseMs: 0, atLeast: 1, decided: () => {} });
  await moves.stop();
  await store.restart();
  member[Symbol.dispose]();

  // The edge learns where the organization is.
  for (const { status } of await Promise.all(
    ids.map((id) => call('POST', `${steady.url}/api/graph/7.4/${id}`, token, JSON.stringify({ '/after': 'yes' }))),
  ))
    assert.equal(status, 200);
  using next = await scene.member('kept', TYPE, { offset: 'smallest' });
  // A repeat of a creation would come before the update of the same vertex.
  await untilHeard([next], ids);
  assert.deepEqual(
    next
      .events()
      .map(({ id, body }) => [id, body?.['/after']])
      .sort(),
    ids.map((id) => [id, 'yes']).sort(),
  );
});

test('an edge that was suspended while its organization moved gives its members nothing of what others have confirmed in the new journal', async () => {
  await using ground = await startGround(true, CONFIRM_MS);
  const { steady, frail, redis, journals, token } = ground;
  const scene = new Scene({ hiro: steady }, token);
  using suspended = await scene.member('kept', TYPE, { port: frail.port, offset: 'smallest', autoPong: false });
  const pings: Buffer[] = [];
  suspended.client.ws.on('ping', (payload) => pings.push(payload));
  // The edge has in memory what the window has no room for.
  const id = await scene.make(TYPE);
  await Promise.all(
    Array.from({ length: MORE }, (_, n) => call('POST', `${steady.url}/api/graph/7.4/${id}`, token, JSON.stringify({ '/n': `${n}` }))),
  );
  await until('the edge has heard of all changes', async () => (await lagOf(frail.url, token)) >= MORE && suspended.events().length > 0);
  frail.pause();
  // It would go on as soon as it resumes.
  for (const payload of pings) suspended.client.ws.pong(payload);
  const leasesEnd = await endOfLeases(redis.url);
  const moves = new ToAndFro({ journals, redisUrl: redis.url, pauseMs: 0, atLeast: 1, decided: () => {} });
  await moves.stop();

  // The other edge learns where the organization is.
  assert.equal((await call('GET', `${steady.url}/api/graph/7.4/${id}`, token)).status, 200);
  using next = await scene.member('kept', TYPE, { offset: 'smallest' });
  await until('everything comes in the new journal', () => next.events().length === 1 + MORE);
  await until('the leases have ended', () => Date.now() > leasesEnd);
  const before = suspended.events().length;
  frail.resume();
  await suspended.client.end();
  assert.equal(suspended.events().length, before);
});
