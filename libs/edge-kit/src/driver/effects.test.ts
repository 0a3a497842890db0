import assert from 'node:assert/strict';
import test from 'node:test';
import { failed } from '@polyedge/contracts/errors';
import { trialTold } from '@polyedge/contracts/testing/trial-channels';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import type { Effect } from '@polyedge/session/session';
import { until } from '@polyedge/testkit/until';
import { type Handle, handStore, onBroadcaster, read, settle, setUp, talkative, watching, write } from '../testing/connection-scene.ts';
import { changeOf } from '../testing/fake-feed.ts';

test('writes: one message in flight, what arrives meanwhile leaves together and in order', async () => {
  const { bus, asked } = handStore();
  const { wire, say, turn } = setUp({ bus });
  for (const id of ['w1', 'w2', 'w3']) say(id);
  await until('the first write arrives', () => asked.length === 1);
  say('w4');
  await settle();
  assert.deepEqual(asked[0]?.ids, ['w1']);
  assert.equal(asked.length, 1);
  asked[0]?.answer(1);
  await until('the second message arrives', () => asked.length === 2);
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
  await until('the first attempt arrives', () => asked.length === 1);
  asked[0]?.answer(failed('unavailable'));
  await settle();
  assert.deepEqual(wire.sent, []);
  clock.advance(600);
  await until('the second attempt arrives', () => asked.length === 2);
  assert.deepEqual(asked[1]?.operationIds, asked[0]?.operationIds);
  asked[1]?.answer(failed('busy'));
  await settle();
  clock.advance(600);
  await until('a third attempt arrives, since the first may have been carried out', () => asked.length === 3);
  asked[2]?.answer(1);
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['written w1 ok']);
});

test('a write that waited too long in a store is tried again; nothing was done, so busy is passed on then', async () => {
  const { bus, asked } = handStore();
  const { clock, wire, say, turn } = setUp({ bus });
  say('w1');
  await until('the first attempt arrives', () => asked.length === 1);
  asked[0]?.answer(failed('expired'));
  await settle();
  assert.deepEqual(wire.sent, []);
  clock.advance(600);
  await until('the second attempt arrives', () => asked.length === 2);
  assert.deepEqual(asked[1]?.operationIds, asked[0]?.operationIds);
  asked[1]?.answer(failed('busy'));
  await settle();
  turn();
  assert.deepEqual(wire.sent, ['written w1 busy']);
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
  await until('the next write arrives', () => asked.length === tried + 1);
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
  await until('the write and the unordered read arrive', () => asked.length === 1 && reads.length === 1);
  assert.deepEqual(reads[0]?.ids, ['r2']);
  asked[0]?.answer(1);
  await until('the read that waited arrives', () => reads.length === 2);
  for (const one of reads) one.answer();
  await settle();
  turn();
  assert.equal(wire.sent[0], 'written w1 ok');
  assert.deepEqual([...wire.sent].sort(), ['reply r1 ok', 'reply r2 ok', 'written w1 ok']);
});

const writing =
  (own: 'events-first' | 'answer-first'): Handle =>
  (input) =>
    input.kind === 'frame' && input.frame.startsWith('w') ? [write(input.frame, own)] : input.kind === 'subscribed' ? [] : talkative(input);

for (const [way, first, event] of [
  ['session', watching, 'event'],
  ['lane', onBroadcaster, 'full'],
] as const) {
  test(`events-first: the answer waits for the events of its own write (${way})`, async () => {
    const { bus, asked } = handStore();
    const { feed, wire, say, turn } = setUp({ bus, first, handle: writing('events-first') });
    await settle();
    say('w1');
    await until('the write arrives', () => asked.length === 1);
    asked[0]?.answer(3);
    await settle();
    turn();
    assert.deepEqual(wire.sent, []);
    feed.deliver(changeOf(1), changeOf(2), changeOf(3));
    turn();
    assert.deepEqual(wire.sent, [`${event} 1`, `${event} 2`, `${event} 3`, 'written w1 ok']);
  });

  test(`answer-first: from the first own change, deliveries of the feed to the socket wait for the answer (${way})`, async () => {
    const { bus, asked } = handStore();
    const { feed, wire, say, turn } = setUp({ bus, first, handle: writing('answer-first') });
    await settle();
    say('w1');
    await until('the write arrives', () => asked.length === 1);
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
  await until('the write arrives', () => asked.length === 1);
  asked[0]?.answer(3);
  await settle();
  feed.giveUp();
  turn();
  assert.deepEqual(wire.sent, ['written w1 ok']);
  assert.equal(driver.counts.ownOrderGivenUp, 1);

  const other = handStore();
  const lone = setUp({ bus: other.bus, handle: writing('events-first') });
  lone.say('w1');
  await until('the write arrives', () => other.asked.length === 1);
  other.asked[0]?.answer(3);
  await settle();
  lone.turn();
  assert.deepEqual(lone.wire.sent, ['written w1 ok']);
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

test('listen subscribes to a channel that the edge names: each message arrives once, until it unsubscribes', async () => {
  const network = new LocalNetwork();
  const subject = trialTold.subject({ tenant: 't' });
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

test('unsubscribing from the broadcaster drops queued frames', async () => {
  const { feed, wire, say, turn } = setUp({
    first: onBroadcaster,
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
