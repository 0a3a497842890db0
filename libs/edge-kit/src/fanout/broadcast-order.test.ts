import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import type { RequestOf } from '@polyedge/contracts/channel';
import { covers, type Interest } from '@polyedge/contracts/interest';
import { EVERYTHING } from '@polyedge/query/filter';
import type { Bus } from '@polyedge/service-kit/bus';
import { FakeClock, type FakeFaults, FakeNetwork } from '@polyedge/testkit/fake-bus';
import fc from 'fast-check';
import { openFeed } from '../feed/feed.ts';
import { type FakePacket, FakeWire, fakeFraming } from '../testing/fake-wire.ts';
import { answerFrom, ModelJournal, ModelPublisher } from '../testing/feed-model.ts';
import { Flusher, Outbox, type Tag } from '../transport/outbox.ts';
import type { BroadcastOrder } from './broadcast-order.ts';
import { Broadcaster, type BroadcastSubscription, type Sink } from './broadcaster.ts';
import { ChangeCache } from './change-cache.ts';

/** All of them have changes in common. */
const INTERESTS: readonly Interest[] = [
  { tenant: 't' },
  { tenant: 't', type: 'A' },
  { tenant: 't', type: 'B' },
  { tenant: 't', owner: 'x' },
  { tenant: 't', owner: 'y' },
];
const SHAPES = ['full', 'brief'];

const readFrom = (bus: Bus, request: RequestOf<typeof graphChanges>) =>
  bus.request(graphChanges, graphChanges.subject({}), request, { timeoutMs: 5_000 });

interface Subscribed {
  readonly interest: Interest;
  readonly shape: string;
  subscription: BroadcastSubscription<FakePacket>;
  readonly state: { since: number | undefined; lost: boolean };
}

class Socket implements Sink<FakePacket> {
  broadcastCount = 0;
  broadcastOrder: BroadcastOrder<FakePacket> | undefined = undefined;
  readonly wire = new FakeWire();
  readonly outbox: Outbox<FakePacket>;
  subscriptions: Subscribed[] = [];

  constructor(flusher: Flusher) {
    this.outbox = new Outbox(this.wire, flusher);
  }

