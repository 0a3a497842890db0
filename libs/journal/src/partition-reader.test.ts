import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { JournalPage } from './groups/messages.ts';
import type { HotJournal, LogPage } from './hot-journal.ts';
import { PartitionReader } from './partition-reader.ts';

const json = (seq: number): string => JSON.stringify({ seq, state: {}, undo: {} });
const log = (prev: number | undefined, seqs: readonly number[], more: Partial<Extract<LogPage, { is: 'read' }>> = {}): LogPage => ({
  is: 'read',
  last: seqs.at(-1) ?? 0,
  head: seqs.at(-1) ?? 0,
  since: 0,
  prev,
  cut: false,
  entries: seqs.map((seq) => ({ seq, json: json(seq) })),
  ...more,
});

/** A reader over one page of Redis and a store that has seq 100 only. */
function reader(...pages: LogPage[]) {
  const hot = { epoch: 'e', read: async () => pages.shift() ?? { is: 'generation', generation: 0 } } as unknown as HotJournal;
  const change = JSON.parse(json(100));
  return new PartitionReader(hot, {
    partition: async () => done({ to: 100, changes: [change] }),
    bySeq: async () => done([change]),
  });
}

async function read(
  after: number,
  limit: number,
  ...pages: LogPage[]
): Promise<{ readonly seqs: number[]; readonly to: number } | undefined> {
  const page: Outcome<JournalPage> = await reader(...pages).read(0, after, limit);
  return page.ok ? { seqs: page.value.items.map(({ seq }) => seq), to: page.value.to } : undefined;
}

test('what follows without a hole comes from Redis, and everything up to the head is known to be in it', async () => {
  assert.deepEqual(await read(5, 10, log(3, [7, 9], { head: 12 })), { seqs: [7, 9], to: 12 });
  assert.deepEqual(await read(9, 10, log(undefined, [], { last: 9, head: 12 })), { seqs: [], to: 12 });
});

test('a full page, or one that ends at a hole, is everything only up to its last entry', async () => {
  assert.deepEqual(await read(5, 2, log(3, [7, 9], { head: 12 })), { seqs: [7, 9], to: 9 });
  assert.deepEqual(await read(5, 10, log(3, [7], { head: 12, cut: true })), { seqs: [7], to: 7 });
});

test('a log that ends before its last entry is everything only up to where it ends; the rest comes from the store', async () => {
  assert.deepEqual(await read(5, 10, log(3, [7], { last: 9, head: 12 })), { seqs: [7], to: 7 });
  assert.deepEqual(await read(7, 10, log(undefined, [], { last: 9, head: 12 })), { seqs: [100], to: 100 });
});

test('what Redis trimmed, never had, or lost is read from the store', async () => {
  const fromStore = { seqs: [100], to: 100 };
  assert.deepEqual(await read(5, 10, log(6, [7])), fromStore);
  assert.deepEqual(await read(5, 10, log(3, [7], { since: 6 })), fromStore);
  assert.deepEqual(await read(5, 10, log(undefined, [], { last: 9, head: 12 })), fromStore);
  assert.deepEqual(await read(5, 10, { is: 'generation', generation: 0 }), fromStore);
});

test('another generation is read once it is known', async () => {
  assert.deepEqual(await read(5, 10, { is: 'generation', generation: 2 }, log(3, [7])), { seqs: [7], to: 7 });
});

test('a change that is too large for Redis is fetched', async () => {
  const page = log(3, [7, 100]);
  if (page.is !== 'read') throw new Error('not a page');
  const [first] = page.entries;
  if (first === undefined) throw new Error('no entry');
  assert.deepEqual(await read(5, 10, { ...page, entries: [first, { seq: 100, json: '' }] }), { seqs: [7, 100], to: 100 });
});
