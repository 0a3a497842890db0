/** An edge over two journals: it hears what its clients need, and shows each tenant's changes in that tenant's order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphChanges, graphHead } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import { EVERYTHING } from '@polyedge/query/filter';
import type { Placements } from '@polyedge/service-kit/bus';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { FakeClock, FakeNetwork } from '@polyedge/testkit/fake-bus';
import { openFeeds } from '../feed/feeds.ts';
import { type FakePacket, fakeFraming } from '../testing/fake-wire.ts';
import { answerFrom, ModelJournal, ModelPublisher, WatchRecord } from '../testing/feed-model.ts';
import type { Tag } from '../transport/outbox.ts';
import type { BroadcastOrder } from './broadcast-order.ts';
import type { Sink } from './broadcaster.ts';
import { Broadcasters } from './broadcasters.ts';
import { ChangeCache } from './change-cache.ts';

const SECOND = 'second';
const HEADS = graphHead.pattern({});

/**
 * Tenant `a` in `main`, tenant `b` in `second`.
 * @param lookMs what each look at the clock takes: with some, a turn ends between two subscriptions that see the same change
 */
function twoJournals(lookMs = 0) {
  let looks = 0;
  const clock = new FakeClock();
  const network = new FakeNetwork(clock);
  const storeBus = network.connect();
  const [main, second] = [new ModelJournal(), new ModelJournal()];
  second.histories.set('s1', []);
  second.epoch = 's1';
  for (const [name, journal] of [[MAIN, main] as const, [SECOND, second] as const]) {
    const bus = busOf(storeBus, name);
    answerFrom(journal, bus, () => 100);
    const publisher = new ModelPublisher(journal, bus, { fence: 1, published: 0 }, () => false);
    clock.every(20, () => publisher.publish(5));
  }
  const places = new Map([['b', SECOND]]);
  const listeners = new Set<(tenants: ReadonlySet<string>) => void>();
  const placements: Placements = {
    journalOf: (tenant) => places.get(tenant) ?? MAIN,
    refresh: async () => {},
    onMoved: (listener) => {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
  };
  const bus = Object.assign(network.connect(), { placements });
  const surroundings = {
    now: () => {
      looks += lookMs;
      return clock.now() + looks;
    },
    random: () => 0,
    soon: (go: () => void) => clock.soon(go),
    after: (ms: number, go: () => void) => clock.after(ms, go),
    every: (ms: number, go: () => void) => clock.every(ms, go),
  };
  return {
    ...{ clock, main, second, bus },
    feeds: openFeeds({ bus, surroundings, settings: { silenceMs: 1e9, joinTimeoutMs: 1e9 } }),
    heard: () =>
      [...network.listeners]
        .map(({ pattern }) => pattern.join('.'))
        .filter((subject) => subject.startsWith(HEADS))
        .sort(),
    move: (tenant: string, journal: string) => {
      places.set(tenant, journal);
      for (const listener of listeners) listener(new Set([tenant]));
    },
  };
}

const change = (tenant: string, ...owners: readonly string[]) => ({ tenant, type: 'T', owners });

test('an edge subscribes to the heads of the journals that its clients need, for as long as they need them', async () => {
  const { clock, feeds, heard, main, second } = twoJournals();
  const inSecond = inJournal(HEADS, SECOND);
  assert.deepEqual(heard(), [HEADS]);
  const watch = new WatchRecord(feeds, second, { tenant: 'b' });
  assert.deepEqual(heard(), [HEADS, inSecond]);
  await clock.run(100);
  second.commit(change('b', 'x'));
  await clock.run(100);
  assert.equal(watch.got, 1);
  // Nobody watches a tenant of main.
  await clock.run(61_000);
  assert.deepEqual(heard(), [inSecond]);
  const other = new WatchRecord(feeds, main, { tenant: 'a' });
  assert.deepEqual(heard(), [HEADS, inSecond]);
  watch.close();
  await clock.run(100);
  main.commit(change('a', 'x'));
  await clock.run(61_000);
  assert.equal(other.got, 1);
  assert.deepEqual(heard(), [HEADS]);
  other.close();
  await clock.run(61_000);
  assert.deepEqual(heard(), [HEADS], 'the last one stays open');
  assert.deepEqual([watch.problem, other.problem], [undefined, undefined]);
});

test('a tenant that is moved ends its watches, and those of no other; who watches again does so where the tenant is', async () => {
  const { clock, feeds, main, second, move } = twoJournals();
  const moving = new WatchRecord(feeds, main, { tenant: 'a', owner: 'x' });
  const staying = new WatchRecord(feeds, main, { tenant: 'c' });
  await clock.run(100);
  move('a', SECOND);
  await clock.run(100);
  assert.equal(moving.failure?.code, 'lost');
  assert.equal(staying.failure, undefined);
  const again = new WatchRecord(feeds, second, { tenant: 'a', owner: 'x' });
  await clock.run(100);
  second.commit(change('a', 'x'));
  main.commit(change('c', 'x'));
  await clock.run(100);
  assert.deepEqual([again.got, staying.got], [1, 1]);
  assert.deepEqual([moving.problem, staying.problem, again.problem], [undefined, undefined, undefined]);
});

test('a socket that sees tenants of two journals is shown each one`s changes in its order, once each, however they alternate', async () => {
  const { clock, feeds, main, second, bus } = twoJournals(3);
  const broadcasters = new Broadcasters<FakePacket>({
    feed: feeds,
    cache: new ChangeCache({ frame: ({ tenant, seq }) => fakeFraming.pack(`${tenant} ${seq}`) }),
    journalOf: (tenant) => bus.placements.journalOf(tenant),
    changes: (journal) => (request) => busOf(bus, journal).request(graphChanges, graphChanges.subject({}), request, { timeoutMs: 5000 }),
  });
  const shown: string[] = [];
  const socket: Sink<FakePacket> & { broadcastOrder: BroadcastOrder<FakePacket> | undefined } = {
    broadcastCount: 0,
    broadcastOrder: undefined,
    deliver: (_packet: FakePacket, { tenant, seq }: FullChange, tag: Tag) => {
      if (tag.live) shown.push(`${tenant} ${seq}`);
    },
  };
  const lost: string[] = [];
  const subscribe = (tenant: string, owner: string) =>
    broadcasters.subscribe({ tenant, owner }, { shape: 'full', filter: EVERYTHING }, socket, {
      live: () => {},
      lost: ({ code }) => lost.push(code),
    });
  const both = ['a', 'b'].flatMap((tenant) => ['x', 'y'].map((owner) => subscribe(tenant, owner)));
  await clock.run(200);
  for (let n = 0; n < 60; n += 1) {
    // Each is seen by two subscriptions of the socket.
    main.commit(change('a', 'x', 'y'));
    second.commit(change('b', 'x', 'y'));
    if (n % 7 === 0) await clock.run(20);
  }
  await clock.run(2000);
  const of = (tenant: string) => shown.filter((one) => one.startsWith(tenant));
  for (const tenant of ['a', 'b'])
    assert.deepEqual(
      of(tenant),
      Array.from({ length: 60 }, (_, at) => `${tenant} ${at + 1}`),
    );
  // They really alternated.
  assert.ok(
    shown.some((one, at) => one.startsWith('a') && shown[at + 1]?.startsWith('b') === true && shown[at + 2]?.startsWith('a') === true),
  );
  for (const one of both) one.close();
  assert.equal(socket.broadcastCount, 0);
  // Begun again the other way round, it is the same.
  shown.length = 0;
  for (const tenant of ['b', 'a']) for (const owner of ['x', 'y']) subscribe(tenant, owner);
  await clock.run(200);
  main.commit(change('a', 'x', 'y'));
  second.commit(change('b', 'y', 'x'));
  await clock.run(200);
  assert.deepEqual(shown.toSorted(), ['a 61', 'b 61']);
  assert.deepEqual(lost, []);
});
