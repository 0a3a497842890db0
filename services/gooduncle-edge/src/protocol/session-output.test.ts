import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveEventCache } from './live-event.ts';
import { SessionOutput, type SessionSettings } from './session-output.ts';
import { parseTopics } from './topics.ts';
import { read, type SessionWork } from './work.ts';

const topics = parseTopics({ topics: {} });
const settings: SessionSettings = {
  tenant: 'default',
  scope: () => 'scope',
  topics: () => {
    if (!topics.ok) throw new Error(topics.problems.join());
    return topics.value;
  },
  instance: 'test',
  requestsPerSecond: 50,
  requestBurst: 100,
  maxSubscriptions: 100,
  redact: true,
  onDowngrade: 'keep',
  liveEvents: new LiveEventCache(),
};

/** Reads rows, and then does something. */
function* reading(then: () => void = () => {}): SessionWork {
  yield* read({ filter: { all: [] } });
  then();
}

test('a session reads from the store four times at once, and the rest in its order', () => {
  const output = new SessionOutput(settings, { nonce: '00'.repeat(16), address: 'a', at: 0 });
  const done: number[] = [];
  for (let nr = 0; nr < 10; nr += 1) output.start(reading(() => done.push(nr)));
  const asked = (): string[] => output.take().flatMap((effect) => (effect.do === 'request' ? effect.id : []));
  const first = asked();
  assert.equal(first.length, 4);
  const rows = { ok: true, value: { elements: [], seq: 0 } } as const;
  output.answered(first[1] ?? '', rows);
  assert.deepEqual(done, [1]);
  const next = asked();
  assert.equal(next.length, 1, 'one is answered, so one more is asked');
  for (const id of [first[0], first[2], first[3], ...next]) output.answered(id ?? '', { ok: false, failure: { code: 'unavailable' } });
  for (let round = 0; round < 5; round += 1) for (const id of asked()) output.answered(id, rows);
  assert.deepEqual(done, [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.ok(output.idle);
});

test('reads beyond the maximum of waiting ones are rejected at once', () => {
  const output = new SessionOutput(settings, { nonce: '00'.repeat(16), address: 'a', at: 0 });
  let taken = 0;
  for (; !output.crowded && taken < 1000; taken += 1) output.start(reading());
  assert.equal(taken, 260);
});

test('rows requested again by an answer do not make it more than four concurrent reads', () => {
  const output = new SessionOutput(settings, { nonce: '00'.repeat(16), address: 'a', at: 0 });
  const asked = (): string[] => output.take().flatMap((effect) => (effect.do === 'request' ? effect.id : []));
  const read = (then?: () => void): void => output.start(reading(then));
  read(() => read());
  for (let nr = 0; nr < 5; nr += 1) read();
  const [first = ''] = asked();
  output.answered(first, { ok: true, value: { elements: [], seq: 0 } });
  assert.equal(asked().length, 1);
});

test('nothing is read for a client with unread data, until it has read it', () => {
  const output = new SessionOutput(settings, { nonce: '00'.repeat(16), address: 'a', at: 0 });
  const requests = (): number => output.take().filter((effect) => effect.do === 'request').length;
  output.send('x'.repeat(300_000));
  assert.ok(output.take().some((effect) => effect.do === 'when-flushed'));
  output.start(reading());
  assert.deepEqual([requests(), output.idle], [0, false]);
  output.flushed();
  assert.equal(requests(), 1);
});
