import assert from 'node:assert/strict';
import test from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { failed } from '@polyedge/contracts/errors';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { View } from '@polyedge/session/session';
import { changeOf, FakeFeed } from '../testing/fake-feed.ts';
import { type FakePacket, FakeWire, fakeFraming } from '../testing/fake-wire.ts';
import { Flusher, Outbox, type Tag } from '../transport/outbox.ts';
import type { ReadChanges } from './broadcast-catch-up.ts';
import type { BroadcastOrder } from './broadcast-order.ts';
import { Broadcaster, type Sink } from './broadcaster.ts';
import { ChangeCache } from './change-cache.ts';

class Socket implements Sink<FakePacket> {
  broadcastCount = 0;
  broadcastOrder: BroadcastOrder<FakePacket> | undefined = undefined;
  readonly wire = new FakeWire();
  readonly outbox: Outbox<FakePacket>;
  readonly heard: string[] = [];
  readonly handler = {
    live: (seq: number) => this.heard.push(`live ${seq}`),
    lost: () => this.heard.push('lost'),
  };

  constructor(flusher: Flusher) {
    this.outbox = new Outbox(this.wire, flusher);
  }

  deliver(packet: FakePacket, _change: FullChange, tag: Tag): void {
    this.outbox.push(packet, tag);
  }
}

function setUp(document?: (change: FullChange) => FullChange['state'], changes: ReadChanges = async () => failed('unavailable')) {
  const feed = new FakeFeed();
  const due: (() => void)[] = [];
  const flusher = new Flusher((run) => due.push(run));
  const translated: string[] = [];
  const broadcaster = new Broadcaster<FakePacket>({
    feed,
    cache: new ChangeCache({
      frame: (change, view) => {
        translated.push(`${change.seq} ${view.shape}`);
        return fakeFraming.pack(`${change.seq} ${view.shape}`);
      },
      ...(document === undefined ? {} : { document }),
    }),
    changes,
  });
  return {
    feed,
    broadcaster,
    translated,
    socket: () => new Socket(flusher),
    turn: () => {
      for (const run of due.splice(0)) run();
    },
  };
}

const attribute = (name: string, value: string): Filter => ({ test: 'text-equal', path: ['attributes', name], value });
const view = (shape: string, filter: Filter = EVERYTHING): View => ({ shape, filter });
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a change is translated once per shape and goes to every socket that sees it, in one write', async () => {
  const { feed, broadcaster, translated, socket, turn } = setUp();
  const sockets = [socket(), socket(), socket()];
  for (const one of sockets) broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  assert.deepEqual(broadcaster.size, { interests: 1, groups: 1 });
  await settled();
  feed.deliver(changeOf(1), changeOf(2));
  turn();
  assert.deepEqual(translated, ['1 full', '2 full']);
  for (const { wire, heard } of sockets) {
    assert.deepEqual(heard, ['live 0']);
    assert.deepEqual(wire.sent, ['1 full', '2 full']);
    assert.equal(wire.writes, 1);
  }
});

test('a client that resumes ahead of this feed is shown nothing twice', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const one = socket();
  const since = { epoch: changeOf(1).epoch, seq: 2 };
  broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler, since);
  await settled();
  feed.deliver(changeOf(1), changeOf(2), changeOf(3));
  await settled();
  turn();
  assert.deepEqual(one.heard, ['live 0']);
  assert.deepEqual(one.wire.sent, ['3 full']);
});

test('where what was missed cannot be read, nothing later is shown: the client would resume after it', async () => {
  const missed = Promise.withResolvers<Awaited<ReturnType<ReadChanges>>>();
  const { feed, broadcaster, socket, turn } = setUp(undefined, () => missed.promise);
  const one = socket();
  // As a session that ends with the first: what was queued is written then.
  const lost = (): void => {
    one.heard.push('lost');
    one.outbox.flushAll();
  };
  const since = { epoch: changeOf(1).epoch, seq: 1 };
  broadcaster.subscribe({ tenant: 't' }, view('full'), socket(), { live: () => {}, lost: () => {} });
  await settled();
  feed.deliver(changeOf(1), changeOf(2), changeOf(3));
  for (const interest of [{ tenant: 't' }, { tenant: 't', type: 'ogit/Note' }])
    broadcaster.subscribe(interest, view(JSON.stringify(interest)), one, { ...one.handler, lost }, since);
  await settled();
  feed.deliver(changeOf(4));
  missed.resolve(failed('unavailable'));
  await settled();
  turn();
  assert.deepEqual([one.heard, one.wire.sent], [['lost', 'lost'], []]);
});

test('a socket in several matching groups and interests gets one frame per change and shape', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const one = socket();
  broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  broadcaster.subscribe({ tenant: 't' }, view('full', attribute('a', '1')), one, one.handler);
  broadcaster.subscribe({ tenant: 't', type: 'ogit/Note' }, view('full'), one, one.handler);
  broadcaster.subscribe({ tenant: 't' }, view('delta', attribute('a', '1')), one, one.handler);
  await settled();
  feed.deliver(changeOf(1, { attributes: { a: '1' } }), changeOf(2));
  turn();
  assert.deepEqual([...one.wire.sent].sort(), ['1 delta', '1 full', '2 full']);
});

