import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { MAX_GROUP_MEMBERS } from '@polyedge/contracts/bus/groups';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { until } from '@polyedge/testkit/until';
import { GroupRedis } from '../src/group-redis.ts';
import { HotJournal } from '../src/hot-journal.ts';
import { groupKey, logKey } from '../src/keys.ts';
import { connectRedis, type Redis } from '../src/redis.ts';

let server: RunningServer;
let redis: Redis;
before(async () => {
  // Its own: it loses everything here, and a graph-store of another test would remove what belongs to another history than its.
  server = await startRedis();
  redis = connectRedis({ url: server.url, name: 'test', onError: () => {} });
  await new Promise((resolve) => redis.once('ready', resolve));
});
after(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});

const newEpoch = (): string => `test-${randomBytes(6).toString('hex')}`;
const wanted = [{ partition: 3, above: 0 }];

test('a lease has one owner at a time, and each taking raises its fence', async () => {
  const groups = new GroupRedis(redis, newEpoch());
  assert.deepEqual(await groups.take(1, 'a', 10_000, 0, wanted), [{ partition: 3, is: 'taken', fence: 1, position: 0 }]);
  const [held] = await groups.take(1, 'b', 10_000, 0, wanted);
  assert.equal(held?.is, 'held');
  assert.deepEqual(await groups.hold(1, 'release', 0, [{ partition: 3, fence: 1, position: 42 }]), []);
  assert.deepEqual(await groups.take(1, 'b', 10_000, 0, wanted), [{ partition: 3, is: 'taken', fence: 2, position: 42 }]);
});

test('an owner whose fence is no longer in force changes nothing', async () => {
  const groups = new GroupRedis(redis, newEpoch());
  await groups.take(1, 'a', 1, 0, wanted);
  await until('the lease is over', async () => (await groups.take(1, 'b', 10_000, 0, wanted))[0]?.is === 'taken');
  for (const what of ['renew', 'save', 'release'] as const) {
    assert.deepEqual(await groups.hold(1, what, 10_000, [{ partition: 3, fence: 1, position: 99 }]), [3]);
  }
  assert.deepEqual(await groups.leases(1), new Map([[3, { owner: 'b', fence: 2 }]]));
  await groups.hold(1, 'release', 0, [{ partition: 3, fence: 2, position: 5 }]);
  const [taken] = await groups.take(1, 'c', 10_000, 0, wanted);
  assert.deepEqual(taken, { partition: 3, is: 'taken', fence: 3, position: 5 });
});

test('after a loss of Redis a fence begins above the one that the store remembers', async () => {
  const groups = new GroupRedis(redis, newEpoch());
  const [taken] = await groups.take(1, 'a', 10_000, 0, [{ partition: 3, above: 17 }]);
  assert.deepEqual(taken, { partition: 3, is: 'taken', fence: 18, position: 0 });
});

test('a lease that has not been free for long enough is not for those who should not have it', async () => {
  const groups = new GroupRedis(redis, newEpoch());
  await groups.take(1, 'a', 10_000, 0, wanted);
  await groups.hold(1, 'release', 0, [{ partition: 3, fence: 1, position: 0 }]);
  const [held] = await groups.take(1, 'b', 10_000, 60_000, wanted);
  assert.equal(held?.is, 'held');
});

test('members are listed once, up to the bound, and edges live as long as they say so', async () => {
  const groups = new GroupRedis(redis, newEpoch());
  assert.deepEqual(await groups.join(1, 'e1', ['m1', 'm2']), { added: 2, count: 2 });
  assert.deepEqual(await groups.join(1, 'e1', ['m1', 'm2']), { added: 0, count: 2 });
  const many = Array.from({ length: MAX_GROUP_MEMBERS - 1 }, (_, at) => `n${at}`);
  assert.equal(await groups.join(1, 'e2', many), 'full');
  await groups.leave(1, ['m1']);
  assert.deepEqual(await groups.members(1), new Map([['m2', 'e1']]));
  await groups.beat('e1', 10_000);
  assert.deepEqual(await groups.alive(['e1', 'e2']), new Set(['e1']));
});

test('the keys of a group expire by themselves', async () => {
  const epoch = newEpoch();
  const groups = new GroupRedis(redis, epoch);
  await groups.join(1, 'e1', ['m1']);
  await groups.take(1, 'm1', 10_000, 0, wanted);
  for (const what of ['members', 'leases'] as const) assert.ok((await redis.pttl(groupKey(epoch, 1, what))) > 3_600_000);
});

test('a publisher that another one has replaced removes nothing of the log that is in use', async () => {
  const hot = new HotJournal(redis, newEpoch());
  await hot.claim(0, 2);
  assert.equal(await hot.clear(0, 2, 1), 'cleared');
  assert.equal(await hot.fill(0, 2, 1, 0, [{ seq: 3, json: '{}' }]), 'filled');
  assert.equal(await hot.switchTo(0, 2, { generation: 1, last: 3, head: 3 }, 0), 'switched');
  assert.equal(await hot.clear(0, 1, 1), 'fenced');
  assert.equal((await hot.newest(0))?.seq, 3);
  await redis.flushall();
  assert.equal(await hot.clear(0, 2, 1), 'forgot');
});

