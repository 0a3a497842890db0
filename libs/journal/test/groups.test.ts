import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { MAX_GROUP_MEMBERS } from '@polyedge/contracts/bus/groups';
import type { FullChange } from '@polyedge/contracts/change';
import type { Failure } from '@polyedge/contracts/errors';
import { FakeClock } from '@polyedge/testkit/fake-bus';
import { startRedis } from '@polyedge/testkit/servers/redis';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { until } from '@polyedge/testkit/until';
import { historiesIn } from '../src/group-history.ts';
import { Groups } from '../src/groups/groups.ts';
import { preferred } from '../src/groups/rendezvous.ts';
import { GROUP_TIMES, type GroupTimes } from '../src/groups/settings.ts';
import { HotJournal } from '../src/hot-journal.ts';
import { groupKey } from '../src/keys.ts';
import { connectRedis, type Redis } from '../src/redis.ts';
import { MemorySignals, MemoryStore, PARTITIONS } from './memory-store.ts';

let server: RunningServer;
before(async () => {
  server = await startRedis();
});
after(() => server[Symbol.asyncDispose]());

const newEpoch = (): string => `test-${randomBytes(6).toString('hex')}`;

async function connected(): Promise<Redis> {
  const redis = connectRedis({ url: server.url, name: 'test', onError: () => {} });
  await new Promise((resolve) => redis.once('ready', resolve));
  return redis;
}

/** A group whose store is in this process and whose Redis is a real one. */
class Bench implements AsyncDisposable {
  readonly store = new MemoryStore(newEpoch());
  readonly signals = new MemorySignals();
  readonly edges: { readonly groups: Groups; readonly redis: Redis }[] = [];

  /** @param clock instead of the process's */
  async edge(times: Partial<GroupTimes> = {}, clock?: FakeClock): Promise<Groups> {
    const redis = await connected();
    const edge = `edge${this.edges.length}`;
    const quick = { tickMs: 10, refreshMs: 200, retryMs: 20, saveMs: 10, commitMs: 40, renewMs: 100, ...times };
    const histories = historiesIn(redis, this.store);
    const own = { histories, store: this.store, signals: this.signals, edge, times: quick };
    const groups = new Groups(clock === undefined ? own : { ...own, surroundings: clock });
    this.edges.push({ groups, redis });
    groups.announced(this.store.epoch, this.store.seq);
    return groups;
  }

  /** Changes that every edge hears of. Redis has none of them: they are read from the store. */
  write(count: number): void {
    for (let one = 0; one < count; one += 1) this.store.write();
    for (const { groups } of this.edges) groups.announced(this.store.epoch, this.store.seq);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { groups, redis } of this.edges) {
      await groups.close();
      redis.disconnect();
    }
  }
}

/** A member that takes what it is given at once, unless `holds`. */
class Member {
  readonly seqs: number[] = [];
  readonly held: (() => void)[] = [];
  holds = false;
  lostTo: Failure | undefined;
  readonly leave: () => void;

  constructor(groups: Groups, name = 'g', start: 'largest' | 'smallest' = 'smallest') {
    const { leave } = groups.join({ tenant: 't', name, start }, this);
    this.leave = leave;
  }

  batch(changes: readonly FullChange[], took: () => void): void {
    this.seqs.push(...changes.map(({ seq }) => seq));
    if (this.holds) this.held.push(took);
    else took();
  }

  lost(failure: Failure): void {
    this.lostTo = failure;
  }

  takeAll(): void {
    for (const took of this.held.splice(0)) took();
  }
}

/** Waits for a condition while time passes. */
function passing(clock: FakeClock, what: string, holds: () => boolean | Promise<boolean>): Promise<boolean> {
  return until(what, async () => {
    await clock.run(5);
    return holds();
  });
}