  deliver(packet: FakePacket, _change: FullChange, tag: Tag): void {
    this.outbox.push(packet, tag);
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('commit' as const), n: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('wait' as const), n: fc.integer({ min: 0, max: 60 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('join' as const), n: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), n: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('come-back' as const), n: fc.nat(1000) }) },
);
const scenario = fc.record({
  lossPercent: fc.constantFrom(0, 10),
  hugePercent: fc.constantFrom(0, 20),
  /** What each look at the clock takes: with more than nothing a tick ends between two copies of a change. */
  lookMs: fc.constantFrom(0, 1, 3),
  /** With a single shape clients come back too: an offset tells nothing about the shapes of one change. */
  shapes: fc.constantFrom(1, 2),
  page: fc.constantFrom(1, 3, 1000),
  choices: fc.infiniteStream(fc.nat(999)),
  steps: fc.array(step, { maxLength: 50, size: 'max' }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

const totals = { sent: 0, kept: 0, subscriptions: 0, left: 0, backs: 0 };

async function play(run: Scenario): Promise<void> {
  const choose = (below: number): number => (run.choices.next().value ?? 0) % below;
  const pick = <Item>(items: readonly Item[]): Item => items[choose(items.length)] as Item;
  const clock = new FakeClock();
  const faults: FakeFaults = {
    latencyMs: () => 1 + choose(20),
    copies: (subject) => (subject.includes('changed') && choose(100) < run.lossPercent ? 0 : 1),
  };
  const network = new FakeNetwork(clock, faults);
  const storeBus = network.connect();
  const journal = new ModelJournal();
  const huge = new Set<number>();
  answerFrom(journal, storeBus, () => run.page);
  const publisher = new ModelPublisher(journal, storeBus, { fence: 1, published: 0 }, (seq) => huge.has(seq));
  clock.every(20, () => publisher.publish(5));
  let looks = 0;
  const edgeBus = network.connect();
  const feed = openFeed({
    bus: edgeBus,
    settings: { silenceMs: 1e9 },
    surroundings: {
      now: () => {
        looks += run.lookMs;
        return clock.now() + looks;
      },
      random: () => choose(100) / 100,
      soon: (go) => clock.soon(go),
      after: (ms, go) => clock.after(ms, go),
      every: (ms, go) => clock.every(ms, go),
    },
  });
  const flusher = new Flusher((go) => clock.soon(go));
  const broadcaster = new Broadcaster<FakePacket>({
    feed,
    cache: new ChangeCache({ frame: ({ seq }, { shape }) => fakeFraming.pack(`${seq} ${shape}`) }),
    changes: (request) => readFrom(edgeBus, request),
  });
  const sockets = Array.from({ length: 3 }, () => new Socket(flusher));
  const join = (socket: Socket) => {
    const interest = pick(INTERESTS);
    const shape = pick(SHAPES.slice(0, run.shapes));
    const state: { since: number | undefined; lost: boolean } = { since: undefined, lost: false };
    const subscription = broadcaster.subscribe(interest, { shape, filter: EVERYTHING }, socket, {
      live: (seq) => {
        state.since = seq;
      },
      lost: () => {
        state.lost = true;
      },
    });
    socket.subscriptions.push({ interest, shape, subscription, state });
    totals.subscriptions += 1;
  };
  /** The connection is cut: what was not sent is gone. The client comes back and goes on from the last event it has. */
  const comeBack = (socket: Socket) => {
    for (const { subscription } of socket.subscriptions) subscription.close();
    socket.outbox.prune();
    const last = Number(String(socket.wire.sent.at(-1) ?? '0').split(' ')[0]);
    for (const one of socket.subscriptions) {
      const { interest, shape, state } = one;
      const since = { epoch: journal.epoch, seq: Math.max(state.since ?? 0, last) };
      one.subscription = broadcaster.subscribe(
        interest,
        { shape, filter: EVERYTHING },
        socket,
        {
          live: () => {},
          lost: () => {
            state.lost = true;
          },
        },
        since,
      );
    }
  };
  for (const socket of sockets) for (let n = 0; n < 2; n += 1) join(socket);
  await clock.run(50);
  for (const { do: what, n } of run.steps) {
    const socket = pick(sockets);
    if (what === 'commit') {
      for (let i = 0; i < n; i += 1) {
        journal.commit({ tenant: 't', type: pick(['A', 'B']), owners: pick([['x'], ['y'], ['x', 'y']]) });
        if (choose(100) < run.hugePercent) huge.add(journal.seq);
      }
    } else if (what === 'wait') await clock.run(n);
    else if (what === 'join') join(socket);
    else if (what === 'come-back') {
      // Who is not live yet has nothing to come back to.
      if (run.shapes > 1 || socket.subscriptions.some(({ state }) => state.since === undefined)) continue;
      comeBack(socket);
      totals.backs += 1;
    } else if (socket.subscriptions.length > 0) {
      const [left] = socket.subscriptions.splice(n % socket.subscriptions.length, 1);
      left?.subscription.close();
      socket.outbox.prune();
      totals.left += 1;
    }
    totals.kept += sockets.filter(({ broadcastOrder }) => broadcastOrder?.waiting === true).length;
  }
  faults.copies = () => 1;
  const isOver = () =>
    feed.stats.position === journal.seq &&
    feed.stats.pending === 0 &&
    sockets.every(
      ({ subscriptions, broadcastOrder }) =>
        broadcastOrder?.waiting !== true && subscriptions.every(({ state }) => state.since !== undefined),
    );
  for (let n = 0; n < 100 && !isOver(); n += 1) await clock.run(100);
  await clock.run(2_000);
  feed.close();

  assert.equal(publisher.published, journal.seq);
  for (const { wire, subscriptions, broadcastOrder } of sockets) {
    const sent = wire.sent.map(String);
    totals.sent += sent.length;
    assert.equal(broadcastOrder?.waiting ?? false, false, 'nothing is kept when nothing is missing');
    assert.equal(new Set(sent).size, sent.length, `twice: ${sent}`);
    const seqs = sent.map((text) => Number(text.split(' ')[0]));
    for (const [at, seq] of seqs.entries()) assert.ok(at === 0 || seq >= (seqs[at - 1] ?? 0), `not in order: ${sent}`);
    for (const { interest, shape, state } of subscriptions) {
      assert.equal(state.lost, false);
      assert.notEqual(state.since, undefined, 'never live');
      for (const row of journal.rows.slice(state.since)) {
        if (covers(interest, row)) assert.ok(sent.includes(`${row.seq} ${shape}`), `${row.seq} ${shape} is missing: ${sent}`);
      }
    }
  }
}

test('saga:11 a socket with overlapping interests is shown each change once per shape, in the order of seq, whenever its copies arrive and however often it reconnects', async () => {
  await fc.assert(fc.asyncProperty(scenario, play), { numRuns: Number(process.env.FEED_RUNS ?? 200) });
  for (const count of Object.values(totals)) assert.ok(count > 0, JSON.stringify(totals));
  if (process.env.FEED_RUNS !== undefined) console.log(totals);
});
