import assert from 'node:assert/strict';
import test from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { EVERYTHING, type Filter } from '@polyedge/query/filter';
import type { View } from '@polyedge/session/session';
import { Lane, type SharedTag, type Sink } from './lane.ts';
import { Flusher, Outbox, type Tag } from './outbox.ts';
import { changeOf, FakeFeed } from './testing/fake-feed.ts';
import { type FakePacket, FakeWire, fakeFraming } from './testing/fake-wire.ts';

class Socket implements Sink<FakePacket> {
  laneCount = 0;
  laneSeen: Map<string, Map<number, SharedTag>> | undefined = undefined;
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

function setUp(document?: (change: FullChange) => FullChange['state']) {
  const feed = new FakeFeed();
  const due: (() => void)[] = [];
  const flusher = new Flusher((run) => due.push(run));
  const translated: string[] = [];
  const lane = new Lane<FakePacket>({
    feed,
    frame: (change, view) => {
      translated.push(`${change.seq} ${view.shape}`);
      return fakeFraming.pack(`${change.seq} ${view.shape}`);
    },
    ...(document === undefined ? {} : { document }),
  });
  return {
    feed,
    lane,
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
  const { feed, lane, translated, socket, turn } = setUp();
  const sockets = [socket(), socket(), socket()];
  for (const one of sockets) lane.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  assert.deepEqual(lane.size, { interests: 1, groups: 1 });
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

test('a socket in several matching groups and interests gets one frame per change and shape', async () => {
  const { feed, lane, socket, turn } = setUp();
  const one = socket();
  lane.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  lane.subscribe({ tenant: 't' }, view('full', attribute('a', '1')), one, one.handler);
  lane.subscribe({ tenant: 't', type: 'ogit/Note' }, view('full'), one, one.handler);
  lane.subscribe({ tenant: 't' }, view('delta', attribute('a', '1')), one, one.handler);
  await settled();
  feed.deliver(changeOf(1, { attributes: { a: '1' } }), changeOf(2));
  turn();
  assert.deepEqual([...one.wire.sent].sort(), ['1 delta', '1 full', '2 full']);
});

test('only sockets whose filter matches the document get the frame', async () => {
  const { feed, lane, translated, socket, turn } = setUp((change) => ({ ...change.state, attributes: { kindOf: change.action } }));
  const creates = socket();
  const deletes = socket();
  lane.subscribe({ tenant: 't' }, view('full', attribute('kindOf', 'create')), creates, creates.handler);
  lane.subscribe({ tenant: 't' }, view('full', attribute('kindOf', 'delete')), deletes, deletes.handler);
  await settled();
  feed.deliver(changeOf(1), changeOf(2, { action: 'delete' }), changeOf(3, { action: 'update' }));
  turn();
  assert.deepEqual(creates.wire.sent, ['1 full']);
  assert.deepEqual(deletes.wire.sent, ['2 full']);
  assert.deepEqual(translated, ['1 full', '2 full']);
});

test('with `either` a change that leaves the filter is shown, without it not', async () => {
  const { feed, lane, socket, turn } = setUp();
  const after = socket();
  const either = socket();
  const filter = attribute('room', 'red');
  lane.subscribe({ tenant: 't' }, view('after', filter), after, after.handler);
  lane.subscribe({ tenant: 't' }, { ...view('either', filter), on: 'either' }, either, either.handler);
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
  const { feed, lane, socket, turn } = setUp();
  const one = socket();
  const all = lane.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  const some = lane.subscribe({ tenant: 't' }, view('full', attribute('a', '1')), one, one.handler);
  await settled();
  feed.deliver(changeOf(1), changeOf(2, { attributes: { a: '1' } }));
  all.close();
  one.outbox.prune();
  assert.equal(one.outbox.bytes, Buffer.byteLength('2 full'));
  turn();
  assert.deepEqual(one.wire.sent, ['2 full']);
  some.close();
  assert.equal(feed.watches, 0, 'the last subscription ends the watch');
  assert.deepEqual(lane.size, { interests: 0, groups: 0 });
});

test('a subscription that joins a live interest sees only later changes', async () => {
  const { feed, lane, socket, turn } = setUp();
  const first = socket();
  const second = socket();
  lane.subscribe({ tenant: 't' }, view('full'), first, first.handler);
  await settled();
  feed.deliver(changeOf(7));
  lane.subscribe({ tenant: 't' }, view('full'), second, second.handler);
  assert.deepEqual(second.heard, ['live 7']);
  feed.deliver(changeOf(8));
  turn();
  assert.deepEqual(second.wire.sent, ['8 full']);
});

test('a lost watch ends all its subscriptions and a new one starts over', async () => {
  const { feed, lane, socket } = setUp();
  const one = socket();
  const subscription = lane.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  await settled();
  feed.lose();
  assert.deepEqual(one.heard, ['live 0', 'lost']);
  assert.equal(subscription.live, false);
  assert.equal(one.laneCount, 0);
  lane.subscribe({ tenant: 't' }, view('full'), one, one.handler);
  await settled();
  assert.deepEqual(one.heard, ['live 0', 'lost', 'live 0']);
});