const owned = (groups: Groups): number => groups.gauges().owned;
/** Whether everybody owns what it should, and all of it. */
function shared(...edges: readonly Groups[]): boolean {
  const views = edges.flatMap((groups) => groups.views());
  const members = views.flatMap((view) => view.members);
  const partitions = views.flatMap((view) => view.partitions);
  return (
    partitions.length === PARTITIONS &&
    partitions.every(({ partition, owner, draining }) => !draining && owner === preferred(partition, members))
  );
}

const all = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);
const sorted = (seqs: readonly number[]): number[] => [...seqs].sort((one, other) => one - other);

test('a partition changes hands when its owner has confirmed its deliveries, and nothing is delivered twice', async () => {
  await using bench = new Bench();
  const [one, two] = [await bench.edge(), await bench.edge()];
  const first = new Member(one);
  await until('the first member owns everything', () => owned(one) === PARTITIONS);
  first.holds = true;
  bench.write(64);
  await until('everything is given', () => first.seqs.length === 64);
  const second = new Member(two);
  await until('something is handed over', () => one.views()[0]?.partitions.some(({ draining }) => draining) === true);
  assert.equal(owned(two), 0);
  first.holds = false;
  first.takeAll();
  await until('some partitions change hands', () => owned(two) > 0 && owned(one) + owned(two) === PARTITIONS);
  bench.write(64);
  await until('everything is given', () => first.seqs.length + second.seqs.length === 128);
  assert.deepEqual(sorted([...first.seqs, ...second.seqs]), all(128));
  assert.equal(first.lostTo, undefined);
  assert.equal(one.stats.drainTimeouts, 0);
});

test('an owner that does not confirm in time when a partition is handed over loses its place, and the new one is given it again', async () => {
  await using bench = new Bench();
  const [one, two] = [await bench.edge({ drainMs: 150 }), await bench.edge({ drainMs: 150 })];
  const first = new Member(one);
  await until('the first member owns everything', () => owned(one) === PARTITIONS);
  first.holds = true;
  bench.write(64);
  await until('everything is given', () => first.seqs.length === 64);
  const second = new Member(two);
  await until('the first member loses its place', () => first.lostTo !== undefined);
  assert.equal(first.lostTo?.code, 'busy');
  assert.equal(one.stats.drainTimeouts, 1);
  await until('the second member is given everything', () => second.seqs.length === 64);
  assert.deepEqual(sorted(second.seqs), all(64));
  // What the first one says now changes nothing.
  first.takeAll();
  await until('the positions pass what the second took', () => all(64).every((seq) => bench.store.positionOf('g', seq % PARTITIONS) >= 64));
});

for (const how of ['a head of the feed', 'the store'] as const) {
  test(`members of a group are notified of a new epoch by ${how}, and continue in it at the restored end`, async () => {
    await using bench = new Bench();
    // The store is asked when there is something to commit, and now and then anyway.
    const times = how === 'the store' ? { touchMs: 50 } : {};
    const [one, two] = [await bench.edge(times), await bench.edge(times)];
    const members = [new Member(one), new Member(two)];
    await until('the members own everything', () => owned(one) > 0 && owned(one) + owned(two) === PARTITIONS);
    bench.write(64);
    await until('everything is given', () => members.reduce((sum, { seqs }) => sum + seqs.length, 0) === 64);
    await until('the positions are safe', () => all(16).every((p) => bench.store.positionOf('g', p % PARTITIONS) >= 64));
    bench.store.restore(newEpoch(), 48);
    if (how === 'a head of the feed') bench.write(0);
    await until('every member is told', () => members.every(({ lostTo }) => lostTo !== undefined));
    assert.deepEqual(
      members.map(({ lostTo }) => lostTo?.code),
      ['lost', 'lost'],
    );
    const back = [new Member(one, 'g', 'largest'), new Member(two, 'g', 'largest')];
    // They get numbers that changes of the old history had.
    bench.write(40);
    await until('the new history comes', () => back.reduce((sum, { seqs }) => sum + seqs.length, 0) >= 40);
    assert.deepEqual(sorted(back.flatMap(({ seqs }) => seqs)), all(88).slice(48));
  });
}

