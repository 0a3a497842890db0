import assert from 'node:assert/strict';
import test from 'node:test';
import { graphGet, graphMutate } from '@polyedge/contracts/bus/graph';
import { defineSignal } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { T } from '@polyedge/contracts/schema';
import { EVERYTHING } from '@polyedge/query/filter';
import type { Bus } from '@polyedge/service-kit/bus';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { call } from '@polyedge/session/call';
import type { Effect, Input, Protocol, View } from '@polyedge/session/session';
import { Driver, type DriverOptions } from './driver.ts';
import { type Limits, limits } from './limits.ts';
import { Flusher } from './outbox.ts';
import { changeOf, FakeFeed } from './testing/fake-feed.ts';
import { type FakePacket, FakeWire, fakeFraming } from './testing/fake-wire.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { Wheel } from './wheel.ts';

const ANN: Principal = {
  account: 'ann',
  tenant: 't',
  username: 'ann',
  app: 'test',
  roles: {},
  defaultScope: 's',
  scopes: [],
  session: 'login1',
  issuedAt: 1000,
  expiresAt: 2_000_000_000_000,
};

const signal = defineSignal({ address: 'pe.sig.test.told.v1.{tenant}', summary: 'For these tests.', body: T.Object({ n: T.Integer() }) });

type Handle = (input: Input<string>) => readonly Effect<string>[];

/** What a session of these tests does with a message: `r1` reads, `w1` writes, anything else is echoed. Everything it hears is sent. */
const talkative: Handle = (input) => {
  switch (input.kind) {
    case 'frame':
      if (input.frame.startsWith('r')) return [read(input.frame)];
      if (input.frame.startsWith('w')) return [write(input.frame)];
      return [{ do: 'send', frame: input.frame }];
    case 'event':
      return [{ do: 'send', frame: `event ${input.change.seq}` }];
    case 'message':
      return [{ do: 'send', frame: `message ${JSON.stringify(input.body)}` }];
    case 'reply':
    case 'written':
      return [{ do: 'send', frame: `${input.kind} ${input.id} ${input.outcome.ok ? 'ok' : input.outcome.failure.code}` }];
    case 'drain':
      return [];
    default:
      return [{ do: 'send', frame: [input.kind, 'id' in input ? input.id : 'name' in input ? input.name : ''].join(' ') }];
  }
};

const read = (id: string): Effect<string> => ({ do: 'request', id, call: call(graphGet, { tenant: 't' }, { ids: [id] }) });
const write = (id: string, own: 'events-first' | 'answer-first' | 'any' = 'any'): Effect<string> => ({
  do: 'mutate',
  id,
  tenant: 't',
  defaultScope: 's',
  own,
  request: {
    by: 'ann',
    app: 'test',
    origin: { protocol: 'hiro', way: 'socket', operation: 'create' },
    operations: [{ op: 'create', type: 'ogit/Note', id, attributes: {} }],
  },
});

interface Set {
  readonly handle?: Handle;
  readonly first?: readonly Effect<string>[];
  readonly limits?: Partial<Limits>;
  readonly bus?: Bus;
  readonly verify?: DriverOptions<string, string, string, FakePacket>['verify'];
  readonly translate?: (change: { readonly seq: number }, view: View) => string | undefined;
  readonly credential?: Outcome<Principal>;
}

function setUp(set: Set = {}) {
  const clock = new ManualClock();
  const wheel = new Wheel(clock);
  const feed = new FakeFeed();
  const due: (() => void)[] = [];
  const protocol: Protocol<string, string, string> = {
    decode: (raw) => (raw === '?' ? { ok: false, problem: 'a question mark' } : { ok: true, value: raw }),
    encode: (frame) => frame,
    translate: set.translate ?? ((change, view) => `${view.shape} ${change.seq}`),
    open: () => [{ handle: set.handle ?? talkative }, set.first ?? []],
  };
  const bus = set.bus ?? new LocalNetwork().connect();
  const driver = new Driver<string, string, string, FakePacket>({
    protocol,
    framing: fakeFraming,
    bus,
    feed,
    limits: limits({ authenticateMs: 0, framesPerSecond: 100_000, ...set.limits }),
    verify: set.verify ?? (() => done(ANN)),
    hears: [signal],
    wheel,
    flusher: new Flusher((run) => due.push(run)),
  });
  const wire = new FakeWire();
  const connection = driver.open(wire, { credential: set.credential ?? done(ANN), path: '/', query: {}, address: '::1' });
  const turn = () => {
    for (const run of due.splice(0)) run();
  };
  return { clock, wheel, feed, driver, bus, wire, connection, turn, say: (text: string) => connection.message(text, text.length) };
}

