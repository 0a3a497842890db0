import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Delivery, type Incident, judge, type Takeover } from './model.ts';

const given = (seq: number, at: number, more: Partial<Delivery> = {}): Delivery => ({
  seq,
  element: 'a',
  member: 'm1',
  at,
  answeredAt: at + 1,
  ...more,
});
const expected = [1, 2, 3].map((seq) => ({ seq, element: 'a', partition: 0 }));
const takenAt = (...times: readonly number[]): Takeover[] => times.map((at) => ({ at, partition: 0 }));

test('the model finds missing deliveries', () => {
  assert.deepEqual(judge(expected, [given(1, 0), given(3, 10)], [], []).missing, [2]);
});

test('the model finds first deliveries of one element in the wrong order, and no others', () => {
  assert.deepEqual(judge(expected, [given(2, 0), given(1, 10)], [], []).inversions, [[2, 1]]);
  assert.deepEqual(judge(expected, [given(1, 0), given(2, 10), given(1, 20)], [], []).inversions, []);
  assert.deepEqual(judge(expected, [given(2, 0), given(1, 10, { element: 'b' })], [], []).inversions, []);
});

const unexplained = (deliveries: readonly Delivery[], incidents: readonly Incident[], takeovers: readonly Takeover[] = []): number[] =>
  judge(expected, deliveries, incidents, takeovers).unexplained.map(({ seq }) => seq);

test('a duplicate of a confirmed delivery must be explained by a disconnect within a second', () => {
  const again = [given(1, 0), given(1, 10_000, { member: 'm2' })];
  const gone = (at: number, ...members: string[]): Incident => ({
    kind: 'gone',
    at,
    members: members.length === 0 ? undefined : new Set(members),
  });
  assert.deepEqual(unexplained(again, []), [1]);
  assert.deepEqual(unexplained(again, [gone(500, 'm2')]), [1]);
  assert.deepEqual(unexplained(again, [gone(500, 'm1')]), []);
  assert.deepEqual(unexplained(again, [gone(1400)]), []);
  assert.deepEqual(unexplained(again, [gone(1600)]), [1]);
  assert.deepEqual(unexplained([given(1, 1000), given(1, 10_000)], [gone(400)]), [1]);
  assert.deepEqual(unexplained([given(1, 0, { answeredAt: undefined }), given(1, 10_000)], []), []);
});

test('after a loss of Redis a takeover repeats only what was confirmed less than a second before it, however late that is delivered', () => {
  const lost: Incident[] = [{ kind: 'forgot', at: 1000 }];
  // Confirmed before the loss.
  assert.deepEqual(unexplained([given(1, 0), given(1, 9000)], [{ kind: 'forgot', at: 1400 }]), []);
  assert.deepEqual(unexplained([given(1, 0), given(1, 9000)], [{ kind: 'forgot', at: 1600 }]), [1]);
  // Confirmed after it, by an owner that did not know.
  const again = [given(1, 2000), given(1, 9000, { member: 'm2' })];
  assert.deepEqual(unexplained(again, lost), [1]);
  assert.deepEqual(unexplained(again, lost, takenAt(3400)), []);
  assert.deepEqual(unexplained(again, lost, takenAt(1500)), []);
  assert.deepEqual(unexplained(again, lost, takenAt(3600)), [1]);
  assert.deepEqual(unexplained(again, lost, takenAt(900, 9100)), [1]);
  assert.deepEqual(unexplained(again, lost, [{ at: 3000, partition: 1 }]), [1]);
  // Later than it may go unnoticed.
  assert.deepEqual(unexplained([given(1, 3600), given(1, 9000)], lost, takenAt(3700)), [1]);
});

test('a move explains duplicates of what was confirmed at most a second before its decision or after it', () => {
  const moved: Incident = { kind: 'moved', after: 5000, before: 5100 };
  const confirmedAt = (answeredAt: number): readonly Delivery[] => [given(1, 0, { answeredAt }), given(1, 10_000)];
  assert.deepEqual(unexplained(confirmedAt(3400), [moved]), [1]);
  assert.deepEqual(unexplained(confirmedAt(3600), [moved]), []);
  assert.deepEqual(unexplained(confirmedAt(6500), [moved]), []);
  assert.deepEqual(unexplained(confirmedAt(6700), [moved]), [1]);
});

test('a paused member reads the earlier deliveries, and no other duplicates', () => {
  const late: Incident = { kind: 'late', at: 4000, since: 2000, member: 'm1' };
  assert.deepEqual(unexplained([given(1, 3000, { member: 'm2' }), given(1, 4100)], [late]), []);
  assert.deepEqual(unexplained([given(1, 3000, { member: 'm2' }), given(1, 4100, { member: 'm3' })], [late]), [1]);
  assert.deepEqual(unexplained([given(1, 3000, { member: 'm2' }), given(1, 4600)], [late]), [1]);
  assert.deepEqual(unexplained([given(1, 1000, { member: 'm2' }), given(1, 4100)], [late]), [1]);
});

test('what is confirmed to an edge that was paused comes too late if the partition has another owner by then, or the organization another journal', () => {
  const late: Incident = { kind: 'late', at: 9000, since: 2000, member: 'm1' };
  const moved = (after: number): Incident => ({ kind: 'moved', after, before: after + 100 });
  const again = (answeredAt: number) => [given(1, 1900, { answeredAt }), given(1, 15_000, { member: 'm2' })];
  assert.deepEqual(unexplained(again(9100), [late]), [1]);
  assert.deepEqual(unexplained(again(9100), [late], [{ at: 5000, partition: 0 }]), []);
  assert.deepEqual(unexplained(again(9100), [late], [{ at: 5000, partition: 1 }]), [1]);
  assert.deepEqual(unexplained(again(9100), [late], [{ at: 1900, partition: 0 }]), [1]);
  assert.deepEqual(unexplained(again(9100), [late, moved(5000)]), []);
  assert.deepEqual(unexplained(again(9100), [late, moved(1800)]), [1]);
  assert.deepEqual(unexplained(again(9600), [late, moved(5000)]), [1]);
  assert.deepEqual(unexplained(again(9100), [{ ...late, member: 'm3' }, moved(5000)]), [1]);
});
