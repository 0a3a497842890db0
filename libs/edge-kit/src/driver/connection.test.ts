import assert from 'node:assert/strict';
import test from 'node:test';
import { failed } from '@polyedge/contracts/errors';
import { until } from '@polyedge/testkit/until';
import { type Handle, handStore, onBroadcaster, read, settle, setUp, talkative, watching, write } from '../testing/connection-scene.ts';
import { changeOf } from '../testing/fake-feed.ts';
import { FakeWire } from '../testing/fake-wire.ts';

test('messages are handled in order, and everything they send in one turn is one write', () => {
  const { wire, say, turn } = setUp();
  say('a');
  say('?');
  say('b');
  assert.deepEqual(wire.sent, []);
  turn();
  assert.deepEqual(wire.sent, ['a', 'undecodable ', 'b']);
  assert.equal(wire.writes, 1);
});

test('an outcome that is available at once is handled after the input that requested it', () => {
  const { wire, say, turn } = setUp({
    handle: (input) =>
      input.kind === 'frame'
        ? [
            { do: 'authenticate', id: '1', credential: 'token', adopt: false },
            { do: 'send', frame: 'asked' },
          ]
        : [{ do: 'send', frame: input.kind }],
  });
  say('x');
  turn();
  assert.deepEqual(wire.sent, ['asked', 'authenticated']);
});

test('above the in-flight budget reading stops, and it resumes at half of the budget', async () => {
  const { bus, reads } = handStore();
  const { wire, say } = setUp({ bus, limits: { maxInFlight: 4 } });
  for (const id of ['r1', 'r2', 'r3', 'r4', 'r5', 'r6']) say(id);
  await until('four reads arrive', () => reads.length === 4);
  assert.equal(wire.paused, true);
  reads[0]?.answer();
  await settle();
  assert.equal(wire.paused, true);
  reads[1]?.answer();
  await until('the messages that had arrived already are read', () => reads.length === 6);
  assert.equal(wire.paused, true);
  for (const one of reads) one.answer();
  await until('reading goes on', () => !wire.paused);
});

test('above the rate reading stops until the budget has refilled', () => {
  const { clock, wire, say, turn, driver } = setUp({ limits: { framesPerSecond: 10 } });
  for (let at = 0; at < 25; at += 1) say(`${at}`);
  turn();
  assert.equal(wire.paused, true);
  assert.equal(wire.sent.length, 20);
  assert.equal(driver.counts.overRate, 1);
  clock.advance(600);
  turn();
  assert.equal(wire.paused, false);
  assert.equal(wire.sent.length, 25);
});

test('above the rate the connection is closed where the edge says so', () => {
  const { wire, say } = setUp({ limits: { framesPerSecond: 10, overRate: 'close' } });
  for (let at = 0; at < 25; at += 1) say(`${at}`);
  assert.equal(wire.ended, 'close 1008 too many messages');
});

test('a slow client is closed 1013 when unsolicited frames exceed the bound, from the broadcaster as well as the session', async () => {
  for (const first of [watching, onBroadcaster]) {
    const { feed, wire, turn, driver } = setUp({ first, limits: { maxBufferedBytes: 50 } });
    await settle();
    turn();
    wire.stuck = true;
    for (let seq = 1; seq <= 20 && wire.ended === undefined; seq += 1) {
      feed.deliver(changeOf(seq));
      turn();
    }
    assert.equal(wire.ended, 'close 1013 too slow');
    assert.equal(driver.counts.slowClients, 1);
    assert.equal(feed.watches, 0);
  }
});

test('replies above the bound stop reading instead, until half is gone', () => {
  const { wire, say, turn, connection } = setUp({ limits: { maxBufferedBytes: 50 } });
  wire.stuck = true;
  for (let at = 0; at < 10; at += 1) say('ten bytes.');
  assert.equal(wire.paused, true);
  turn();
  assert.equal(wire.sent.length, 6);
  wire.stuck = false;
  wire.bufferedBytes = 0;
  connection.drained();
  turn();
  assert.equal(wire.paused, false);
  assert.equal(wire.sent.length, 10);
});

