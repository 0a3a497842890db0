import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FullChange } from '@polyedge/contracts/change';
import { done } from '@polyedge/contracts/errors';
import type { Page } from './partition-reader.ts';
import { Tails } from './tails.ts';

/** A partition that has these seqs, up to its head, and counts how often it is asked. */
class Partition {
  seqs: number[] = [];
  head = 0;
  reads = 0;

  async end(): Promise<number> {
    return this.head;
  }

  async read(_partition: number, after: number, limit: number) {
    this.reads += 1;
    const seqs = this.seqs.filter((seq) => seq > after).slice(0, limit);
    // Nobody here looks at the change itself.
    const items = seqs.map((seq) => ({ seq, change: { seq } as FullChange, bytes: 100 }));
    return done({ items, to: items.length === limit ? (seqs.at(-1) ?? after) : Math.max(after, this.head) });
  }
}

const seqsOf = (page: Page | undefined): number[] | undefined => page?.items.map(({ seq }) => seq);
const woken = (tails: Tails): Promise<void> =>
  new Promise((resolve) => {
    const unfollow = tails.follow(0, () => {
      unfollow();
      resolve();
    });
  });

test('those at the end share what is read once, and those behind the ring are told that it is not there', async () => {
  const partition = new Partition();
  partition.head = 10;
  const tails = new Tails(partition, { maxItems: 3, maxBytes: 10_000 });
  tails.follow(0, () => {});
  await woken(tails);
  partition.seqs = [11, 13, 14, 17, 18];
  partition.head = 20;
  const grown = woken(tails);
  tails.announced(20);
  await grown;
  assert.equal(partition.reads, 1);
  assert.deepEqual(seqsOf(tails.read(0, 13, 10)), [14, 17, 18]);
  assert.deepEqual(tails.read(0, 14, 1)?.to, 17);
  assert.deepEqual(tails.read(0, 18, 10), { items: [], to: 20 });
  assert.equal(tails.read(0, 12, 10), undefined);
  tails.close();
});

test('one that is further than the ring waits for it, and reads nothing by itself', async () => {
  const partition = new Partition();
  partition.head = 10;
  const tails = new Tails(partition);
  tails.follow(0, () => {});
  await woken(tails);
  // The partition was idle when the journal was at 15 already: its head is older.
  assert.deepEqual(tails.read(0, 15, 10), { items: [], to: 15 });
  partition.seqs = [16, 18];
  partition.head = 18;
  const grown = woken(tails);
  tails.announced(18);
  await grown;
  assert.deepEqual(seqsOf(tails.read(0, 15, 10)), [16, 18]);
  tails.close();
});
