/** More, and larger, elements than one request reads or deletes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphMutate, graphQuery, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, ofType, propertyId, TYPES } from '@polyedge/saga/elements';
import { bus, makeBot, person } from './rooms-scene.ts';
import { boss } from './saga-scene.ts';

/** Stores properties without events of them being awaited. */
async function store(count: number, property: (at: number) => Readonly<Record<'parent_id' | 'name', string> & Record<string, Json>>) {
  for (let from = 0; from < count; from += 1000) {
    const operations = Array.from({ length: Math.min(1000, count - from) }, (_, at): Operation => {
      const own = property(from + at);
      const attributes = { parent_type: 'bot', value: 1, life: 'l', source_creator: { type: 'rest' }, ...own };
      return { op: 'create', type: TYPES.property, id: propertyId(own.parent_id, own.name), attributes };
    });
    const origin = { protocol: 'saga', way: 'rest', operation: 'post' } as const;
    const request = {
      by: 'test',
      app: 'saga',
      origin,
      operations,
      operationId: operationId(Date.now(), crypto.getRandomValues(new Uint8Array(10))),
    };
    const stored = await bus.request(
      graphMutate,
      graphMutate.subject({ tenant: 'default' }),
      { defaultScope: 's', requests: [request] },
      { timeoutMs: 60_000 },
    );
    assert.ok(stored.ok && stored.value.outcomes[0]?.ok === true, JSON.stringify(stored).slice(0, 300));
  }
}

async function count(name: string): Promise<number | undefined> {
  const filter = both(ofType(TYPES.property), equal(attribute('name'), name));
  const found = await bus.request(
    graphQuery,
    graphQuery.subject({ tenant: 'default' }),
    { filter, limit: 0, count: true },
    { timeoutMs: 60_000 },
  );
  assert.ok(found.ok);
  return found.value.count;
}

test('saga:14 a bot with more than ten thousand properties shows all of them, and is deleted with them', async () => {
  const bot = await makeBot({ name: 'with-many' });
  await store(10_500, (at) => ({ parent_id: bot, name: `many${at}` }));
  assert.equal((await boss.api('GET', `/bots/${bot}/properties`)).body.length, 10_500);
  assert.equal(Object.keys((await boss.api('GET', '/bots?search=^with-many$')).body[0].properties).length, 10_500);
  const streamed = await boss.api('GET', `/bots/${bot}/properties/stream`);
  assert.deepEqual([streamed.status, streamed.body.name], [413, 'Payload Too Large'], 'rather than a part of them');
  assert.equal((await boss.api('DELETE', `/bots/${bot}`)).status, 200);
  assert.equal((await boss.api('GET', `/bots/${bot}`)).status, 404);
  assert.equal(await count('many10499'), 0);
});

test('saga:12 saga:31 a search by a property of more than ten thousand is refused, and test data is removed whatever its number', async () => {
  await store(10_500, (at) => ({ parent_id: `bot${at}`, name: 'same', test_data: true }));
  const searched = await boss.api('GET', '/bots?properties.same=1');
  assert.deepEqual([searched.status, searched.body.message], [400, 'the search looks at too much'], 'rather than a part of the result');
  assert.equal((await boss.api('DELETE', '/test')).status, 200);
  assert.equal(await count('same'), 0);
});

test('saga:12 a user with more than fits into one answer is deleted, and lists are whole again', async () => {
  const user = await person('with-large');
  for (let at = 0; at < 25; at += 1) {
    assert.equal((await user.api('PUT', `/users/${user.me}/properties/large${at}`, { value: 'x'.repeat(1_900_000) })).status, 200);
  }
  assert.equal((await boss.api('GET', `/users/${user.me}/properties`)).status, 413);
  assert.deepEqual(await boss.api('DELETE', `/users/${user.me}`), { status: 200, body: { ok: 1 }, link: null });
  assert.equal((await boss.api('GET', `/users/${user.me}`)).status, 404);
  assert.equal(await count('large24'), 0);
  assert.equal((await boss.api('GET', '/users')).status, 200);
});