test('nothing is asked for a client that does not read the answers it has; what waits is asked in order once it reads', async () => {
  const { bus, reads, asked } = handStore();
  const long = 'x'.repeat(60);
  const handle: Handle = (input) => {
    if (input.kind === 'frame') return input.frame === 'first' ? [read('r1')] : [write('w2')];
    return input.kind === 'reply' && input.id === 'r1' ? [{ do: 'send', frame: long }, read('r2'), write('w1'), read('r3')] : [];
  };
  const { wire, say, turn, connection } = setUp({ bus, handle, limits: { maxBufferedBytes: 50 } });
  wire.stuck = true;
  say('first');
  await until('the first read arrives', () => reads.length === 1);
  reads[0]?.answer();
  await until('reading stops', () => wire.paused);
  turn();
  say('second');
  await settle();
  assert.deepEqual([reads.length, asked.length], [1, 0]);
  wire.stuck = false;
  wire.bufferedBytes = 0;
  connection.drained();
  turn();
  await until('the second read and the first write arrive', () => reads.length === 2 && asked.length === 1);
  assert.deepEqual([reads[1]?.ids, asked[0]?.ids], [['r2'], ['w1']]);
  asked[0]?.answer(1);
  await until('the others arrive', () => reads.length === 3 && asked.length === 2);
  assert.deepEqual([reads[2]?.ids, asked[1]?.ids], [['r3'], ['w2']]);
});

test('a client that takes nothing for `stalledMs` is cut, one that reads slowly is not', () => {
  const stuck = setUp({ limits: { stalledMs: 10_000, idleMs: 0, pingIntervalMs: 0 } });
  stuck.wire.stuck = true;
  stuck.say('hello');
  stuck.turn();
  stuck.clock.advance(13_000);
  assert.equal(stuck.wire.ended, 'close 1013 too slow');

  const slow = setUp({ limits: { stalledMs: 10_000, idleMs: 0, pingIntervalMs: 0 } });
  slow.wire.stuck = true;
  slow.say('hello');
  slow.turn();
  for (let second = 0; second < 30; second += 5) {
    slow.wire.sentBytes += 1;
    slow.clock.advance(5000);
  }
  assert.equal(slow.wire.ended, undefined);
});

test('the time to log in is not refreshed by traffic and ends with a principal', async () => {
  const handle: Handle = (input) =>
    input.kind === 'frame' && input.frame === 'login' ? [{ do: 'authenticate', id: '1', credential: 'x', adopt: true }] : [];
  const silent = setUp({ handle, limits: { authenticateMs: 5000 }, credential: failed('unauthenticated') });
  for (let second = 0; second < 7; second += 1) {
    silent.say('chatter');
    silent.clock.advance(1000);
  }
  assert.equal(silent.wire.ended, 'close 1008 not authenticated in time');
  const known = setUp({ handle, limits: { authenticateMs: 5000 }, credential: failed('unauthenticated') });
  known.say('login');
  known.clock.advance(20_000);
  assert.equal(known.wire.ended, undefined);
});

test('a silent client is pinged and, without a pong, closed as idle', () => {
  const { clock, wire, turn, connection } = setUp({ limits: { pingIntervalMs: 10_000, idleMs: 30_000 } });
  clock.advance(12_000);
  turn();
  assert.deepEqual(wire.sent, ['ping:k']);
  connection.pong('k');
  clock.advance(29_000);
  assert.equal(wire.ended, undefined);
  clock.advance(5000);
  assert.equal(wire.ended, 'close 1001 idle');
});

test('an exception in protocol code closes only that connection, with 1011, and is counted', () => {
  const { wire, say, driver } = setUp({
    handle: () => {
      throw new Error('a bug');
    },
  });
  say('x');
  assert.equal(wire.ended, 'close 1011 internal error');
  assert.equal(driver.counts.bugs, 1);
  const lane = setUp({
    first: onBroadcaster,
    translate: () => {
      throw new Error('a bug');
    },
  });
  lane.feed.goLive();
  lane.feed.deliver(changeOf(1));
  assert.equal(lane.wire.ended, undefined);
  assert.equal(lane.driver.counts.bugs, 1);
});

