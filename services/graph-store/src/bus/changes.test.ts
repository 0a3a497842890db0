import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import { localBus } from '@polyedge/service-kit/local-bus';
import type { Journal } from '../postgres/journal.ts';
import { RecentChanges } from '../publisher/recent.ts';
import { answerChanges } from './changes.ts';

const MEBIBYTE = 1024 * 1024;
const COUNT = 600;
const value = 'x'.repeat(MEBIBYTE);

function change(seq: number): FullChange {
  const stamp = { on: 0, by: 'b', app: 'a' };
  const shared = { tenant: 't', id: `v${seq}`, kind: 'vertex', type: 'test/Thing', scope: 's', version: 1 } as const;
  return {
    ...shared,
    ...stamp,
    seq,
    epoch: 'e',
    owners: [`v${seq}`],
    action: 'create',
    origin: { protocol: 'test', way: 'job', operation: 'test' },
    operationId: 'o',
    first: seq,
    last: seq,
    state: { ...shared, seq, attributes: { value }, created: stamp, modified: stamp, deleted: false },
    undo: { seq: 0, set: {}, unset: [], version: 0, deleted: false },
  } as unknown as FullChange;
}

test('of missed changes only about as many are read at once as one reply may have', async () => {
  let most = 0;
  const journal = {
    position: async () => ({ epoch: 'e', seq: COUNT, oldest: 1 }),
    bySeq: async (seqs: readonly number[]) => {
      most = Math.max(most, seqs.length);
      return seqs.map(change);
    },
  } as unknown as Journal;
  const bus = localBus();
  const responders = answerChanges(bus, { journal: () => journal, recent: new RecentChanges(), partitions: 1 });
  try {
    const seqs = Array.from({ length: COUNT }, (_, n) => n + 1);
    const reply = await bus.request(graphChanges, graphChanges.subject({}), { epoch: 'e', seqs }, { timeoutMs: 60_000 });
    assert.ok(reply.ok, JSON.stringify(reply));
    assert.ok(reply.value.changes.length >= 3 && reply.value.to === reply.value.changes.at(-1)?.seq);
    assert.ok(most <= 32, `${most} changes of a mebibyte were read at once`);
  } finally {
    for (const responder of responders) await responder.stop();
  }
});