test('members of a group that the store has deleted end with lost, so their reconnect is not a silent first connect', async () => {
  await using bench = new Bench();
  const one = await bench.edge();
  const member = new Member(one, 'g', 'largest');
  await until('the member owns everything', () => owned(one) === PARTITIONS);
  member.holds = true;
  bench.write(32);
  await until('everything is given', () => member.seqs.length === 32);
  bench.store.expire('g');
  member.holds = false;
  member.takeAll();
  await until('the member is told', () => member.lostTo !== undefined);
  assert.equal(member.lostTo?.code, 'lost');
});

test('a member beyond the maximum of its group is rejected and disturbs no other', async () => {
  await using bench = new Bench();
  const [one, two] = [await bench.edge(), await bench.edge()];
  const members = Array.from({ length: MAX_GROUP_MEMBERS }, (_, at) => new Member(at % 2 === 0 ? one : two));
  await until('the members own everything', () => owned(one) + owned(two) === PARTITIONS);
  const late = new Member(two);
  await until('the member over the bound is told', () => late.lostTo !== undefined);
  assert.equal(late.lostTo?.code, 'limited');
  bench.write(64);
  await until('everything is given', () => members.reduce((sum, { seqs }) => sum + seqs.length, 0) === 64);
  assert.ok(members.every(({ lostTo }) => lostTo === undefined));
  members[0]?.leave();
  const next = new Member(one);
  await until('the free place is taken', () => one.gauges().members + two.gauges().members === MAX_GROUP_MEMBERS);
  assert.equal(next.lostTo, undefined);
});

test('a group that the store refuses ends for its members', async () => {
  await using bench = new Bench();
  bench.store.refusal = { code: 'limited', detail: 'there are 1000 groups already' };
  const member = new Member(await bench.edge());
  await until('the member is told', () => member.lostTo !== undefined);
  assert.equal(member.lostTo?.code, 'limited');
});

test('after Redis has lost everything, members share the partitions again without treating each other as dead', async () => {
  await using bench = new Bench();
  const [one, two] = [await bench.edge({ beatMs: 60_000 }), await bench.edge({ beatMs: 60_000 })];
  const members = [new Member(one), new Member(two)];
  await until('the partitions are shared', () => shared(one, two));
  bench.write(64);
  await until('everything is given', () => members.reduce((sum, { seqs }) => sum + seqs.length, 0) === 64);
  const takenBefore = one.stats.taken + two.stats.taken;
  await bench.edges[0]?.redis.flushall();
  await until('the loss is noticed', () => one.stats.fenced + two.stats.fenced >= PARTITIONS);
  await until('the partitions are shared as before', () => shared(one, two));
  bench.write(64);
  await until('everything is given', () => new Set(members.flatMap(({ seqs }) => seqs)).size === 128);
  const taken = one.stats.taken + two.stats.taken - takenBefore;
  assert.ok(taken <= 2 * PARTITIONS, `partitions were taken ${taken} times`);
});

test('an edge that was cut off from Redis looks at once who owns what when it is back', async () => {
  await using bench = new Bench();
  const one = await bench.edge({ renewMs: 60_000, refreshMs: 60_000, termMs: 120_000 });
  const member = new Member(one);
  await until('the member owns everything', () => owned(one) === PARTITIONS);
  bench.write(16);
  await until('the positions are safe', () => all(16).every((p) => bench.store.positionOf('g', p % PARTITIONS) >= 16));
  // Nothing moves any more, so nothing else would notice.
  const [edge] = bench.edges;
  await edge?.redis.flushall();
  edge?.redis.disconnect(true);
  await until('it looks', () => one.stats.fenced === PARTITIONS);
  await until('the member owns everything again', () => owned(one) === PARTITIONS);
  bench.write(16);
  await until('everything is given', () => member.seqs.length === 32);
});

