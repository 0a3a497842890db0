/** A database restored to an older copy has a new epoch: all watchers are notified, and nothing of the old history is mixed into it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { openFeed } from '@polyedge/edge-kit/feed/feed';
import type { Bus } from '@polyedge/service-kit/bus';
import { until } from '@polyedge/testkit/until';
import postgres from 'postgres';
import { checkJournal, checkRedis } from './kill/check.ts';
import { readTruth } from './kill/journal.ts';
import { publisherOf, startSystem } from './kill/system.ts';
import { TENANT } from './kill/writer.ts';

/** Creates elements one after the other, each until it is acknowledged. */
async function write(bus: Bus, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const request = {
      operationId: operationId(Date.now(), randomBytes(10)),
      by: 'test',
      app: 'test',
      origin: { protocol: 'test', way: 'job' as const, operation: 'test' },
      operations: [{ op: 'create' as const, type: 'test/Thing', id: `${name}-${n}`, attributes: { n } }],
    };
    await until(`${name}-${n} is written`, async () => {
      const body = { defaultScope: 'scope', requests: [request] };
      const reply = await bus.request(graphMutate, graphMutate.subject({ tenant: TENANT }), body, { timeoutMs: 2000 });
      return reply.ok && reply.value.outcomes[0]?.ok === true;
    });
  }
}

for (const redisIsDown of [false, true]) {
  test(`an older copy of the database begins a new epoch${redisIsDown ? ', also when Redis comes back only later' : ''}`, async () => {
    await using system = await startSystem();
    const bus = await system.bus('test-restore');
    const sql = postgres(system.postgres.url, { max: 1, onnotice: () => {} });
    const [row] = await sql<{ data_directory: string }[]>`show data_directory`;
    await sql.end();
    assert.ok(row);
    const cluster = row.data_directory;
    await write(bus, 'kept', 20);
    await system.postgres.stop();
    copy(cluster, `${cluster}-copy`);
    await system.postgres.restart();
    await write(bus, 'forgotten', 20);
    const old = await readTruth(system.postgres.url);
    assert.deepEqual(await checkRedis(system.redis.url, old), []);

    const feed = openFeed({ bus: await system.bus('test-restored-edge') });
    const heard: string[] = [];
    let epoch = '';
    const watch = (): void => {
      feed.watch(
        { tenant: TENANT, type: 'test/Thing' },
        {
          live: (_seq, of) => {
            epoch = of;
          },
          change: ({ id }) => heard.push(id),
          lost: ({ code }) => {
            heard.push(code);
            watch();
          },
        },
      );
    };
    watch();
    await until('the feed is live', () => epoch === old.epoch);

    if (redisIsDown) await system.redis.kill();
    await system.postgres.kill();
    rmSync(cluster, { recursive: true });
    copy(`${cluster}-copy`, cluster);
    rmSync(`${cluster}-copy`, { recursive: true });
    await system.postgres.restart();
    if (redisIsDown) {
      // Without Redis the store continues where the copy ends; the epoch is corrected when Redis is available again.
      await until('somebody publishes', async () => (await publisherOf(system.stores)) !== undefined);
      await system.redis.restart();
    }
    await until(
      'the feed is live in a new epoch',
      async () => epoch !== old.epoch && epoch === (await readTruth(system.postgres.url)).epoch,
      {
        seen: () =>
          [`heard ${heard.join()}; epoch ${epoch}, before ${old.epoch}`, ...system.stores.map((store) => store.log().slice(-3000))].join(
            '\n',
          ),
      },
    );
    assert.deepEqual(heard, ['lost']);
    await write(bus, 'new', 20);
    const truth = await readTruth(system.postgres.url);
    assert.notEqual(truth.epoch, old.epoch);
    assert.deepEqual(checkJournal(truth), []);
    assert.ok(truth.rows.every(({ id }) => !id.startsWith('forgotten')));
    await until('everything new is heard', () => heard.length >= 21);
    assert.deepEqual(
      heard.slice(1),
      Array.from({ length: 20 }, (_, n) => `new-${n}`),
    );
    assert.deepEqual(await checkRedis(system.redis.url, truth), []);
    assert.deepEqual(system.crashes, []);
    feed.close();
  });
}

test('a publisher whose connection was lost checks the epoch again, even though its lease has not expired', async () => {
  await using system = await startSystem();
  const sql = postgres(system.postgres.url, { max: 1, onnotice: () => {} });
  const taken = async (): Promise<number> =>
    (await sql<{ fence: string }[]>`select fence from publisher`).reduce((_, { fence }) => Number(fence), 0);
  await until('somebody publishes', async () => (await publisherOf(system.stores)) !== undefined);
  const before = await taken();
  // Nothing else is affected, and requests are answered immediately: only the closed connection reveals it.
  const ended =
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%-publish' and state = 'idle'`;
  assert.ok(ended.count > 0);
  await until('the lease is taken anew, which settles the epoch', async () => (await taken()) > before);
  await sql.end();
});

function copy(from: string, to: string): void {
  const result = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
}
