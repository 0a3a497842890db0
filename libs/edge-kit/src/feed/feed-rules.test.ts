import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Interest } from '@polyedge/contracts/interest';
import { FakeClock, type FakeFaults, FakeNetwork } from '@polyedge/testkit/fake-bus';
import { answerFrom, ModelJournal, ModelPublisher, WatchRecord } from '../testing/feed-model.ts';
import { openFeed } from './feed.ts';
import type { FeedSettings } from './settings.ts';

const A: Interest = { tenant: 't', type: 'A' };
const B: Interest = { tenant: 't', type: 'B' };

/** An edge with a feed, a store and a publisher that speaks only when told to. A way takes 1 ms; the jitter is always half of its bound. */
function system(settings: Partial<FeedSettings> = {}) {
  const clock = new FakeClock();
  const faults: FakeFaults = {};
  const network = new FakeNetwork(clock, faults);
  const storeBus = network.connect();
  const edgeBus = network.connect();
  const journal = new ModelJournal();
  const huge = new Set<number>();
  const asked: string[] = [];
  let ticks = 0;
  faults.answer = (_subject, body) => {
    asked.push(JSON.stringify(body));
    return undefined;
  };
  answerFrom(journal, storeBus, () => 1_000);
  const publisher = new ModelPublisher(journal, storeBus, { fence: 1, published: 0 }, (seq) => huge.has(seq));
  const feed = openFeed({
    bus: edgeBus,
    settings,
    surroundings: {
      now: () => clock.now(),
      random: () => 0.5,
      soon: (run) =>
        clock.soon(() => {
          ticks += 1;
          run();
        }),
      after: (ms, run) => clock.after(ms, run),
      every: (ms, run) => clock.every(ms, run),
    },
  });
  const commit = (type: string, count = 1) => {
    for (let n = 0; n < count; n += 1) journal.commit({ tenant: 't', type, owners: ['x'] });
  };
  const watch = (interest: Interest, after?: () => void) => new WatchRecord(feed, journal, interest, after);
  return { clock, faults, network, edgeBus, journal, publisher, huge, feed, asked, commit, watch, ticks: () => ticks };
}

const fine = (...records: WatchRecord[]) => {
  for (const record of records) assert.equal(record.problem, undefined);
};

test('a watch goes live after one round trip although no head comes', async () => {
  const { clock, commit, watch } = system();
  commit('A', 3);
  const record = watch(A);
  assert.equal(record.epoch, undefined);
  await clock.run(5);
  assert.deepEqual([record.epoch, record.position], ['e1', 3]);
  const second = watch(A);
  await clock.run(0);
  assert.equal(second.position, 3);
  fine(record, second);
});

test('a change is handed out as soon as its head is there, without a request', async () => {
  const { clock, publisher, commit, watch, asked } = system();
  const record = watch(A);
  await clock.run(5);
  const before = asked.length;
  commit('A');
  publisher.publish(10);
  await clock.run(1);
  assert.deepEqual([record.got, record.position, asked.length], [1, 1, before]);
  fine(record);
});

test('changes reach their watches within four seconds although no publisher lives', async () => {
  const { clock, commit, watch } = system();
  const record = watch(A);
  await clock.run(5);
  commit('A', 5);
  await clock.run(4_000);
  assert.equal(record.got, 5);
  fine(record);
});

test('an edge that was disconnected fetches the range once for all its interests', async () => {
  const { clock, edgeBus, publisher, commit, watch, asked, faults, feed } = system();
  const records = [watch(A), watch(B), watch({ tenant: 't' }), watch({ tenant: 't', owner: 'x' })];
  await clock.run(5);
  edgeBus.disconnect();
  commit('A', 2);
  commit('B', 2);
  publisher.publish(10);
  await clock.run(50);
  asked.length = 0;
  edgeBus.reconnect();
  await clock.run(240);
  assert.equal(asked.length, 0, 'not before the jitter');
  await clock.run(20);
  assert.deepEqual(
    records.map(({ got }) => got),
    [2, 2, 4, 4],
  );
  assert.equal(asked.length, 2, 'the position and the range');
  assert.equal(feed.stats.gaps, 1);
  faults.answer = () => undefined;
  fine(...records);
});

test('a head that continues the chain opens the gate after a disconnect', async () => {
  const { clock, edgeBus, publisher, commit, watch, asked } = system();
  const record = watch(A);
  await clock.run(5);
  edgeBus.disconnect();
  edgeBus.reconnect();
  await clock.run(5);
  asked.length = 0;
  commit('A');
  publisher.publish(10);
  await clock.run(5);
  assert.deepEqual([record.got, asked.length], [1, 0]);
  fine(record);
});

test('a huge change delays only the watches that it may concern', async () => {
  const { clock, faults, publisher, commit, watch, huge } = system();
  const [a, b] = [watch(A), watch(B)];
  await clock.run(5);
  faults.answer = () => 'silence';
  huge.add(1);
  commit('A');
  commit('B');
  commit('A');
  publisher.publish(10);
  await clock.run(1_000);
  assert.deepEqual([a.got, b.got], [0, 1]);
  faults.answer = () => undefined;
  await clock.run(6_000);
  assert.deepEqual([a.got, b.got], [2, 1]);
  fine(a, b);
});