test('the successor of an edge that died continues where its clients had confirmed, though the store does not have it', async () => {
  await using bench = new Bench();
  // Nothing but saving brings positions to Redis here.
  const dying = { commitMs: 60_000, termMs: 1500, marginMs: 50, renewMs: 60_000, aliveMs: 300, refreshMs: 60_000 };
  const clock = new FakeClock();
  const one = await bench.edge(dying, clock);
  const first = new Member(one);
  await passing(clock, 'the first member owns everything', () => owned(one) === PARTITIONS);
  first.holds = true;
  bench.write(64);
  await passing(clock, 'everything is given', () => first.seqs.length === 64);
  first.takeAll();
  const dyingRedis = bench.edges[0]?.redis;
  assert.ok(dyingRedis);
  const leases = groupKey(bench.store.epoch, 1, 'leases');
  let saved: Record<string, string> = {};
  await passing(clock, 'the positions are in Redis', async () => {
    saved = await dyingRedis.hgetall(leases);
    return all(PARTITIONS).every((at) => Number(saved[`${at % PARTITIONS}.position`] ?? 0) > 64 - PARTITIONS);
  });
  assert.equal(bench.store.positionOf('g', 0), 0);
  dyingRedis.disconnect();
  const second = new Member(await bench.edge({ ...dying, renewMs: 100, refreshMs: 100 }));
  bench.write(16);
  await until('the second member is given what is new', () => second.seqs.length >= 16);
  assert.deepEqual(sorted(second.seqs), all(80).slice(64));
});

test('confirmed positions are in the store within the second that the rules allow', async () => {
  await using bench = new Bench();
  const clock = new FakeClock();
  const groups = await bench.edge(GROUP_TIMES, clock);
  const member = new Member(groups);
  await passing(clock, 'the member owns everything', () => owned(groups) === PARTITIONS);
  const safe = (seq: number) => all(16).every((p) => bench.store.positionOf('g', p % PARTITIONS) >= seq);
  for (let round = 0; round < 3; round += 1) {
    bench.write(16);
    await passing(clock, 'everything is given', () => member.seqs.length === bench.store.seq);
    await passing(clock, 'the positions are safe', () => safe(bench.store.seq));
    // These miss the writing of positions that has just been.
    bench.write(16);
    await passing(clock, 'everything is given', () => member.seqs.length === bench.store.seq);
    await clock.run(1000);
    // From here on the clock stands still.
    await until('the positions are safe', () => safe(bench.store.seq));
  }
});

test('the hot journal and the store are one sequence to a group', async () => {
  await using bench = new Bench();
  const one = await bench.edge();
  bench.write(32);
  const redis = bench.edges[0]?.redis;
  assert.ok(redis);
  const hot = new HotJournal(redis, bench.store.epoch);
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    await hot.claim(partition, 1);
    // Redis begins after the first sixteen.
    const changes = bench.store.changes.filter(({ seq }) => seq > 16 && seq % PARTITIONS === partition);
    const entries = changes.map((change) => ({ seq: change.seq, json: JSON.stringify(change) }));
    assert.equal(await hot.fill(partition, 1, 1, 16, entries), 'filled');
    const state = { generation: 1, last: changes.at(-1)?.seq ?? 0, head: 32 };
    assert.equal(await hot.switchTo(partition, 1, state, 16), 'switched');
  }
  const member = new Member(one);
  await until('everything is given', () => member.seqs.length === 32);
  assert.deepEqual(sorted(member.seqs), all(32));
});

test('members that come together with one too many have their places', async () => {
  await using bench = new Bench();
  const groups = await bench.edge();
  const first = new Member(groups);
  await until('the first member owns everything', () => owned(groups) === PARTITIONS);
  // These are listed at once.
  const others = Array.from({ length: MAX_GROUP_MEMBERS }, () => new Member(groups));
  await until('somebody is refused', () => others.some(({ lostTo }) => lostTo !== undefined));
  await until('everybody else has a place', () => groups.gauges().members === MAX_GROUP_MEMBERS);
  assert.deepEqual(
    [first, ...others].map(({ lostTo }) => lostTo?.code).filter((code) => code !== undefined),
    ['limited'],
  );
});
