import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { WatchHandler } from '@polyedge/edge-kit/feed/watch';
import { fits, rowOf, Tail, type TailRow } from './tail.ts';

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

function setUp(traceparent?: string) {
  let handler: WatchHandler | undefined;
  const opened: string[] = [];
  const tail = new Tail(
    {
      watch: (_interest, given) => {
        handler = given;
        opened.push('open');
        return { close: () => opened.push('close') };
      },
      whenDelivered: () => ({ close: () => {} }),
    },
    't',
    () => traceparent,
  );
  const rows: TailRow[] = [];
  const skipped: number[] = [];
  const reader = {
    filter: {},
    maySee: () => true,
    row: (row: TailRow) => rows.push(row),
    live: () => {},
    skipped: (count: number) => skipped.push(count),
  };
  return { tail, reader, rows, skipped, opened, tell: (one: FullChange) => handler?.change(one) };
}

test('one watch serves all readers, and ends with the last of them', () => {
  const { tail, reader, opened } = setUp();
  const [first, second] = [tail.read({ ...reader }), tail.read({ ...reader })];
  first();
  assert.deepEqual(opened, ['open']);
  second();
  assert.deepEqual(opened, ['open', 'close']);
});

test('a reader gets a hundred rows a second, and the number of omitted ones', () => {
  const { tail, reader, rows, skipped, tell } = setUp();
  tail.read(reader);
  for (let seq = 1; seq <= 130; seq += 1) tell(change(seq));
  assert.equal(rows.length, 100);
  tail.tick();
  assert.deepEqual(skipped, [30]);
  tell(change(131));
  assert.equal(rows.at(-1)?.seq, 131);
});

test('changes that a reader may not see are not in its tail', () => {
  const { tail, reader, rows, tell } = setUp();
  tail.read({ ...reader, maySee: ({ scope }: FullChange) => scope === 'other' });
  tell(change(1));
  assert.deepEqual(rows, []);
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
  const traced = setUp('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
  traced.tail.read(traced.reader);
  traced.tell(change(1));
  assert.equal(traced.rows[0]?.trace, '0af7651916cd43dd8448eb211c80319c');
  const plain = setUp();
  plain.tail.read(plain.reader);
  plain.tell(change(1));
  assert.equal(plain.rows[0] === undefined || 'trace' in plain.rows[0], false);
});