/** A store whose answers a test gives by hand. */
function handStore() {
  const network = new LocalNetwork();
  const store = network.connect();
  const asked: { ids: readonly string[]; operationIds: readonly string[]; answer(outcome: Outcome<never> | number): void }[] = [];
  const reads: { ids: readonly string[]; answer(): void }[] = [];
  store.respond(
    graphMutate,
    (body) =>
      new Promise((resolve) => {
        asked.push({
          ids: body.requests.map(({ operations: [operation] }) => (operation?.op === 'create' ? (operation.id ?? '') : '')),
          operationIds: body.requests.map(({ operationId }) => operationId),
          answer: (outcome) =>
            resolve(
              typeof outcome === 'number'
                ? done({
                    epoch: 'e1',
                    outcomes: body.requests.map((_, at) => ({
                      ok: true as const,
                      value: { first: outcome + at, last: outcome + at, operations: [] },
                    })),
                  })
                : outcome,
            ),
        });
      }),
  );
  store.respond(
    graphGet,
    (body) => new Promise((resolve) => reads.push({ ids: body.ids, answer: () => resolve(done({ epoch: 'e1', seq: 1, elements: [] })) })),
  );
  return { bus: network.connect(), store, asked, reads };
}

async function until(claim: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!claim()) {
    assert.ok(Date.now() < deadline, `never happened: ${what}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
const settle = async () => {
  for (let turns = 0; turns < 8; turns += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

test('messages are handled in order and what they send in one turn leaves in one write', () => {
  const { wire, say, turn } = setUp();
  say('a');
  say('?');
  say('b');
  assert.deepEqual(wire.sent, []);
  turn();
  assert.deepEqual(wire.sent, ['a', 'undecodable ', 'b']);
  assert.equal(wire.writes, 1);
});

test('an outcome that comes at once is handled after the input that asked for it', () => {
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

test('writes: one message in flight, what arrives meanwhile leaves together and in order', async () => {
  const { bus, asked } = handStore();
  const { wire, say, turn } = setUp({ bus });
  for (const id of ['w1', 'w2', 'w3']) say(id);
  await until(() => asked.length === 1, 'the first write');
  say('w4');
  await settle();
  assert.deepEqual(asked[0]?.ids, ['w1']);
  assert.equal(asked.length, 1);
  asked[0]?.answer(1);
  await until(() => asked.length === 2, 'the second message');
  assert.deepEqual(asked[1]?.ids, ['w2', 'w3', 'w4']);
  asked[1]?.answer(2);
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['written w1 ok', 'written w2 ok', 'written w3 ok', 'written w4 ok']);
  const ids = asked.flatMap(({ operationIds }) => operationIds);
  assert.equal(new Set(ids).size, 4);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
});

test('a write whose outcome is unknown is tried again under its operation id until it is answered', async () => {
  const { bus, asked } = handStore();
  const { clock, wire, say, turn } = setUp({ bus });
  say('w1');
  await until(() => asked.length === 1, 'the first attempt');
  asked[0]?.answer(failed('unavailable'));
  await settle();
  assert.deepEqual(wire.sent, []);
  clock.advance(600);
  await until(() => asked.length === 2, 'the second attempt');
  assert.deepEqual(asked[1]?.operationIds, asked[0]?.operationIds);
  asked[1]?.answer(failed('busy'));
  await settle();
  clock.advance(600);
  await until(() => asked.length === 3, 'a third attempt, since the first may have been carried out');
  asked[2]?.answer(1);
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['written w1 ok']);
});

test('a write is given up as unavailable after a minute, and busy is passed on as it is', async () => {
  const { bus, asked } = handStore();
  const { clock, wire, say, turn } = setUp({ bus, limits: { pingIntervalMs: 0, idleMs: 0 } });
  say('w1');
  let answered = 0;
  for (let turns = 0; turns < 300 && wire.sent.length === 0; turns += 1) {
    for (; answered < asked.length; answered += 1) asked[answered]?.answer(failed('unavailable'));
    await settle();
    clock.advance(1000);
    turn();
    await settle();
  }
  assert.deepEqual(wire.sent, ['written w1 unavailable']);
  const tried = asked.length;
  assert.ok(tried > 20);
  say('w2');
  await until(() => asked.length === tried + 1, 'the next write');
  asked[tried]?.answer(failed('busy'));
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['written w1 unavailable', 'written w2 busy']);
});

test('a read after a write waits for its answer, unless it says that it need not', async () => {
  const { bus, asked, reads } = handStore();
  const unordered = { ...read('r2'), unordered: true } as Effect<string>;
  const { wire, say, turn } = setUp({
    bus,
    handle: (input) => (input.kind === 'frame' && input.frame === 'r2' ? [unordered] : talkative(input)),
  });
  say('w1');
  say('r1');
  say('r2');
  await until(() => asked.length === 1 && reads.length === 1, 'the write and the unordered read');
  assert.deepEqual(reads[0]?.ids, ['r2']);
  asked[0]?.answer(1);
  await until(() => reads.length === 2, 'the read that waited');
  for (const one of reads) one.answer();
  await settle();
  turn();
  assert.equal(wire.sent[0], 'written w1 ok');
  assert.deepEqual([...wire.sent].sort(), ['reply r1 ok', 'reply r2 ok', 'written w1 ok']);
});

const watching: Effect<string>[] = [{ do: 'subscribe', id: 's', to: { tenant: 't' } }];
const onLane: Effect<string>[] = [{ do: 'subscribe', id: 's', to: { tenant: 't' }, view: { filter: EVERYTHING, shape: 'full' } }];

const writing =
  (own: 'events-first' | 'answer-first'): Handle =>
  (input) =>
    input.kind === 'frame' && input.frame.startsWith('w') ? [write(input.frame, own)] : input.kind === 'subscribed' ? [] : talkative(input);

for (const [way, first, event] of [
  ['session', watching, 'event'],
  ['lane', onLane, 'full'],
] as const) {
  test(`events-first: the answer waits for the events of its own write (${way})`, async () => {
    const { bus, asked } = handStore();
    const { feed, wire, say, turn } = setUp({ bus, first, handle: writing('events-first') });
    await settle();
    say('w1');
    await until(() => asked.length === 1, 'the write');
    asked[0]?.answer(3);
    await settle();
    turn();
    assert.deepEqual(wire.sent, []);
    feed.deliver(changeOf(1), changeOf(2), changeOf(3));
    turn();
    assert.deepEqual(wire.sent, [`${event} 1`, `${event} 2`, `${event} 3`, 'written w1 ok']);
  });

  test(`answer-first: from the first own change, what the feed owes the socket waits for the answer (${way})`, async () => {
    const { bus, asked } = handStore();
    const { feed, wire, say, turn } = setUp({ bus, first, handle: writing('answer-first') });
    await settle();
    say('w1');
    await until(() => asked.length === 1, 'the write');
    const [operationId = ''] = asked[0]?.operationIds ?? [];
    feed.deliver(changeOf(1), changeOf(2, { operationId }), changeOf(3));
    turn();
    assert.deepEqual(wire.sent, [`${event} 1`]);
    asked[0]?.answer(2);
    await settle();
    turn();
    assert.deepEqual(wire.sent, [`${event} 1`, 'written w1 ok', `${event} 2`, `${event} 3`]);
  });
}

test('events-first: the answer goes out, counted, when the events do not come; a socket that watches nothing does not wait', async () => {
  const { bus, asked } = handStore();
  const { feed, wire, say, turn, driver } = setUp({ bus, first: watching, handle: writing('events-first') });
  await settle();
  say('w1');
  await until(() => asked.length === 1, 'the write');
  asked[0]?.answer(3);
  await settle();
  feed.giveUp();
  turn();
  assert.deepEqual(wire.sent, ['written w1 ok']);
  assert.equal(driver.counts.ownOrderGivenUp, 1);

  const other = handStore();
  const lone = setUp({ bus: other.bus, handle: writing('events-first') });
  lone.say('w1');
  await until(() => other.asked.length === 1, 'the write');
  other.asked[0]?.answer(3);
  await settle();
  lone.turn();
  assert.deepEqual(lone.wire.sent, ['written w1 ok']);
});

test('above the in-flight budget reading stops, and goes on at half of it', async () => {
  const { bus, reads } = handStore();
  const { wire, say } = setUp({ bus, limits: { maxInFlight: 4 } });
  for (const id of ['r1', 'r2', 'r3', 'r4', 'r5', 'r6']) say(id);
  await until(() => reads.length === 4, 'four reads');
  assert.equal(wire.paused, true);
  reads[0]?.answer();
  await settle();
  assert.equal(wire.paused, true);
  reads[1]?.answer();
  await until(() => reads.length === 6, 'the messages that had arrived already');
  assert.equal(wire.paused, true);
  for (const one of reads) one.answer();
  await until(() => !wire.paused, 'reading goes on');
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

test('a slow client is closed 1013 when frames nobody asked for pass the bound, on the lane as through the session', async () => {
  for (const first of [watching, onLane]) {
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

test('a silent client is pinged and, when nothing comes back, closed as idle', () => {
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

test('a confirmation comes with its pong, for all earlier ones too; foreign pongs confirm nothing', () => {
  const { wire, turn, say, connection } = setUp({
    handle: (input) =>
      input.kind === 'frame'
        ? [{ do: 'confirm', id: input.frame }]
        : [{ do: 'send', frame: `${input.kind} ${'id' in input ? input.id : ''}` }],
  });
  for (const id of ['a', 'b', 'c']) say(id);
  turn();
  assert.deepEqual(wire.sent.splice(0), ['ping:c1', 'ping:c2', 'ping:c3']);
  connection.pong('c9');
  connection.pong('k');
  connection.pong('c2');
  connection.pong('c2');
  connection.pong('c3');
  turn();
  assert.deepEqual(wire.sent, ['confirmed a', 'confirmed b', 'confirmed c']);
});

test('timers are set, moved and cleared by name', () => {
  const { clock, wire, turn, say } = setUp({
    handle: (input) =>
      input.kind === 'frame'
        ? input.frame === 'clear'
          ? [{ do: 'clear-timer', name: 'n' }]
          : [{ do: 'set-timer', name: 'n', ms: Number(input.frame) }]
        : talkative(input),
  });
  say('1000');
  clock.advance(900);
  say('1000');
  clock.advance(900);
  turn();
  assert.deepEqual(wire.sent, []);
  clock.advance(200);
  turn();
  assert.deepEqual(wire.sent, ['timer n']);
  say('1000');
  say('clear');
  clock.advance(5000);
  turn();
  assert.deepEqual(wire.sent, ['timer n']);
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
    first: onLane,
    translate: () => {
      throw new Error('a bug');
    },
  });
  lane.feed.goLive();
  lane.feed.deliver(changeOf(1));
  assert.equal(lane.wire.ended, undefined);
  assert.equal(lane.driver.counts.bugs, 1);
});

test('when the client is gone its reads are aborted, watches and timers end, and late answers reach nobody', async () => {
  const { bus, asked, reads } = handStore();
  const heard: string[] = [];
  const { feed, wire, say, turn, connection, driver, wheel } = setUp({
    bus,
    first: [...watching, ...onLane.map((effect) => ({ ...effect, id: 'l' })), { do: 'set-timer', name: 'n', ms: 1000 }],
    handle: (input) => {
      heard.push(input.kind);
      return talkative(input);
    },
  });
  await settle();
  say('r1');
  say('w1');
  say('w2');
  await until(() => reads.length === 1 && asked.length === 1, 'a read and a write');
  connection.gone(1006);
  connection.gone(1006);
  heard.length = 0;
  reads[0]?.answer();
  asked[0]?.answer(1);
  await until(() => asked.length === 2, 'the write that the client had sent before it went');
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

test('listen hears a channel that the edge names, once per message, until it unsubscribes', async () => {
  const network = new LocalNetwork();
  const subject = signal.subject({ tenant: 't' });
  const { wire, say, turn } = setUp({
    bus: network.connect(),
    first: [
      { do: 'listen', id: 'a', subject },
      { do: 'listen', id: 'b', subject },
    ],
    handle: (input) =>
      input.kind === 'frame'
        ? input.frame === 'tell'
          ? [{ do: 'publish', subject, body: { n: 1 } }]
          : [{ do: 'unsubscribe', id: input.frame }]
        : talkative(input),
  });
  say('tell');
  await settle();
  turn();
  assert.deepEqual(wire.sent.splice(0), ['message {"n":1}', 'message {"n":1}']);
  say('a');
  say('tell');
  await settle();
  turn();
  assert.deepEqual(wire.sent.splice(0), ['message {"n":1}']);
  say('b');
  say('tell');
  await settle();
  turn();
  assert.deepEqual(wire.sent, []);
});

test('more subscriptions than allowed are lost at once, each for itself', async () => {
  const { wire, turn } = setUp({
    first: ['a', 'b', 'c'].map((id) => ({ do: 'subscribe', id, to: { tenant: 't' } })),
    limits: { maxSubscriptions: 2 },
  });
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['lost c', 'subscribed a', 'subscribed b']);
});

test('unsubscribing from the lane takes back what was queued', async () => {
  const { feed, wire, say, turn } = setUp({
    first: onLane,
    handle: (input) =>
      input.kind === 'frame'
        ? [
            { do: 'unsubscribe', id: 's' },
            { do: 'send', frame: 'done' },
          ]
        : [],
  });
  await settle();
  feed.deliver(changeOf(1), changeOf(2));
  say('stop');
  turn();
  assert.deepEqual(wire.sent, ['done']);
});

test('drain: every session is told, spread out, and those that do not finish are closed with 1001', async () => {
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

test('what is owed leaves before the close frame, and nothing after it', () => {
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
