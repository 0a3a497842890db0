import assert from 'node:assert/strict';
import test from 'node:test';
import { type FakePacket, FakeWire, fakeFraming } from '../testing/fake-wire.ts';
import { Flusher, Outbox } from './outbox.ts';

function setUp() {
  const due: (() => void)[] = [];
  const flusher = new Flusher((run) => due.push(run));
  const wire = new FakeWire();
  const outbox = new Outbox<FakePacket>(wire, flusher);
  const turn = () => {
    for (const run of due.splice(0)) run();
  };
  const big = (mark: string, kilobytes: number) => fakeFraming.pack(mark.repeat(kilobytes * 1024));
  return { wire, outbox, turn, big, due };
}

test('one turn writes once, at most a megabyte, and the rest in later turns', () => {
  const { wire, outbox, turn, big, due } = setUp();
  for (const mark of ['a', 'b', 'c', 'd', 'e']) outbox.push(big(mark, 512));
  turn();
  assert.deepEqual(
    wire.sent.map(([mark]) => mark),
    ['a', 'b'],
  );
  assert.equal(wire.writes, 1);
  turn();
  turn();
  assert.equal(wire.sent.length, 5);
  assert.equal(wire.writes, 3);
  assert.equal(outbox.bytes, 0);
  assert.equal(due.length, 0, 'nothing is scheduled when nothing is owed');
});

test('a socket that is backed up gets nothing more until it has drained, and queued frames can still be dropped', () => {
  const { wire, outbox, turn, big } = setUp();
  wire.stuck = true;
  outbox.push(big('a', 300));
  turn();
  const tag = { live: true };
  outbox.push(big('b', 10), tag);
  outbox.push(big('c', 10));
  turn();
  assert.equal(wire.sent.length, 1);
  tag.live = false;
  outbox.prune();
  assert.equal(outbox.bytes, 310 * 1024);
  wire.bufferedBytes = 0;
  outbox.drained();
  turn();
  assert.deepEqual(
    wire.sent.map(([mark]) => mark),
    ['a', 'c'],
  );
});

test('before a close everything that is still wanted leaves at once, and nothing is taken after it', () => {
  const { wire, outbox, turn, big } = setUp();
  wire.stuck = true;
  outbox.push(big('a', 300));
  turn();
  outbox.push(big('b', 1), { live: false });
  outbox.push(big('c', 1));
  outbox.flushAll();
  outbox.push(big('d', 1));
  turn();
  assert.deepEqual(
    wire.sent.map(([mark]) => mark),
    ['a', 'c'],
  );
  assert.equal(outbox.bytes, 301 * 1024, 'what the socket has not passed on still counts');
});

test('a client with a long queue leaves thousands of subscriptions at the cost of one look at it', () => {
  const { wire, outbox, big } = setUp();
  wire.stuck = true;
  wire.bufferedBytes = 300 * 1024;
  let looks = 0;
  const tags = Array.from({ length: 1000 }, () => ({
    open: true,
    get live() {
      looks += 1;
      return this.open;
    },
  }));
  const frame = big('a', 1);
  for (let round = 0; round < 10; round += 1) for (const tag of tags) outbox.push(frame, tag);
  for (const tag of tags.slice(1)) {
    tag.open = false;
    outbox.prune();
    assert.ok(!outbox.exceeds(100_000 * 1024));
  }
  assert.ok(outbox.exceeds(309 * 1024));
  assert.ok(!outbox.exceeds(310 * 1024), 'what is to be dropped does not count');
  assert.equal(outbox.bytes, 310 * 1024);
  assert.ok(looks < 50_000, `${looks} looks`);
});
