/** What JSSocket's pages receive of all protocols' writes, by the rules of the bridge. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { pricing } from '../../services/space-edge/test/system.ts';
import type { System } from './system.ts';

export function seenInJssocket(system: System): void {
  const { hiro, saga, space, organization, goodUncle } = system;

  test('HIRO → JSSocket: a notification of the group that the vertex names', async () => {
    const owner = randomUUID();
    const page = await system.pageOf(owner);
    const id = String((await hiro.create('ogit/Note', { owner, size: '1' }))['ogit/_id']);
    await hiro.update(id, { size: '2' });
    await hiro.delete(id);
    const note = { type: 'ogit/Note', id };
    assert.deepEqual(await page.next(), { ...note, action: 'create', body: { owner, size: '1' } });
    assert.deepEqual(await page.next(), { ...note, action: 'update', body: { owner, size: '2' } });
    assert.deepEqual(await page.next(), { ...note, action: 'delete', body: { owner, size: '2' } });
  });

  test('Saga → JSSocket: a property notifies the group of its parent', async () => {
    const parent_id = String((await saga.api('POST', '/bots', { name: 'eve' })).body._id);
    const page = await system.pageOf(parent_id);
    await saga.send('/bots/properties', { parent_id, name: 'mood', value: 5 });
    await saga.send('/bots/properties/incr', { parent_id, name: 'mood', value: 2 });
    await saga.api('DELETE', `/bots/${parent_id}/properties/mood`);
    const heard = [await page.next(), await page.next(), await page.next()] as readonly { readonly body: { readonly life: string } }[];
    const body = { parent_type: 'bot', parent_id, name: 'mood', source_creator: { type: 'socket' }, life: heard[0]?.body.life };
    const property = { type: 'saga/Property', id: `${parent_id}:mood` };
    assert.deepEqual(heard, [
      { ...property, action: 'create', body: { ...body, value: 5 } },
      { ...property, action: 'update', body: { ...body, value: 7 } },
      { ...property, action: 'delete', body: { ...body, value: 7 } },
    ]);
  });

  test('SPACE → JSSocket: a service notifies the group of its organization', async () => {
    await space.delete('/services');
    const page = await system.pageOf(organization);
    const { body: made } = await space.upload('/services', pricing('Bridged', '1'));
    await space.delete('/services/Bridged');
    await space.delete('/services');
    const heard = [await page.next(), await page.next(), await page.next()] as readonly {
      readonly body: { readonly activePricings: object };
    }[];
    const { activePricings } = heard[0]?.body ?? {};
    const body = { name: 'Bridged', organizationId: organization, key: `${organization}/bridged`, concerns: '1' };
    const disabled = { ...body, disabled: true, activePricings: {}, archivedPricings: activePricings };
    const service = { type: 'space/Service', id: made.id };
    assert.deepEqual(heard, [
      { ...service, action: 'create', body: { ...body, disabled: false, activePricings } },
      { ...service, action: 'update', body: disabled },
      { ...service, action: 'delete', body: disabled },
    ]);
  });

  test('Good Uncle → JSSocket: a resource notifies the group that it names', async () => {
    const userId = randomUUID();
    const page = await system.pageOf(userId);
    const { id } = (await goodUncle.one({ type: 'create', topic: 'orders', params: { userId, price: 5 } })).response.payload;
    await goodUncle.one({ type: 'update', topic: 'orders', criteria: { id }, params: { price: 6 } });
    await goodUncle.one({ type: 'delete', topic: 'orders', criteria: { id } });
    assert.deepEqual(await page.next(), { type: 'orders', id, action: 'create', body: { userId, price: 5 } });
    assert.deepEqual(await page.next(), { type: 'orders', id, action: 'update', body: { userId, price: 6 } });
    assert.deepEqual(await page.next(), { type: 'orders', id, action: 'delete', body: { userId, price: 6 } });
  });

  test('JSSocket → JSSocket: a message is passed on as it was written', async () => {
    const group = randomUUID();
    const [from, to] = await Promise.all([system.pageOf('somebody'), system.pageOf(group)]);
    from.send(`{"type":"notify_group","data":{"target":"${group}","data":{"b":1.0,  "a":[]}}}`);
    assert.equal(await to.text(), '{"b":1.0,  "a":[]}');
  });

  test('seen in JSSocket: a page receives nothing of other groups, whoever writes, and everything of its own', async () => {
    const [own, other] = [randomUUID(), randomUUID()];
    const page = await system.pageOf(own);
    const { body: bot } = await saga.api('POST', '/bots', { name: 'eve' });
    await saga.send('/bots/properties', { parent_id: bot._id, name: 'mood', value: 1 });
    await space.upload('/services', pricing('Elsewhere', '1'));
    for (const owner of [other, own]) {
      await hiro.create('ogit/Note', { owner });
      await goodUncle.one({ type: 'create', topic: 'orders', params: { userId: owner } });
    }
    const heard = [await page.next(), await page.next()] as readonly { readonly type: string; readonly body: object }[];
    assert.deepEqual(
      heard.map(({ type, body }) => [type, body]),
      [
        ['ogit/Note', { owner: own }],
        ['orders', { userId: own }],
      ],
    );
    assert.deepEqual(page.left, []);
  });
}
