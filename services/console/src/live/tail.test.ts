import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { Interest } from '@polyedge/contracts/interest';
import type { WatchHandler } from '@polyedge/edge-kit/feed/watch';
import { fits, rowOf, Tail, type TailReader, type TailRow } from './tail.ts';

const stamp = { on: 1, by: 'ann', app: 'app' };

function change(seq: number, more: Partial<FullChange> = {}): FullChange {
  const base = { tenant: 't', id: `n${seq}`, kind: 'vertex', type: 'ogit/Note', scope: 's', version: 1 } as const;
  return {
    ...base,
    ...{ seq, epoch: 'e', owners: [], action: 'create', on: 1, by: 'ann', app: 'app', operationId: 'o', first: seq, last: seq },
    origin: { protocol: 'hiro', way: 'rest', operation: 'create' },
    state: { ...base, attributes: { 'ogit/name': 'a note' }, seq, created: stamp, modified: stamp, deleted: false },
    undo: { fresh: true, set: {}, unset: [], version: 0, seq: 0, deleted: false },
    ...more,
  };
}

/** A tail on a feed that is told what to do. */
function setUp(traceparent?: string) {
  let handler: WatchHandler | undefined;
  const calls: string[] = [];
  const openFeed = () => {
    calls.push('open');
    return {
      watch: (_interest: Interest, given: WatchHandler) => {
        handler = given;
        return { close: () => {} };
      },
      close: () => {
        handler = undefined;
        calls.push('close');
      },
    };
  };
  const tail = new Tail(openFeed, 't', () => traceparent);
  return {
    ...{ tail, calls },
    live: (seq: number, epoch = 'e') => handler?.live(seq, epoch),
    tell: (one: FullChange) => handler?.change(one),
    lose: () => handler?.lost({ code: 'lost' }),
    get isWatching() {
      return handler !== undefined;
    },
  };
}

/** A reader of everything, and what it was told. */
function newReader(more: Partial<TailReader> = {}) {
  const events: string[] = [];
  const seqs: number[] = [];
  const skipped: number[] = [];
  const live: number[] = [];
  const reader: TailReader = {
    filter: {},
    maySee: () => true,
    change: (seq, event) => {
      seqs.push(seq);
      events.push(event);
    },
    live: (seq) => live.push(seq),
    skipped: (count) => skipped.push(count),
    ...more,
  };
  return { reader, events, seqs, skipped, live };
}

const rowIn = (event: string | undefined): TailRow => JSON.parse(event?.split('data: ')[1] ?? '');

test('without a reader nothing is received: one feed serves all readers, and ends with the last of them', () => {
  const { tail, calls } = setUp();
  tail.tick();
  assert.deepEqual(calls, []);
  const [first, second] = [tail.read(newReader().reader), tail.read(newReader().reader)];
  tail.tick();
  first();
  assert.deepEqual(calls, ['open']);
  second();
  assert.deepEqual(calls, ['open', 'close']);
  tail.tick();
  assert.equal(calls.length, 2);
});

test('all readers get the same text of a row', () => {
  const { tail, live, tell } = setUp();
  const [one, other] = [newReader(), newReader()];
  tail.read(one.reader);
  tail.read(other.reader);
  live(0);
  let serialized = 0;
  const counted = change(1);
  Object.defineProperty(counted.state.attributes, 'ogit/name', {
    enumerable: true,
    get: () => {
      serialized += 1;
      return 'a note';
    },
  });
  tell(counted);
  assert.equal(serialized, 1);
  assert.equal(one.events[0], other.events[0]);
  assert.equal(rowIn(one.events[0]).id, 'n1');
});

test('a reader gets two hundred rows at once, then 25 a second, and how many changes were left out at most', () => {
  const tailing = setUp();
  const { tail, calls, live, tell } = tailing;
  const { reader, seqs, skipped, live: lives } = newReader();
  tail.read(reader);
  live(0);
  for (let seq = 1; seq <= 300; seq += 1) tell(change(seq));
  assert.equal(seqs.length, 200);
  assert.equal(tailing.isWatching, false, 'nothing more is received in this second');
  tail.tick();
  live(500);
  for (let seq = 501; seq <= 600; seq += 1) tell(change(seq));
  assert.equal(seqs.length, 225);
  assert.equal(seqs.at(-1), 525);
  tail.tick();
  assert.deepEqual(skipped, [300]);
  live(530);
  tail.tick();
  assert.deepEqual(skipped, [300, 5]);
  assert.deepEqual(lives, [0], 'a pause is no new beginning');
  assert.deepEqual(calls, ['open', 'close', 'open', 'close', 'open']);
});

