/** The changes that edges fetch over NATS. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { graphChanges } from '@polyedge/contracts/bus/feed';
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { RequestOf } from '@polyedge/contracts/channel';
import type { Interest } from '@polyedge/contracts/interest';
import { cpuMs } from '@polyedge/testkit/servers/processes';
import { freshId, positionOf, type RunningStore, requestOf, startStore, TENANT } from './running-store.ts';

let store: RunningStore;
before(async () => {
  store = await startStore(2);
});
after(() => store[Symbol.asyncDispose]());

const create = (id: string, attributes: Readonly<Record<string, number>>, type = 'test/Thing'): Operation => ({
  op: 'create',
  type,
  id,
  attributes,
});
const changes = (request: RequestOf<typeof graphChanges>) =>
  store.bus.request(graphChanges, graphChanges.subject({}), request, { timeoutMs: 30_000 });

/** Everything of some interests after a seq, page by page. */
async function collect(
  epoch: string,
  after: number,
  upTo: number,
  interests: readonly Interest[],
): Promise<{ seqs: number[]; pages: number }> {
  const seqs: number[] = [];
  let pages = 0;
  for (let at = after; at < upTo; pages += 1) {
    const reply = await changes({ epoch, after: at, upTo, interests: [...interests] });
    assert.ok(reply.ok, JSON.stringify(reply));
    assert.ok(reply.value.to > at);
    for (const { seq } of reply.value.changes) seqs.push(seq);
    at = reply.value.to;
  }
  return { seqs, pages };
}

test('changes are fetched by interest and by seq, from memory and from the journal, in pages of bytes', async () => {
  const { epoch, seq: from } = await positionOf(store);
  const type = freshId('type');
  const [one, two] = [freshId(), freshId()];
  await store.done(create(one, { n: 0 }, type), create(two, { n: 0 }));
  for (let n = 1; n <= 20; n += 1) {
    await store.send([
      requestOf({ op: 'update', target: { id: one }, set: { n, text: 'x'.repeat(250_000) } }),
      requestOf({ op: 'update', target: { id: two }, set: { n } }),
    ]);
  }
  const { seq: to } = await positionOf(store);
  const all = Array.from({ length: to - from }, (_, index) => from + 1 + index);
  for (let round = 0; round < 4; round += 1) {
    // Either replica may answer: the one that wrote it, from memory, or the other.
    const { seqs, pages } = await collect(epoch, from, to, [{ tenant: TENANT }]);
    assert.deepEqual(seqs, all);
    assert.ok(pages > 1);
    const ofType = await collect(epoch, from, to, [{ tenant: TENANT, type }]);
    const ofOwner = await collect(epoch, from, to, [{ tenant: TENANT, owner: two }]);
    assert.deepEqual(
      [...ofType.seqs, ...ofOwner.seqs].toSorted((left, right) => left - right),
      all,
    );
    assert.deepEqual(await collect(epoch, from, to, [{ tenant: 'another' }]).then(({ seqs: none }) => none), []);
  }
  const wanted = all.slice(-5);
  const bySeq = await changes({ epoch, seqs: wanted });
  assert.ok(bySeq.ok);
  assert.deepEqual(
    bySeq.value.changes.map(({ seq }) => seq),
    wanted,
  );
  const elsewhere = await changes({ epoch: 'another', after: 0, upTo: 1, interests: [{ tenant: TENANT }] });
  assert.equal(elsewhere.ok ? undefined : elsewhere.failure.code, 'lost');
});

test('ten thousand small changes cost the store at most eight seconds of CPU', async () => {
  const { epoch, seq: from } = await positionOf(store);
  for (let batch = 0; batch < 10; batch += 1) {
    const reply = await store.send(
      Array.from({ length: 2 }, () => requestOf(...Array.from({ length: 500 }, (_, n) => create(freshId(), { n })))),
    );
    assert.ok(reply.ok && reply.value.outcomes.every(({ ok }) => ok));
  }
  const { seq: to } = await positionOf(store);
  // More interests than are looked up in memory.
  const interests = Array.from({ length: 100 }, (_, n): Interest => ({ tenant: TENANT, type: n === 0 ? 'test/Thing' : `none-${n}` }));
  const used = () => store.replicas.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
  const before = used();
  const { seqs } = await collect(epoch, from, to, interests);
  const costMs = used() - before;
  assert.equal(seqs.length, 10_000);
  assert.ok(costMs < 8000, `${costMs} ms of CPU`);
});
