/** Going on with a subscription after a reconnect (protocol page 4.7). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKind, says } from './answers.ts';
import { type Answer, Client } from './client.ts';
import { admin, parts, url } from './gooduncle-scene.ts';

const create = (params: object) => admin.one({ type: 'create', topic: 'products', params });
const update = (criteria: object, params: object) => admin.one({ type: 'update', topic: 'products', criteria, params });
const remove = (criteria: object) => admin.one({ type: 'delete', topic: 'products', criteria });

const brief = ({ response }: Answer): unknown[] => [response.event, response.payload.name];
const sinceOf = (answers: readonly Answer[]): string =>
  answers.findLast(({ response }) => response.since !== undefined)?.response.since ?? '';

async function subscribe(criteria: object, more: object = {}) {
  const client = parts.use(await Client.open(url));
  return client.subscribe({ subscription: 's', topic: 'products', criteria, since: '', ...more });
}

/** A kind with products, and the place up to which a subscription to it was told. */
async function leave(...names: readonly string[]): Promise<{ readonly kind: string; readonly since: string }> {
  const kind = newKind();
  for (const name of names) await create({ kind, category: 'A', name });
  const { answers } = await subscribe({ kind, category: 'A' });
  return { kind, since: sinceOf(answers) };
}

test('gooduncle:F59 a client that resumes gets the current state of each resource that changed, and nothing else', async () => {
  const { kind, since } = await leave('stays', 'changes', 'leaves', 'dies', 'returns');
  await update({ kind, name: 'changes' }, { price: 1 });
  await update({ kind, name: 'changes' }, { price: 2 });
  await update({ kind, name: 'leaves' }, { category: 'B' });
  await remove({ kind, name: 'dies' });
  await update({ kind, name: 'returns' }, { category: 'B' });
  await update({ kind, name: 'returns' }, { category: 'A' });
  await create({ kind, category: 'A', name: 'new' });
  await create({ kind, category: 'B', name: 'elsewhere' });
  await create({ kind, category: 'A', name: 'short' });
  await remove({ kind, name: 'short' });
  const back = await subscribe({ kind, category: 'A' }, { since });
  assert.deepEqual(back.answers.map(brief), [
    ['match modified', 'changes'],
    ['match dropped', 'leaves'],
    ['match deleted', 'dies'],
    ['match modified', 'returns'],
    ['match created', 'new'],
    // Somebody who heard of its creation must not keep it.
    ['match deleted', 'short'],
  ]);
  assert.deepEqual(
    back.answers.map(({ response }) => [response.seq, response.synced]),
    [0, 1, 2, 3, 4, 5].map((seq) => [seq, seq === 5 ? true : undefined]),
  );
  assert.equal(back.answers[0]?.response.payload.price, 2);
  await create({ kind, category: 'A', name: 'live' });
  assert.deepEqual((await back.next(1)).map(brief), [['match created', 'live']]);
});

test('gooduncle:F59 a client that missed nothing gets a confirmation, and every later event has the position to resume from', async () => {
  const { kind, since } = await leave('a');
  const back = await subscribe({ kind, category: 'A' }, { since });
  const [answer] = back.answers;
  assert.deepEqual([answer?.response.event, answer?.response.synced, answer?.response.count], [undefined, true, undefined]);
  await create({ kind, category: 'A', name: 'b' });
  const [event] = await back.next(1);
  const again = await subscribe({ kind, category: 'A' }, { since: event?.response.since });
  assert.deepEqual(again.answers.map(brief), [['match created', 'b']], 'of the newest request there may have been more');
});

test('gooduncle:F59 a subscription that cannot resume starts over: under other rules, with another query, as a window, after too many changes', async () => {
  const { kind, since } = await leave('a');
  const original = [['original match', 'a']];
  const [history] = since.split('.');
  const as = async (client: Client) => client.subscribe({ subscription: 's', topic: 'products', criteria: { kind, category: 'A' }, since });
  assert.deepEqual((await as(parts.use(await Client.open(url, 'admin')))).answers.map(brief), original);
  assert.deepEqual((await subscribe({ kind }, { since })).answers.map(brief), original);
  assert.deepEqual((await subscribe({ kind, category: 'A' }, { since, sort: ['name'], limit: 5 })).answers.map(brief), original);
  for (const mark of ['nonsense', 'other.1', `${history}.`, `${history}.-1`, `${history}.999999999`])
    assert.deepEqual((await subscribe({ kind, category: 'A' }, { since: mark })).answers.map(brief), original, mark);
});

test('gooduncle:F59 positions are sent only on request, and an invalid request is refused', async () => {
  const { kind } = await leave('a');
  const client = parts.use(await Client.open(url));
  const plain = await client.subscribe({ subscription: 's', topic: 'products', criteria: { kind } });
  assert.equal(sinceOf(plain.answers), '');
  const refused = (more: object) => client.one({ type: 'subscribe', subscription: 't', topic: 'products', criteria: { kind }, ...more });
  assert.equal(says(await refused({ since: 7 })), 'bad request type@since');
  assert.equal(says(await refused({ since: '', initial: false })), 'bad request value@initial');
});