test('only sockets whose filter matches the document get the frame', async () => {
  const { feed, broadcaster, translated, socket, turn } = setUp((change) => ({ ...change.state, attributes: { kindOf: change.action } }));
  const creates = socket();
  const deletes = socket();
  broadcaster.subscribe({ tenant: 't' }, view('full', attribute('kindOf', 'create')), creates, creates.handler);
  broadcaster.subscribe({ tenant: 't' }, view('full', attribute('kindOf', 'delete')), deletes, deletes.handler);
  await settled();
  feed.deliver(changeOf(1), changeOf(2, { action: 'delete' }), changeOf(3, { action: 'update' }));
  turn();
  assert.deepEqual(creates.wire.sent, ['1 full']);
  assert.deepEqual(deletes.wire.sent, ['2 full']);
  assert.deepEqual(translated, ['1 full', '2 full']);
});

test('with `either` a change that leaves the filter is shown, without it not', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const after = socket();
  const either = socket();
  const filter = attribute('room', 'red');
  broadcaster.subscribe({ tenant: 't' }, view('after', filter), after, after.handler);
  broadcaster.subscribe({ tenant: 't' }, { ...view('either', filter), on: 'either' }, either, either.handler);
  await settled();
  const left = changeOf(2, {
    action: 'update',
    attributes: { room: 'blue' },
    undo: { set: { room: 'red' }, unset: [], version: 1, seq: 1, deleted: false },
  });
  feed.deliver(changeOf(1, { attributes: { room: 'red' } }), left);
  turn();
  assert.deepEqual(after.wire.sent, ['1 after']);
  assert.deepEqual(either.wire.sent, ['1 either', '2 either']);
});

test('unsubscribing takes out frames that were queued and not yet sent, except those another subscription of the socket also sees', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const one = socket();
  const all = broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  const some = broadcaster.subscribe({ tenant: 't' }, view('full', attribute('a', '1')), one, one.handler);
  await settled();
  feed.deliver(changeOf(1), changeOf(2, { attributes: { a: '1' } }));
  all.close();
  one.outbox.prune();
  assert.equal(one.outbox.bytes, Buffer.byteLength('2 full'));
  turn();
  assert.deepEqual(one.wire.sent, ['2 full']);
  some.close();
  assert.equal(feed.watches, 0, 'the last subscription ends the watch');
  assert.deepEqual(broadcaster.size, { interests: 0, groups: 0 });
});

const IN_A = { tenant: 't', owner: 'a' };
const IN_B = { tenant: 't', owner: 'b' };
/** Concerns both interests. */
const shared = (seq: number) => changeOf(seq, { owners: ['a', 'b'] });

/** A socket with a subscription in each of two interests that have changes in common. */
async function twoInterests(shapes: readonly [string, string] = ['full', 'full']) {
  const parts = setUp();
  const one = parts.socket();
  const [a, b] = [
    parts.broadcaster.subscribe(IN_A, view(shapes[0]), one, one.handler),
    parts.broadcaster.subscribe(IN_B, view(shapes[1]), one, one.handler),
  ];
  await settled();
  return { ...parts, one, a, b };
}

test('saga:11 the copies of a change are shown once, even if each arrives in a tick of its own and the first was sent already', async () => {
  const { feed, turn, one } = await twoInterests();
  for (const seq of [1, 2]) {
    feed.deliverTo(shared(seq), IN_A);
    turn();
    feed.deliverTo(shared(seq), IN_B);
    turn();
  }
  assert.deepEqual(one.wire.sent, ['1 full', '2 full']);
});

test('copies of different shapes all come, though they come apart', async () => {
  const { feed, turn, one } = await twoInterests(['from', 'to']);
  feed.deliverTo(shared(1), IN_A);
  turn();
  feed.deliverTo(shared(1), IN_B);
  feed.deliverTo(shared(1), IN_A);
  turn();
  assert.deepEqual(one.wire.sent, ['1 from', '1 to']);
});

test('a copy that was sent is not shown again through the remaining interest; one that was dropped is', async () => {
  const { feed, turn, one, a } = await twoInterests();
  feed.deliverTo(shared(1), IN_A);
  turn();
  feed.deliverTo(shared(2), IN_A);
  a.close();
  one.outbox.prune();
  feed.deliverTo(shared(2), IN_B);
  turn();
  assert.deepEqual(one.wire.sent, ['1 full', '2 full']);
});

test('leaving the interest through which a copy was sent does not bring the other copy', async () => {
  const { feed, turn, one, a } = await twoInterests();
  feed.deliverTo(shared(1), IN_A);
  turn();
  a.close();
  one.outbox.prune();
  feed.deliverTo(shared(1), IN_B);
  turn();
  assert.deepEqual(one.wire.sent, ['1 full']);
});

