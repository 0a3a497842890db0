import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import type { GroupsEffect, JournalPage } from './messages.ts';
import { PartitionConsumer } from './partition-consumer.ts';

const change = (seq: number, tenant = 'acme'): FullChange => ({ seq, tenant }) as FullChange;
const page = (seqs: readonly number[], to: number, tenant?: string): JournalPage => ({
  items: seqs.map((seq) => ({ seq, change: change(seq, tenant), bytes: 100 })),
  to,
});

/** A partition whose pages are given, one per read, and what it gave of them. */
function consuming(...pages: JournalPage[]) {
  const effects: GroupsEffect[] = [];
  const window = { items: 0, bytes: 0 };
  const lease = { good: true };
  let batches = 0;
  const consumer = new PartitionConsumer({
    epoch: 'e',
    partition: 0,
    tenant: 'acme',
    fence: 1,
    position: 0,
    member: 'm',
    window,
    tails: { read: (_partition, after) => pages.find(({ to }) => to > after) ?? { items: [], to: after } },
    effects,
    newBatch: () => {
      batches += 1;
      return batches;
    },
  });
  // The tail has it all: reading on asks nobody.
  const pump = (): void => assert.ok(consumer.pump(() => lease.good)?.next({ ok: true, value: undefined }).done);
  const given = () => effects.flatMap((effect) => (effect.do === 'deliver' ? [effect.changes.map(({ seq }) => seq)] : []));
  return { consumer, pump, given, window, lease };
}

test('the position passes acknowledged changes, up to the first unacknowledged one', () => {
  const { consumer, pump, given } = consuming(page([1, 2], 2), page([5], 7));
  pump();
  assert.deepEqual(given(), [[1, 2], [5]]);
  consumer.take(2, true);
  assert.equal(consumer.position, 0);
  consumer.take(1, true);
  assert.equal(consumer.position, 7);
});

test('what belongs to others moves the position without being given', () => {
  const { consumer, pump, given } = consuming(page([1, 2], 4, 'other'));
  pump();
  assert.deepEqual(given(), []);
  assert.equal(consumer.position, 4);
});

test('nothing is given without a good lease, nor while the partition is handed over', () => {
  const { consumer, pump, given, lease } = consuming(page([1], 1));
  lease.good = false;
  pump();
  lease.good = true;
  consumer.drainUntil = 1;
  pump();
  assert.deepEqual(given(), []);
  consumer.drainUntil = undefined;
  pump();
  assert.equal(given().length, 1);
});

test('no more than its window is in flight, and acknowledgements after the end have no effect', () => {
  const many = Array.from({ length: 20 }, (_, block) =>
    page(
      Array.from({ length: 50 }, (_one, at) => block * 50 + at + 1),
      (block + 1) * 50,
    ),
  );
  const { consumer, pump, given, window } = consuming(...many);
  pump();
  const under = given().flat().length;
  assert.equal(under, 250, 'whole pages, as long as they fit');
  assert.equal(consumer.end(), under);
  assert.deepEqual(window, { items: 0, bytes: 0 });
  consumer.take(1, true);
  assert.equal(consumer.position, 0);
});