test('a reader with a filter goes on while others have all that they can take', () => {
  const { tail, live, tell } = setUp();
  const all = newReader();
  const tasks = newReader({ filter: { type: 'task' } });
  tail.read(all.reader);
  tail.read(tasks.reader);
  live(0);
  for (let seq = 1; seq <= 300; seq += 1) tell(change(seq));
  tell(change(301, { type: 'ogit/Task' }));
  assert.deepEqual(tasks.seqs, [301]);
  assert.equal(all.seqs.length, 200);
  tail.tick();
  assert.deepEqual(all.skipped, [101]);
  assert.deepEqual(tasks.skipped, []);
});

test('a reader that comes during a pause begins at once', () => {
  const tailing = setUp();
  const { tail, live, tell } = tailing;
  const before = newReader();
  tail.read(before.reader);
  live(0);
  for (let seq = 1; seq <= 200; seq += 1) tell(change(seq));
  const late = newReader();
  tail.read(late.reader);
  assert.equal(tailing.isWatching, true);
  live(210);
  tell(change(211));
  assert.deepEqual([late.live, late.seqs], [[210], [211]]);
  tail.tick();
  assert.deepEqual([before.skipped, late.skipped], [[11], []]);
});

test('a reader is told where it goes on if another history has begun during a pause', () => {
  const { tail, live, tell } = setUp();
  const { reader, live: lives, skipped } = newReader();
  tail.read(reader);
  live(1000);
  for (let seq = 1001; seq <= 1200; seq += 1) tell(change(seq));
  tail.tick();
  live(1300, 'another');
  tail.tick();
  assert.deepEqual(lives, [1000, 1300]);
  assert.deepEqual(skipped, []);
});

test('after a loss every reader is told where it goes on', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const tailing = setUp();
  const { tail, live, lose } = tailing;
  const { reader, live: lives, skipped } = newReader();
  tail.read(reader);
  live(10);
  lose();
  tail.tick();
  assert.equal(tailing.isWatching, false);
  t.mock.timers.tick(1000);
  live(3);
  tail.tick();
  assert.deepEqual(lives, [10, 3]);
  assert.deepEqual(skipped, []);
});

test('changes that a reader may not see are not in its tail', () => {
  const { tail, live, tell } = setUp();
  const { reader, seqs } = newReader({ maySee: ({ scope }: FullChange) => scope === 'other' });
  tail.read(reader);
  live(0);
  tell(change(1));
  assert.deepEqual(seqs, []);
});

test('filters look for parts of type, id and actor in any case, and for a protocol as a whole', () => {
  const one = change(1);
  assert.ok(fits(one, { type: 'NOTE', id: 'n1', actor: 'Ann', protocol: 'hiro' }));
  assert.ok(fits(one, { actor: 'APP' }));
  assert.ok(!fits(one, { protocol: 'hir' }));
  assert.ok(!fits(one, { type: 'task' }));
});

test('a row has the name of the element and its changed attributes', () => {
  assert.deepEqual(rowOf(change(1)).changed, []);
  const updated = change(2, { undo: { set: { a: 1 }, unset: ['b'], version: 1, seq: 1, deleted: false } });
  assert.deepEqual(rowOf(updated).changed, ['a', 'b']);
  assert.equal(rowOf(updated).name, 'a note');
});

test('a row names the trace that its change is part of, where there is one', () => {
  const of = (traceparent?: string): TailRow => {
    const { tail, live, tell } = setUp(traceparent);
    const { reader, events } = newReader();
    tail.read(reader);
    live(0);
    tell(change(1));
    return rowIn(events[0]);
  };
  assert.equal(of('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01').trace, '0af7651916cd43dd8448eb211c80319c');
  assert.equal('trace' in of(), false);
});