test('a watch reports that it waits for a body, and that the body has arrived; so does one that joins meanwhile', async () => {
  const { clock, faults, publisher, commit, watch, huge } = system();
  const [a, b] = [watch(A), watch(B)];
  await clock.run(5);
  faults.answer = () => 'silence';
  huge.add(1);
  commit('A');
  commit('B');
  publisher.publish(10);
  await clock.run(10);
  const late = watch(A);
  await clock.run(5);
  assert.deepEqual([a.waiting, b.waiting, late.waiting], [1, undefined, 1]);
  faults.answer = () => undefined;
  await clock.run(6_000);
  assert.deepEqual([a.waiting, a.got, late.waiting, late.got], [undefined, 1, undefined, 0]);
  fine(a, b, late);
});

test('a body that did not come is fetched before anything later of its interest', async () => {
  const { clock, faults, publisher, commit, watch } = system();
  const record = watch(A);
  await clock.run(5);
  let bodies = 0;
  faults.copies = (subject) => (subject.includes('changed') && ++bodies === 1 ? 0 : 1);
  commit('A', 3);
  publisher.publish(10);
  await clock.run(1);
  assert.equal(record.got, 0);
  await clock.run(5);
  assert.equal(record.got, 3);
  fine(record);
});

test('a tick hands out 2,000 changes at most', async () => {
  const { clock, feed, publisher, commit, watch, journal, ticks } = system();
  const perTick = new Map<number, number>();
  const record = watch(A);
  const counting = feed.watch(A, {
    live: () => {},
    change: () => perTick.set(ticks(), (perTick.get(ticks()) ?? 0) + 1),
    lost: () => assert.fail('lost'),
  });
  await clock.run(5);
  commit('A', 4_500);
  publisher.publish(5_000);
  await clock.run(5);
  assert.deepEqual([...perTick.values()], [2_000, 2_000, 500]);
  assert.equal(record.got, journal.seq);
  counting.close();
  fine(record);
});

test('watches of one interest share a subscription, and the last one ends it', async () => {
  const { clock, network, watch } = system();
  const heads = network.listeners.size;
  const records = [watch(A), watch({ ...A }), watch(B)];
  assert.equal(network.listeners.size, heads + 2);
  await clock.run(5);
  records[0]?.close();
  records[2]?.close();
  assert.equal(network.listeners.size, heads + 1);
  records[1]?.close();
  assert.equal(network.listeners.size, heads);
  fine(...records);
});

test('another history ends every watch, and the next one is live in it', async () => {
  const { clock, journal, publisher, commit, watch, feed } = system();
  const record = watch(A);
  commit('A', 4);
  publisher.publish(10);
  await clock.run(5);
  let reached: boolean | undefined;
  feed.whenDelivered('default', 'e1', 99, 60_000, (is) => {
    reached = is;
  });
  journal.restore(2);
  publisher.epoch = journal.epoch;
  publisher.fence = 2;
  publisher.published = 2;
  publisher.publish(10);
  await clock.run(300);
  assert.equal(record.failure?.code, 'lost');
  assert.equal(reached, true, 'whoever waits in the old history need not wait longer');
  const next = watch(A);
  await clock.run(5);
  assert.deepEqual([next.epoch, next.position], ['e2', 2]);
  fine(record, next);
});

test('a watch that cannot go live in time, or exceeds the limit, ends with lost', async () => {
  const { clock, edgeBus, watch } = system({ maxInterests: 1 });
  edgeBus.disconnect();
  const [waiting, oneTooMany] = [watch(A), watch(B)];
  await clock.run(1);
  assert.equal(oneTooMany.failure?.code, 'limited');
  await clock.run(11_000);
  assert.equal(waiting.failure?.code, 'unavailable');
  fine(waiting, oneTooMany);
});

test('whenDelivered calls back when everything was delivered, at once for the past, and after its time-out otherwise', async () => {
  const { clock, feed, publisher, commit, watch } = system();
  const record = watch(A);
  await clock.run(5);
  commit('A', 2);
  const outcomes: string[] = [];
  const note = (name: string) => (reached: boolean) => outcomes.push(`${name} ${reached} ${record.got}`);
  feed.whenDelivered('default', 'e1', 2, 2_000, note('both'));
  feed.whenDelivered('default', 'e1', 2, 2_000, note('closed')).close();
  publisher.publish(10);
  await clock.run(5);
  feed.whenDelivered('default', 'e1', 1, 2_000, note('past'));
  feed.whenDelivered('default', 'e1', 7, 2_000, note('never'));
  await clock.run(1_900);
  assert.deepEqual(outcomes, ['both true 2', 'past true 2']);
  await clock.run(400);
  assert.deepEqual(outcomes.at(-1), 'never false 2');
  assert.equal(feed.stats.ownTimeouts, 1);
  fine(record);
});

test('an exception of a handler ends its own watch only', async () => {
  const { clock, feed, publisher, commit, watch } = system();
  const record = watch(A);
  let failure = '';
  feed.watch(A, {
    live: () => {},
    change: () => {
      throw new Error('a bug');
    },
    lost: ({ code }) => {
      failure = code;
    },
  });
  await clock.run(5);
  commit('A', 2);
  publisher.publish(10);
  await clock.run(5);
  assert.deepEqual([failure, record.got, feed.stats.thrown], ['internal', 2, 1]);
  fine(record);
});
