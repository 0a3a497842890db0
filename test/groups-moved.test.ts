/** A group whose organization moves while graph-store is not running, or while one of its edges is suspended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { GROUP_TIMES, GROUP_WINDOW } from '@polyedge/journal/groups/settings';
import { connectRedis } from '@polyedge/journal/redis';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { Scene, untilHeard } from '../services/hiro-edge/test/groups-scene.ts';
import { call } from '../services/hiro-edge/test/system.ts';
import { type Ground, startGround } from './groups/ground.ts';
import { pause } from './groups/time.ts';
import { ToAndFro } from './groups/to-and-fro.ts';
import { withDatabase } from './with-database.ts';

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

/**
 * Renews the leases of the only group of an organization, in the place of an owner that is suspended, until they are ended.
 * @returns when the last renewal that succeeded was sent, in ms since 1970
 */
async function renewUntilEnded(ground: Ground): Promise<number> {
  await using parts = new AsyncDisposableStack();
  const redis = connectRedis({ url: ground.redis.url, name: 'test', onError: () => {} });
  parts.defer(() => redis.disconnect());
  const [stored] = await withDatabase(
    ground.journals.get('main') ?? '',
    async (sql) => await sql<{ id: string; epoch: string }[]>`select id, epoch from consumer_group, sequencer`,
  );
  assert.ok(stored);
  const groups = new GroupRedis(redis, stored.epoch);
  const id = Number(stored.id);
  const owned = [...(await groups.leases(id))].map(([partition, { fence }]) => ({ partition, fence, position: 0 }));
  assert.ok(owned.length > 0);
  for (let renewed = 0; ; await pause(20)) {
    const at = Date.now();
    if ((await groups.hold(id, 'renew', GROUP_TIMES.termMs, owned)).length > 0) return renewed;
    renewed = at;
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
  const ended = renewUntilEnded(ground);
  const moves = new ToAndFro({ journals, redisUrl: redis.url, pauseMs: 0, atLeast: 1, decided: () => {} });
  // Its lease was valid that long, so what the organization leaves behind was not deleted before: some of it alone could be delivered.
  const emptied = withDatabase(journals.get('main') ?? '', async (sql) => {
    const kept = async () => (await sql`select from journal where type = ${TYPE}`).length;
    await until('the first of them are deleted', async () => (await kept()) <= MORE);
    return Date.now();
  });
  await moves.stop();
  const leasesEnd = (await ended) + GROUP_TIMES.termMs;
  assert.ok((await emptied) >= leasesEnd);

  // The other edge learns where the organization is.
  assert.equal((await call('GET', `${steady.url}/api/graph/7.4/${id}`, token)).status, 200);
  using next = await scene.member('kept', TYPE, { offset: 'smallest' });
  await until('everything comes in the new journal', () => next.events().length === 1 + MORE);
  const before = suspended.events().length;
  frail.resume();
  await suspended.client.end();
  assert.equal(suspended.events().length, before);
});
