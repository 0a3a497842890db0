import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Live } from './live.ts';
import type { Update } from './types.ts';

type Row = { readonly id: string };
const update = (version: number, more: Partial<Update<Row>> = {}): Update<Row> => ({
  ...{ rows: [{ id: `${version}` }], state: 'synced', version, failure: undefined },
  ...{ change: { event: 'added', row: { id: `${version}` }, from: null, to: 0 }, ...more },
});

test('an iterator gives what there is and every update after it, and ends with the subscription', async () => {
  const live = new Live<Row>(() => {});
  live.take(update(1, { change: 'reset' }));
  const updates = live[Symbol.asyncIterator]();
  live.take(update(2));
  const seen = [(await updates.next()).value?.version, (await updates.next()).value?.version];
  const next = updates.next();
  live.take(update(3));
  live.take(update(3, { state: 'ended' }));
  seen.push((await next).value?.version);
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal((await updates.next()).value?.state, 'ended');
  assert.equal((await updates.next()).done, true);
  const late: string[] = [];
  for await (const { state } of live) late.push(state);
  assert.deepEqual(late, ['ended']);
});

test('a consumer that is too slow gets a reset with the newest rows instead of a line without an end', async () => {
  const live = new Live<Row>(() => {});
  const updates = live[Symbol.asyncIterator]();
  for (let version = 1; version <= 300; version += 1) live.take(update(version));
  const first = (await updates.next()).value;
  assert.deepEqual([first?.version, first?.change], [257, 'reset']);
  assert.equal((await updates.next()).value?.version, 258);
});

test('ready settles with the first rows, or with why there are none', async () => {
  const live = new Live<Row>(() => {});
  const ready = live.ready();
  live.take(update(1));
  assert.deepEqual(await ready, { ok: true, rows: [{ id: '1' }] });
  assert.deepEqual(await live.ready(), { ok: true, rows: [{ id: '1' }] });
  const refused = new Live<Row>(() => {});
  const failure = { ok: false, code: 'forbidden', message: '', problems: [] } as const;
  const refusal = refused.ready();
  refused.take(update(0, { state: 'ended', failure }));
  assert.deepEqual(await refusal, failure);
});

test('a listener that closes the subscription, or another listener, hears nothing more', () => {
  let closed = 0;
  const live = new Live<Row>(() => {
    closed += 1;
  });
  const heard: string[] = [];
  live.listen(({ state }) => {
    heard.push(state);
    live.close();
  });
  live.take(update(1));
  live.take(update(2));
  assert.deepEqual([heard, closed, live.state], [['synced', 'ended'], 1, 'ended']);
});
