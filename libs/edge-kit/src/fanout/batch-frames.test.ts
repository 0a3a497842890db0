import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { Document } from '@polyedge/query/document';
import type { View } from '@polyedge/session/session';
import { type FakePacket, fakeFraming } from '../testing/fake-wire.ts';
import { BatchFrames, BatchView } from './batch-frames.ts';

/** Changes of types, which are all that is looked at here. */
const batchOf = (...types: string[]): FullChange[] => types.map((type, at) => ({ seq: at + 1, type }) as FullChange);
const view = (type: string, shape = 'full'): View => ({ shape, filter: { test: 'equal', path: ['type'], value: type } });

/** Counts what is made. */
function frames() {
  const made: string[] = [];
  const reader = {
    show: (change: FullChange, { shape }: View) => {
      made.push(`${change.seq} ${shape}`);
      return change.type === 'hidden' ? undefined : `${change.seq}`;
    },
    document: (change: FullChange) => change as unknown as Document,
  };
  return { made, frames: new BatchFrames<string, FakePacket>(reader, fakeFraming) };
}

test('a view shows what its filter matches, once for all that are given the same batch', () => {
  const { made, frames: shared } = frames();
  const batch = batchOf('a', 'b', 'a', 'hidden');
  const shown = shared.of(batch, new BatchView(view('a')), true);
  assert.deepEqual([shown.count, shown.packets.map(({ text }) => text)], [2, ['1', '3']]);
  assert.equal(shared.of(batch, new BatchView(view('a')), true), shown);
  assert.equal(shared.of(batch, new BatchView(view('hidden')), true).count, 0);
  assert.deepEqual(made, ['1 full', '3 full', '4 full']);
  shared.of(batchOf('a'), new BatchView(view('a')), false);
  assert.equal(made.length, 4, 'what nobody else is given is not kept, but made');
});

test('views that differ share the frames of a shape and nothing of another one', () => {
  const { made, frames: shared } = frames();
  const batch = batchOf('a', 'b');
  const both: View = { shape: 'full', filter: { all: [] } };
  shared.of(batch, new BatchView(view('a')), true);
  assert.equal(shared.of(batch, new BatchView(both), true).count, 2);
  assert.deepEqual(made, ['1 full', '2 full']);
  shared.of(batch, new BatchView(view('a', 'delta')), true);
  assert.deepEqual(made, ['1 full', '2 full', '1 delta']);
});

test('an evicted result is computed again', () => {
  const { made, frames: shared } = frames();
  const first = batchOf('a');
  const asked = new BatchView(view('a'));
  shared.of(first, asked, true);
  for (let at = 0; at < 2000; at += 1) shared.of(batchOf('a'), asked, true);
  const before = made.length;
  shared.of(first, asked, true);
  assert.equal(made.length, before + 1);
});
