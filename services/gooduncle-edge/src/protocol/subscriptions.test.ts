import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FullChange, stateBefore } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Effect, Input } from '@polyedge/session/session';
import type { Frame } from './codec.ts';
import { LiveEventCache } from './live-event.ts';
import { GoodUncleSession } from './session.ts';
import { parseTopics } from './topics.ts';

const stamp = { on: 0, by: '', app: '' };
const parsed = parseTopics({ topics: { products: { roles: { anonymous: { read: {} } } } } });

/** A session, what it did last, and a clock that stands still unless it is moved. */
class Talking {
  at = 1000;
  readonly #session = new GoodUncleSession(
    {
      ...{ tenant: 't', scope: () => 's', instance: 'i', requestsPerSecond: 1000, requestBurst: 1000, maxSubscriptions: 10, redact: true },
      onDowngrade: 'keep',
      liveEvents: new LiveEventCache(),
      topics: () => {
        if (!parsed.ok) throw new Error(parsed.problems.join());
        return parsed.value;
      },
    },
    { nonce: '00'.repeat(16), address: 'a', at: 0 },
  );
  #seq = 0;

  take(input: Input<Frame>): readonly Effect<string>[] {
    return this.#session.handle(input, this.at);
  }

  /** Subscribes. Returns its key and the id of the read of its first rows. */
  subscribe(request: Readonly<Record<string, string | number | boolean | string[] | object>>): {
    readonly key: string;
    readonly read: string;
  } {
    const payload = { type: 'subscribe', topic: 'products', criteria: {}, ...request };
    const text = JSON.stringify(payload);
    const watch = this.take({ kind: 'frame', frame: { payload: JSON.parse(text), text } }).find((effect) => effect.do === 'subscribe');
    assert.ok(watch);
    return { key: watch.id, read: readsOf(this.take({ kind: 'subscribed', id: watch.id, seq: this.#seq, epoch: 'e' }))[0] ?? '' };
  }

  answer(id: string, elements: Element[], more = false): readonly Effect<string>[] {
    const value = { epoch: 'e', seq: this.#seq, elements, ...(more ? { cursor: 'c' } : {}) };
    return this.take({ kind: 'reply', id, outcome: { ok: true, value } });
  }

  /** A row comes, or changes. */
  event(key: string, id: string, attributes: Element['attributes'], gone = false): readonly Effect<string>[] {
    this.#seq += 1;
    const seq = this.#seq;
    const state = { ...row(id, attributes, seq), deleted: gone };
    const undo = { set: { old: seq, ...attributes }, unset: [], version: 0, seq: 0, deleted: false };
    const change: FullChange = {
      ...{
        seq,
        epoch: 'e',
        tenant: 't',
        id,
        kind: 'vertex',
        type: 'products',
        scope: 's',
        owners: [],
        action: 'update',
        version: seq,
        on: 0,
      },
      ...{
        by: '',
        app: '',
        origin: { protocol: '', way: 'job', operation: '' },
        operationId: `${seq}`,
        first: seq,
        last: seq,
        state,
        undo,
      },
    };
    const before = stateBefore(state, undo);
    return this.take({ kind: 'event', id: key, change, match: { before, was: before !== undefined, is: true } });
  }
}

const row = (id: string, attributes: Element['attributes'], seq = 0): Element => ({
  ...{ tenant: 't', id, kind: 'vertex', type: 'products', scope: 's', attributes, version: 1, seq, created: stamp, modified: stamp },
  deleted: false,
});
const readsOf = (effects: readonly Effect<string>[]): string[] => effects.flatMap((effect) => (effect.do === 'request' ? effect.id : []));
const told = (effects: readonly Effect<string>[], name: string): number =>
  effects.filter((effect) => effect.do === 'send' && effect.frame.includes(`"subscription":"${name}"`)).length;

test('gooduncle:F45 a subscription with more events than its client reads does not block the others', () => {
  const talking = new Talking();
  const busy = talking.subscribe({ subscription: 'busy' });
  talking.answer(busy.read, []);
  const calm = talking.subscribe({ subscription: 'calm' });
  talking.answer(calm.read, []);
  const write = (): void => {
    for (let at = 0; at < 20; at += 1) talking.event(busy.key, `r${at}`, { filler: 'x'.repeat(30_000) });
  };
  write();
  talking.event(calm.key, 'calm', { n: 1 });
  let heard = 0;
  for (let round = 0; round < 4; round += 1) {
    write();
    heard += told(talking.take({ kind: 'timer', name: 'flushed' }), 'calm');
  }
  assert.equal(heard, 1);
});

test('gooduncle:F44 gooduncle:F61 a failed read of spare rows is retried, and the subscription continues', () => {
  const talking = new Talking();
  const window = talking.subscribe({ subscription: 'w', sort: ['n'], limit: 1 });
  talking.answer(window.read, [row('a', { n: 1 }), row('b', { n: 2 })], true);
  let [read = ''] = readsOf(talking.event(window.key, 'a', { n: 1 }, true));
  assert.notEqual(read, '');
  for (let round = 0; round < 3; round += 1) {
    const failed = talking.take({ kind: 'reply', id: read, outcome: { ok: false, failure: { code: 'unavailable' } } });
    assert.deepEqual([told(failed, 'w'), readsOf(failed)], [0, []]);
    talking.at += 600;
    [read = ''] = readsOf(talking.take({ kind: 'timer', name: 'throttle' }));
    assert.notEqual(read, '');
  }
  assert.equal(told(talking.event(window.key, 'b', { n: 2 }, true), 'w'), 0, 'an empty window is nothing that a read would give');
  assert.equal(told(talking.answer(read, [row('c', { n: 3 })]), 'w'), 2, 'the last row is dropped and the next one added');
});

test('gooduncle:F44 spare rows that cannot be read for a minute end it', () => {
  const talking = new Talking();
  const window = talking.subscribe({ subscription: 'w', sort: ['n'], limit: 1 });
  talking.answer(window.read, [row('a', { n: 1 }), row('b', { n: 2 })], true);
  let [read = ''] = readsOf(talking.event(window.key, 'a', { n: 1 }, true));
  for (let round = 0; round < 2; round += 1) {
    const failed = talking.take({ kind: 'reply', id: read, outcome: { ok: false, failure: { code: 'unavailable' } } });
    assert.equal(told(failed, 'w'), round, 'the second time it has been too long');
    talking.at += 61_000;
    [read = ''] = readsOf(talking.take({ kind: 'timer', name: 'throttle' }));
  }
});

test('gooduncle:F45 changes that come while the first rows are read are too many at 5000, or at 32 MiB', () => {
  for (const [filler, most] of [
    [10, 5000],
    [1024 * 1024, 31],
  ] as const) {
    const talking = new Talking();
    const { key } = talking.subscribe({ subscription: 'late' });
    for (let at = 0; at < most; at += 1) assert.equal(told(talking.event(key, 'r', { filler: 'x'.repeat(filler) }), 'late'), 0);
    const [end] = talking.event(key, 'r', { filler: 'x'.repeat(filler) });
    assert.ok(end?.do === 'send' && end.frame.includes('"overflow"'), JSON.stringify(end));
  }
});
