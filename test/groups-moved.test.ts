/** A group whose organization moves while its positions can be written in Redis only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { connectRedis } from '@polyedge/journal/redis';
import postgres from 'postgres';
import { Scene, until, untilHeard } from '../services/hiro-edge/test/groups-scene.ts';
import { call } from '../services/hiro-edge/test/system.ts';
import { type Ground, startGround } from './groups/ground.ts';
import { ToAndFro } from './groups/to-and-fro.ts';

const TYPE = 'ogit/Kept';
/** Longer than graph-store needs to end. */
const CONFIRM_MS = 60_000;

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
  await until(async () => {
    const positions = await copies.positions(Number(stored.id), stored.partitions).catch(() => new Map<number, number>());
    return last.every(({ partition, seq }) => (positions.get(partition) ?? 0) >= Number(seq));
  }, 'what was confirmed did not reach Redis');
  const [{ ahead } = { ahead: undefined }] = await sql<{ ahead: boolean }[]>`
    select max(position) >= (select min(seq) from journal where type = ${TYPE}) as ahead from group_position`;
  assert.equal(ahead, false, 'the store has heard of it');
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
  const moves = new ToAndFro({ journals, redisUrl: redis.url, pauseMs: 0, decided: () => {} });
  await moves.stop();
  assert.equal(moves.moves, 1);
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
