/** A Redis Cluster: the keys of partitions and groups are on several servers, and stay in use when one of them is replaced. Everybody has its own rights. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MAIN } from '@polyedge/contracts/journal';
import { GroupRedis } from '@polyedge/journal/group-redis';
import { dropOtherEpochs, HotJournal } from '@polyedge/journal/hot-journal';
import { JournalRedis } from '@polyedge/journal/journal-redis';
import { connectRedis, primariesOf } from '@polyedge/journal/redis';
import { makeCertificates } from '@polyedge/testkit/certificates';
import { startRedisCluster } from '@polyedge/testkit/servers/redis-cluster';
import { until } from '@polyedge/testkit/until';
import { redisAcl } from '../infra/redis/users.ts';

const PARTITIONS = 16;

test('partitions on three servers are written and read together, after one was killed as well; other epochs are dropped on all of them', async () => {
  await using cluster = await startRedisCluster();
  await using parts = new AsyncDisposableStack();
  for (const line of redisAcl((service) => `>p-${service}`)) await cluster.command('ACL', 'SETUSER', ...line.split(' ').slice(1));
  const connectAs = (user: string) => {
    const url = Object.assign(new URL(cluster.url), { username: user, password: `p-${user}` });
    const client = connectRedis({ url: url.href, name: 'test', onError: () => {} });
    parts.defer(() => client.disconnect());
    return client;
  };
  const redis = connectAs('graph-store');
  const hot = new HotJournal(redis, 'one');
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  await until('the cluster takes commands', async () => (await hot.claim(0, 1)).is === 'claimed', { mayThrow: true });
  for (const partition of partitions) {
    assert.equal((await hot.claim(partition, 1)).is, 'claimed');
    const begun = { generation: 1, last: 0, head: 0 };
    assert.equal(await hot.clear(partition, 1, 1), 'cleared');
    assert.equal(await hot.switchTo(partition, 1, begun, 0), 'switched');
  }
  const append = async (seq: number) => {
    const states = await hot.states(PARTITIONS);
    const runs = partitions.map((partition) => {
      const state = states[partition];
      assert.ok(state);
      return { partition, state, changes: [{ seq: seq + partition, json: `"${seq}"` }] };
    });
    return await hot.append(1, seq + PARTITIONS, 0, runs);
  };
  assert.deepEqual(
    await append(100),
    partitions.map(() => 'appended'),
  );
  await until(
    'partitions are on all primaries and replicas',
    async () => (await cluster.command('DBSIZE')).every((size) => Number(size) > 0),
    { mayThrow: true },
  );

  const [killed] = await cluster.primaries();
  assert.ok(killed);
  await killed.kill();
  await until(
    'a replica has taken over',
    async () => (await cluster.primaries()).length === 3 && !(await cluster.primaries()).includes(killed),
    { mayThrow: true },
  );
  await until('every partition is read', async () => (await hot.states(PARTITIONS)).length === PARTITIONS, { mayThrow: true });
  let seq = 100;
  await until(
    'every partition is written',
    async () => {
      seq += 100;
      return (await append(seq)).every((done) => done === 'appended');
    },
    { mayThrow: true },
  );
  for (const partition of partitions) {
    const page = await hot.read(partition, 1, 0, 10);
    assert.ok(page.is === 'read');
    assert.equal(page.entries.at(-1)?.seq, seq + partition);
  }

  const groups = new GroupRedis(connectAs('hiro-edge'), 'one');
  await until('the edge is connected', async () => (await groups.members(1)).size === 0, { mayThrow: true });
  for (const group of [1, 2, 3, 4]) {
    assert.deepEqual(await groups.join(group, 'edge', ['member']), { added: 1, count: 1 });
    const taken = await groups.take(group, 'edge', 10_000, 0, [{ partition: 0, above: 0 }]);
    assert.equal(taken[0]?.is, 'taken');
  }
  await groups.beat('edge', 10_000);
  assert.deepEqual(await groups.alive(['edge', 'other']), new Set(['edge']));

  assert.equal((await new HotJournal(redis, 'two').claim(0, 1)).is, 'claimed');
  assert.ok((await dropOtherEpochs(redis, 'two')) >= 2 * PARTITIONS, 'of every server');
  assert.deepEqual(
    (await hot.states(PARTITIONS)).map(({ last }) => last),
    partitions.map(() => 0),
  );
});

test('why a server of a cluster is not reached is reported each time that it goes', async () => {
  await using cluster = await startRedisCluster();
  const problems: string[] = [];
  const redis = new JournalRedis({ redisUrl: cluster.url, redisJournals: undefined }, 'test', (problem) => problems.push(problem));
  try {
    const hot = new HotJournal(redis.of(MAIN), 'one');
    const takesCommands = () =>
      until('the cluster takes commands', async () => (await hot.states(PARTITIONS)).length > 0, { mayThrow: true });
    await takesCommands();
    const before = await cluster.primaries();
    const [first] = before;
    assert.ok(first);
    const reportedTimes = (times: number) =>
      until(
        `its absence is reported ${times} times`,
        async () => {
          await hot.states(PARTITIONS).catch(() => {});
          return problems.filter((problem) => problem.includes(`:${first.port}`)).length === times;
        },
        { seen: () => problems },
      );
    await first.kill();
    await reportedTimes(1);
    const takesOver = async () => (await cluster.primaries()).find((one) => !before.includes(one));
    const successor = await until('its replica takes over', takesOver, { mayThrow: true });
    await first.restart();
    await cluster.whole();
    // The other way round, so that it has keys again.
    await successor.kill();
    await until('it takes over', async () => (await cluster.primaries()).includes(first), { mayThrow: true });
    await takesCommands();
    await first.kill();
    await reportedTimes(2);
  } finally {
    redis.disconnect();
  }
});

test('a cluster is reached over TLS, every server of it, and none with a certificate of another authority', async () => {
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-tls-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const ours = makeCertificates(folder, 'ours');
  const foreign = makeCertificates(folder, 'foreign');
  const cluster = parts.use(await startRedisCluster(ours));
  const connectTrusting = (authority: string, problems: string[]) => {
    const client = connectRedis({
      url: `${cluster.url}&cafile=${authority}`,
      name: 'test',
      onError: ({ message }) => problems.push(message),
    });
    parts.defer(() => client.disconnect());
    return client;
  };
  const problems: string[] = [];
  const redis = connectTrusting(ours.ca, problems);
  const hot = new HotJournal(redis, 'one');
  await until('the cluster takes commands', async () => (await hot.claim(0, 1)).is === 'claimed', { mayThrow: true });
  for (let partition = 0; partition < PARTITIONS; partition += 1) assert.equal((await hot.claim(partition, 1)).is, 'claimed');
  assert.equal(primariesOf(redis).length, 3);
  await until('keys are on every server', async () => (await cluster.command('DBSIZE')).every((size) => Number(size) > 0));
  assert.deepEqual(problems, []);

  const refused: string[] = [];
  const other = new HotJournal(connectTrusting(foreign.ca, refused), 'one');
  await until('the certificate is refused', () => refused.some((problem) => /certificate/.test(problem)), { seen: () => refused });
  await assert.rejects(other.claim(0, 1));
});
