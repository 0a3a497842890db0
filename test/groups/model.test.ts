import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Delivery, type Incident, judge } from './model.ts';

const given = (seq: number, at: number, more: Partial<Delivery> = {}): Delivery => ({
  seq,
  element: 'a',
  member: 'm1',
  at,
  answeredAt: at + 1,
  ...more,
});
const expected = [1, 2, 3].map((seq) => ({ seq, element: 'a' }));

test('the model finds what is missing', () => {
  assert.deepEqual(judge(expected, [given(1, 0), given(3, 10)], []).missing, [2]);
});

test('the model finds first deliveries of one element that came the wrong way round, and no others', () => {
  assert.deepEqual(judge(expected, [given(2, 0), given(1, 10)], []).inversions, [[2, 1]]);
  assert.deepEqual(judge(expected, [given(1, 0), given(2, 10), given(1, 20)], []).inversions, []);
  assert.deepEqual(judge(expected, [given(2, 0), given(1, 10, { element: 'b' })], []).inversions, []);
});

test('a duplicate of what was confirmed has to be explained', () => {
  const again = [given(1, 0), given(1, 10_000, { member: 'm2' })];
  const unexplained = (incidents: readonly Incident[], deliveries = again): number[] =>
    judge(expected, deliveries, incidents).unexplained.map(({ seq }) => seq);
  assert.deepEqual(unexplained([]), [1]);
  assert.deepEqual(unexplained([{ at: 500, members: new Set(['m2']) }]), [1]);
  assert.deepEqual(unexplained([{ at: 500, members: new Set(['m1']) }]), []);
  assert.deepEqual(unexplained([{ at: 9000, members: undefined }]), [1]);
  assert.deepEqual(unexplained([], [given(1, 0, { answeredAt: undefined }), given(1, 10_000)]), []);
});
