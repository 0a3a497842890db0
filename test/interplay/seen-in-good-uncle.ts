/** What Good Uncle's live queries show of all protocols' writes to the types of its topics. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../../services/gooduncle-edge/test/client.ts';
import { metered, subscription } from '../../services/space-edge/test/metered.ts';
import { pricing } from '../../services/space-edge/test/system.ts';
import { notify } from './messages.ts';
import type { System } from './system.ts';

export function seenInGoodUncle(system: System): void {
  const { hiro, saga, space, organization, goodUncle } = system;
  let subscriptions = 0;

  /** @returns the events and resources of the next `count` answers */
  async function subscribed(client: Client, topic: string, criteria: object) {
    subscriptions += 1;
    const subscription = await client.subscribe({ topic, criteria, subscription: `s${subscriptions}` });
    return async (count: number) =>
      (await subscription.next(count)).map(({ response: { code, event, payload } }) => [code, event, payload] as const);
  }

  test('HIRO → Good Uncle: match created, match modified, match deleted; HIRO`s values are text', async () => {
    const next = await subscribed(goodUncle, 'notes', { shelf: 'h' });
    const id = String((await hiro.create('ogit/Note', { shelf: 'h', size: '1' }))['ogit/_id']);
    await hiro.update(id, { size: '2' });
    await hiro.update(id, { shelf: 'other' });
    await hiro.update(id, { shelf: 'h' });
    await hiro.delete(id);
    assert.deepEqual(await next(5), [
      ['ok', 'match created', { id, shelf: 'h', size: '1' }],
      ['ok', 'match modified', { id, shelf: 'h', size: '2' }],
      ['ok', 'match dropped', { id, shelf: 'other', size: '2' }],
      ['ok', 'match added', { id, shelf: 'h', size: '2' }],
      ['ok', 'match deleted', { id, shelf: 'h', size: '2' }],
    ]);
  });

  test('HIRO → Good Uncle: what HIRO puts into another data scope is not shown', async () => {
    const scope = String((await hiro.create('ogit/Auth/DataScope', { 'ogit/name': 'cellar' }))['ogit/_id']);
    const next = await subscribed(goodUncle, 'notes', { shelf: 'scopes' });
    await hiro.create('ogit/Note', { shelf: 'scopes', 'ogit/_scope': scope });
    const id = (await hiro.create('ogit/Note', { shelf: 'scopes' }))['ogit/_id'];
    assert.deepEqual(await next(1), [['ok', 'match created', { id, shelf: 'scopes' }]]);
  });

  test('Saga → Good Uncle: a property is a resource of the topic of type saga/Property', async () => {
    const parent_id = String((await saga.api('POST', '/bots', { name: 'eve' })).body._id);
    const next = await subscribed(goodUncle, 'properties', { parent_id });
    await saga.send('/bots/properties', { parent_id, name: 'mood', value: { deep: [1] } });
    await saga.send('/bots/properties', { parent_id, name: 'mood', value: 5 });
    await saga.send('/bots/properties/incr', { parent_id, name: 'mood', value: 2 });
    await saga.api('DELETE', `/bots/${parent_id}/properties/mood`);
    const heard = await next(4);
    const life = heard[0]?.[2].life;
    const property = { id: `${parent_id}:mood`, parent_type: 'bot', parent_id, name: 'mood', source_creator: { type: 'socket' }, life };
    assert.deepEqual(heard, [
      ['ok', 'match created', { ...property, value: { deep: [1] } }],
      ['ok', 'match modified', { ...property, value: 5 }],
      ['ok', 'match modified', { ...property, value: 7 }],
      ['ok', 'match deleted', { ...property, value: 7 }],
    ]);
  });

  test('SPACE → Good Uncle: a service is a resource of the topic of type space/Service', async () => {
    const next = await subscribed(goodUncle, 'services', { organizationId: organization, name: 'Watched' });
    const { body } = await space.upload('/services', pricing('Watched', '1'));
    await space.delete('/services/Watched');
    await space.delete('/services');
    const heard = await next(3);
    const activePricings = heard[0]?.[2].activePricings;
    const common = { id: body.id, name: 'Watched', organizationId: organization, key: `${organization}/watched`, concerns: '1' };
    const disabled = { ...common, disabled: true, activePricings: {}, archivedPricings: activePricings };
    assert.deepEqual(heard, [
      ['ok', 'match created', { ...common, disabled: false, activePricings }],
      ['ok', 'match modified', disabled],
      ['ok', 'match deleted', disabled],
    ]);
  });

  test('SPACE → Good Uncle: usage levels are a resource of the topic of type space/UsageLevels, sent as they grow', async () => {
    const next = await subscribed(goodUncle, 'usage', { userId: 'watched' });
    await space.upload('/services', metered('Metered', '1'));
    await space.post('/contracts', subscription('watched', 'Metered'));
    await space.put('/contracts/watched/usageLevels', { Metered: { rooms: 2 } });
    await space.delete('/contracts/watched');
    await space.delete('/services');
    const levels = (rooms: number) => ({ 'metered/minutes': 0, 'metered/rooms': rooms });
    assert.deepEqual(
      (await next(3)).map(([, what, { consumed }]) => [what, consumed]),
      [
        ['match created', levels(0)],
        ['match modified', levels(2)],
        ['match deleted', levels(2)],
      ],
    );
  });

  test('Good Uncle → Good Uncle: the events of a live query', async () => {
    const next = await subscribed(goodUncle, 'orders', { userId: 'g' });
    const { id } = (await goodUncle.one({ type: 'create', topic: 'orders', params: { userId: 'g', price: 5 } })).response.payload;
    await goodUncle.one({ type: 'update', topic: 'orders', criteria: { id }, params: { price: null } });
    await goodUncle.one({ type: 'delete', topic: 'orders', criteria: { id } });
    assert.deepEqual(await next(3), [
      ['ok', 'match created', { id, userId: 'g', price: 5 }],
      ['ok', 'match modified', { id, userId: 'g', price: null }],
      ['ok', 'match deleted', { id, userId: 'g', price: null }],
    ]);
  });

  test('JSSocket → Good Uncle: nothing', async () => {
    const next = await subscribed(goodUncle, 'notes', {});
    await notify(system);
    const id = (await hiro.create('ogit/Note', { mark: '1' }))['ogit/_id'];
    assert.deepEqual(await next(1), [['ok', 'match created', { id, mark: '1' }]]);
  });

  test('seen in Good Uncle: a role receives nothing outside of its rows, whoever writes, and everything in them', async () => {
    const carl = { username: 'carl', password: 'password of carl' };
    const sub = await system.account(carl, { roles: { gooduncle: ['customer'] } });
    const customer = await system.goodUncleOf(carl);
    const refused = await customer.one({ type: 'subscribe', topic: 'notes', criteria: {}, subscription: 'notes' });
    assert.equal(refused.response.code, 'forbidden');
    const next = await subscribed(customer, 'orders', {});
    await hiro.create('orders', { userId: 'another' });
    await goodUncle.one({ type: 'create', topic: 'orders', params: { userId: 'another' } });
    const own = [
      (await hiro.create('orders', { userId: sub }))['ogit/_id'],
      (await goodUncle.one({ type: 'create', topic: 'orders', params: { userId: sub } })).response.payload.id,
    ];
    assert.deepEqual(
      await next(2),
      own.map((id) => ['ok', 'match created', { id, userId: sub }]),
    );
  });
}
