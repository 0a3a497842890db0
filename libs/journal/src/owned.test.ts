import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { Owned } from './owned.ts';
import type { Page } from './partition-reader.ts';

const change = (seq: number, tenant = 'acme'): FullChange => ({ seq, tenant }) as FullChange;
const page = (seqs: readonly number[], to: number, tenant?: string): Page => ({
  items: seqs.map((seq) => ({ seq, change: change(seq, tenant), bytes: 100 })),
  to,
});

/** A partition whose pages are given, one per read, and what it gave of them. */
function owning(...pages: Page[]) {
  const given: { seqs: number[]; took: () => void }[] = [];
  const window = { items: 0, bytes: 0 };
  const lease = { good: true };
  const owned = new Owned({
    partition: 0,
    tenant: 'acme',
    fence: 1,
    position: 0,
    window,
    mayGive: () => lease.good,
    readTail: (after) => pages.find(({ to }) => to > after) ?? { items: [], to: after },
    readPage: async () => ({ ok: false, failure: { code: 'unavailable' } }),
    give: (changes, took) => given.push({ seqs: changes.map(({ seq }) => seq), took }),
    room: () => {},
    failed: () => {},
  });
  return { owned, given, window, lease };
}

test('the position passes what was taken, and no further than the first that was not', () => {
  const { owned, given } = owning(page([1, 2], 2), page([5], 7));
  owned.pump();
  assert.deepEqual(
    given.map(({ seqs }) => seqs),
    [[1, 2], [5]],
  );
  given[1]?.took();
  assert.equal(owned.position, 0);
  given[0]?.took();
  assert.equal(owned.position, 7);
});

test('what belongs to others moves the position without being given', () => {
  const { owned, given } = owning(page([1, 2], 4, 'other'));
  owned.pump();
  assert.deepEqual(given, []);
  assert.equal(owned.position, 4);
});

test('nothing is given without a good lease, nor while the partition is handed over', () => {
  const { owned, given, lease } = owning(page([1], 1));
  lease.good = false;
  owned.pump();
  lease.good = true;
  owned.drainUntil = 1;
  owned.pump();
  assert.deepEqual(given, []);
  owned.drainUntil = undefined;
  owned.pump();
  assert.equal(given.length, 1);
});

test('no more than its window is under way, and what is taken after the end moves nothing', () => {
  const many = Array.from({ length: 20 }, (_, block) =>
    page(
      Array.from({ length: 50 }, (_one, at) => block * 50 + at + 1),
      (block + 1) * 50,
    ),
  );
  const { owned, given, window } = owning(...many);
  owned.pump();
  const under = given.reduce((sum, { seqs }) => sum + seqs.length, 0);
  assert.equal(under, 256);
  assert.equal(owned.end(), under);
  assert.deepEqual(window, { items: 0, bytes: 0 });
  given[0]?.took();
  assert.equal(owned.position, 0);
});