test('when the client disconnects its reads are aborted, watches and timers end, and late outcomes are dropped', async () => {
  const { bus, asked, reads } = handStore();
  const heard: string[] = [];
  const { feed, wire, say, turn, connection, driver, wheel } = setUp({
    bus,
    first: [...watching, ...onBroadcaster.map((effect) => ({ ...effect, id: 'l' })), { do: 'set-timer', name: 'n', ms: 1000 }],
    handle: (input) => {
      heard.push(input.kind);
      return talkative(input);
    },
  });
  await settle();
  say('r1');
  say('w1');
  say('w2');
  await until('a read and a write arrive', () => reads.length === 1 && asked.length === 1);
  connection.gone(1006);
  connection.gone(1006);
  heard.length = 0;
  reads[0]?.answer();
  asked[0]?.answer(1);
  await until('the write that the client had sent before it went arrives', () => asked.length === 2);
  asked[1]?.answer(2);
  await settle();
  feed.deliver(changeOf(1));
  turn();
  assert.deepEqual(heard, []);
  assert.deepEqual(wire.sent, []);
  assert.equal(feed.watches, 0);
  assert.equal(driver.connections, 0);
  driver.stop();
  assert.equal(wheel.size, 0);
});

test('drain: every session gets the input, spread out, and those that do not finish are closed with 1001', async () => {
  const polite: Handle = (input) => (input.kind === 'drain' ? [{ do: 'close', code: 1001, reason: 'bye' }] : []);
  const { clock, wire, driver, connection } = setUp({ handle: polite, limits: { drainMs: 2000 } });
  const finished = driver.drain(1000);
  clock.advance(100);
  assert.equal(wire.ended, 'close 1001 bye');
  connection.gone(1001);
  await finished;

  const stubborn = setUp({ handle: () => [], limits: { drainMs: 2000, closeTimeoutMs: 1000 } });
  const wires = [1, 2, 3].map(() => {
    const wire = new FakeWire();
    stubborn.driver.open(wire, { credential: undefined, path: '/', query: {}, address: '' });
    return wire;
  });
  const over = stubborn.driver.drain(1000);
  stubborn.clock.advance(2500);
  const closed = () => [stubborn.wire, ...wires].filter(({ ended }) => ended === 'close 1001 going away').length;
  assert.ok(closed() > 0 && closed() < 4, `${closed()} of 4 closed half way`);
  stubborn.clock.advance(2000);
  assert.equal(closed(), 4);
  await over;
  assert.equal(stubborn.driver.counts.drainTimeouts, 4);
});

test('drain: two hundred clients are sent away evenly within three seconds', () => {
  const { clock, driver, wire } = setUp({
    handle: (input) => (input.kind === 'drain' ? [{ do: 'close', code: 1001, reason: 'bye' }] : []),
  });
  const wires = [wire, ...Array.from({ length: 199 }, () => new FakeWire())];
  for (const other of wires.slice(1)) driver.open(other, { credential: undefined, path: '/', query: {}, address: '' });
  void driver.drain();
  const away = (): number => wires.filter(({ ended }) => ended === 'close 1001 bye').length;
  for (let quarter = 1; quarter <= 12; quarter += 1) {
    clock.advance(250);
    const even = (200 * quarter) / 12;
    assert.ok(Math.abs(away() - even) <= 3, `${away()} after ${quarter * 250} ms`);
  }
  driver.stop();
});

test('a revocation reaches the sessions of that account and login that are older than it', () => {
  const { wire, driver, turn } = setUp();
  driver.revoke({ account: 'bob', before: 5000 });
  driver.revoke({ account: 'ann', before: 1000 });
  driver.revoke({ account: 'ann', before: 5000, session: 'other' });
  turn();
  assert.deepEqual(wire.sent, []);
  driver.revoke({ account: 'ann', before: 5000, session: 'login1' });
  turn();
  assert.deepEqual(wire.sent, ['revoked ']);
});

test('buffered frames are sent before the close frame, and nothing after it', () => {
  const { wire, say } = setUp({
    handle: () => [
      { do: 'send', frame: 'last' },
      { do: 'close', code: 4000, reason: 'done' },
      { do: 'send', frame: 'never' },
    ],
  });
  say('x');
  say('y');
  assert.deepEqual(wire.sent, ['last']);
  assert.equal(wire.ended, 'close 4000 done');
});