test('a log that lost what was filled is not put in use, though the fence is the same', async () => {
  const hot = new HotJournal(redis, newEpoch());
  await hot.claim(0, 2);
  const fill = async (...seqs: readonly number[]) => {
    assert.equal(await hot.clear(0, 2, 1), 'cleared');
    const changes = seqs.map((seq) => ({ seq, json: '{}' }));
    assert.equal(await hot.fill(0, 2, 1, 0, changes), 'filled');
  };
  await fill(3);
  assert.equal(await hot.switchTo(0, 2, { generation: 1, last: 9, head: 12 }, 0), 'forgot');
  assert.equal(await hot.switchTo(0, 2, { generation: 1, last: 0, head: 12 }, 0), 'forgot');
  assert.deepEqual(await hot.state(0), { generation: 0, last: 0, head: 0 });
  await fill(3, 9);
  assert.equal(await hot.switchTo(0, 2, { generation: 1, last: 9, head: 12 }, 0), 'switched');
});

test('several partitions are written in one message, each by itself, also when Redis knows no script any more', async () => {
  const hot = new HotJournal(redis, newEpoch());
  const empty = { generation: 1, last: 0, head: 0 };
  for (const partition of [0, 1, 2]) {
    await hot.claim(partition, 1);
    await hot.clear(partition, 1, 1);
    await hot.switchTo(partition, 1, empty, 0);
  }
  const runs = [0, 1, 2].map((partition) => ({ partition, state: empty, changes: [{ seq: partition + 1, json: '{}' }] }));
  const [first, , third] = runs;
  assert.ok(first !== undefined && third !== undefined);
  await redis.script('FLUSH');
  // The second run does not follow what is there.
  const wrong = { ...third, partition: 1, state: { ...empty, last: 9 } };
  assert.deepEqual(await hot.append(1, 5, 0, [first, wrong, third]), ['appended', 'differs', 'appended']);
  assert.deepEqual(await hot.states(4), [
    { generation: 1, last: 1, head: 5 },
    empty,
    { generation: 1, last: 3, head: 5 },
    { generation: 0, last: 0, head: 0 },
  ]);
  assert.deepEqual(await hot.append(2, 6, 0, []), []);
});

test('the reads of one turn are one message, also when Redis knows no script any more', async () => {
  const hot = new HotJournal(redis, newEpoch());
  await hot.claim(0, 1);
  await hot.clear(0, 1, 1);
  await hot.switchTo(0, 1, { generation: 1, last: 0, head: 0 }, 0);
  const entry = { seq: 7, json: '{}' };
  await hot.append(1, 7, 0, [{ partition: 0, state: { generation: 1, last: 0, head: 0 }, changes: [entry] }]);
  const readAll = () => Promise.all([0, 1, 2].map((partition) => hot.read(partition, 1, 0, 10)));
  const entriesOf = (pages: Awaited<ReturnType<typeof readAll>>) => pages.map((page) => (page.is === 'read' ? page.entries : undefined));
  const expected = [[entry], undefined, undefined];
  assert.deepEqual(entriesOf(await readAll()), expected);
  const { stream } = redis as unknown as { readonly stream: Socket }; // ioredis does not declare it
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let messages = 0;
  stream.write = (...args: unknown[]) => {
    messages += 1;
    return write(...args);
  };
  assert.deepEqual(entriesOf(await readAll()), expected);
  assert.equal(messages, 1);
  await redis.script('FLUSH');
  assert.deepEqual(entriesOf(await readAll()), expected);
});

test('a page of the log says how far it is everything, and from where the log begins', async () => {
  const hot = new HotJournal(redis, newEpoch());
  assert.deepEqual(await hot.read(0, 1, 0, 10), { is: 'generation', generation: 0 });
  await hot.claim(0, 1);
  const state = { generation: 1, last: 12, head: 15 };
  assert.equal(await hot.fill(0, 1, 1, 10, [{ seq: 12, json: '{}' }]), 'filled');
  assert.equal(await hot.switchTo(0, 1, state, 10), 'switched');
  assert.deepEqual(await hot.append(1, 20, 0, [{ partition: 0, state, changes: [{ seq: 17, json: '' }] }]), ['appended']);
  assert.deepEqual(await hot.read(0, 1, 10, 10), {
    is: 'read',
    last: 17,
    head: 20,
    since: 10,
    prev: 10,
    cut: false,
    entries: [
      { seq: 12, json: '{}' },
      { seq: 17, json: '' },
    ],
  });
  const empty = { is: 'read', last: 17, head: 20, since: 10, prev: undefined, cut: false, entries: [] };
  assert.deepEqual(await hot.read(0, 1, 17, 10), empty);
  await redis.xdel(logKey(hot.epoch, 0, 1), '17-0');
  await redis.xadd(logKey(hot.epoch, 0, 1), '19-0', 'prev', '17', 'change', '{}');
  assert.deepEqual(await hot.read(0, 1, 10, 10), { ...empty, prev: 10, cut: true, entries: [{ seq: 12, json: '{}' }] });
});