test('joining between two copies of a change does not bring it again', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const [one, other] = [socket(), socket()];
  broadcaster.subscribe(IN_A, view('full'), one, one.handler);
  broadcaster.subscribe(IN_B, view('full'), other, other.handler);
  await settled();
  feed.deliverTo(shared(1), IN_A);
  broadcaster.subscribe(IN_B, view('full'), one, one.handler);
  feed.deliverTo(shared(1), IN_B);
  turn();
  assert.deepEqual(one.wire.sent, ['1 full']);
  assert.deepEqual(other.wire.sent, ['1 full']);
});

test('changes after one that an interest waits for are held back until it has caught up; others do not wait', async () => {
  const { feed, broadcaster, socket, turn, one } = await twoInterests();
  const other = socket();
  broadcaster.subscribe(IN_B, view('full'), other, other.handler);
  broadcaster.subscribe({ tenant: 't', owner: 'c' }, view('full'), other, other.handler);
  await settled();
  feed.wait(IN_A, 1);
  feed.deliverTo(shared(2), IN_B);
  feed.deliverTo(changeOf(4), IN_B);
  turn();
  assert.deepEqual(one.wire.sent, []);
  assert.deepEqual(other.wire.sent, ['2 full', '4 full']);
  feed.deliverTo(changeOf(1), IN_A);
  feed.wait(IN_A, 2);
  turn();
  assert.deepEqual(one.wire.sent, ['1 full', '2 full']);
  feed.deliverTo(shared(2), IN_A);
  feed.deliverTo(changeOf(3), IN_A);
  feed.wait(IN_A, undefined);
  turn();
  assert.deepEqual(one.wire.sent, ['1 full', '2 full', '3 full', '4 full']);
});

test('frames held back for an interest are sent when the socket leaves it, and when it is lost', async () => {
  const { feed, turn, one, a } = await twoInterests();
  feed.wait(IN_A, 1);
  feed.deliverTo(changeOf(2), IN_B);
  a.close();
  turn();
  assert.deepEqual(one.wire.sent, ['2 full']);
});

test('a socket that would hold back too much loses the subscription that it waits for, and only that one', async () => {
  const { feed, broadcaster, socket, turn, one } = await twoInterests();
  const patient = socket();
  broadcaster.subscribe(IN_A, view('full'), patient, patient.handler);
  await settled();
  feed.wait(IN_A, 1);
  for (let seq = 2; seq <= 2_002; seq += 1) feed.deliverTo(changeOf(seq), IN_B);
  turn();
  assert.deepEqual(one.heard, ['live 0', 'live 0', 'lost']);
  assert.equal(one.wire.sent.length, 2_001);
  assert.deepEqual(patient.heard, ['live 0']);
});

for (const [what, lose] of [
  ['that is lost', (feed: FakeFeed) => feed.lose(undefined, IN_A)],
  [
    'for which too much was held back',
    (feed: FakeFeed) => {
      for (let seq = 3; seq <= 2_002; seq += 1) feed.deliverTo(changeOf(seq), IN_B);
    },
  ],
] as const)
  test(`a session hears of a subscription ${what} before anything is sent that was held back behind it`, async () => {
    const { feed, broadcaster, socket, turn } = setUp();
    const one = socket();
    const subscriptions = [IN_A, IN_B].map((interest) =>
      broadcaster.subscribe(interest, view('full'), one, {
        ...one.handler,
        // As a session that ends with the first: what was queued is written then.
        lost: () => {
          one.outbox.flushAll();
          one.heard.push(`lost after ${one.wire.sent.length}`);
          for (const subscription of subscriptions) subscription.close();
        },
      }),
    );
    await settled();
    feed.wait(IN_A, 1);
    feed.deliverTo(changeOf(2), IN_B);
    lose(feed);
    turn();
    assert.deepEqual([one.heard, one.wire.sent], [['live 0', 'live 0', 'lost after 0'], []]);
  });

test('a subscription that joins a live interest sees only later changes', async () => {
  const { feed, broadcaster, socket, turn } = setUp();
  const first = socket();
  const second = socket();
  broadcaster.subscribe({ tenant: 't' }, view('full'), first, first.handler);
  await settled();
  feed.deliver(changeOf(7));
  broadcaster.subscribe({ tenant: 't' }, view('full'), second, second.handler);
  assert.deepEqual(second.heard, ['live 7']);
  feed.deliver(changeOf(8));
  turn();
  assert.deepEqual(second.wire.sent, ['8 full']);
});

test('a lost watch ends all its subscriptions and a new one starts over', async () => {
  const { feed, broadcaster, socket } = setUp();
  const one = socket();
  const subscription = broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  await settled();
  feed.lose();
  assert.deepEqual(one.heard, ['live 0', 'lost']);
  assert.equal(subscription.live, false);
  assert.equal(one.broadcastCount, 0);
  broadcaster.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  await settled();
  assert.deepEqual(one.heard, ['live 0', 'lost', 'live 0']);
});
