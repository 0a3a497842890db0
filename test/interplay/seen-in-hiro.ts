/** What HIRO's events show of all protocols' writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metered, subscription } from '../../services/space-edge/test/metered.ts';
import { pricing } from '../../services/space-edge/test/system.ts';
import { told } from './hiro-client.ts';
import { notify } from './messages.ts';
import type { System } from './system.ts';

export function seenInHiro(system: System): void {
  const { hiro, saga, space, organization, goodUncle, events } = system;

  test('HIRO → HIRO: CREATE, UPDATE and DELETE, each with the whole vertex', async () => {
    const id = String((await hiro.create('ogit/Note', { 'ogit/name': 'first', size: '1' }))['ogit/_id']);
    await hiro.update(id, { size: '2' });
    await hiro.delete(id);
    const heard = await events.heard(id);
    assert.deepEqual(heard.map(told), [
      { type: 'CREATE', of: 'ogit/Note', version: 1, deleted: false, attributes: { 'ogit/name': 'first', size: '1' } },
      { type: 'UPDATE', of: 'ogit/Note', version: 2, deleted: false, attributes: { 'ogit/name': 'first', size: '2' } },
      { type: 'DELETE', of: 'ogit/Note', version: 3, deleted: true, attributes: { 'ogit/name': 'first', size: '2' } },
    ]);
    for (const event of heard) {
      assert.deepEqual(Object.keys(event), ['id', 'body', 'metadata', 'nanotime', 'timestamp', 'type']);
      const { 'ogit/_modified-by': by, 'ogit/_modified-by-app': app, 'ogit/_modified-on': on } = event.body;
      assert.deepEqual(event.metadata, { 'ogit/_modified-by': by, 'ogit/_modified-by-app': app, 'ogit/_modified-on': on });
    }
  });

  test('Saga → HIRO: a bot is a vertex, and each of its properties is one too, whose value is text', async () => {
    const { body: bot } = await saga.api('POST', '/bots', { name: 'eve' });
    const parent = String(bot._id);
    const id = `${parent}:mood`;
    await saga.send('/bots/properties', { parent_id: parent, name: 'mood', value: { deep: [1] } });
    await saga.send('/bots/properties', { parent_id: parent, name: 'mood', value: 5 });
    await saga.send('/bots/properties/incr', { parent_id: parent, name: 'mood', value: 2 });
    await saga.api('DELETE', `/bots/${parent}/properties/mood`);
    const [made, ...heard] = (await events.heard(parent, id)).map(told);
    assert.deepEqual(made, { type: 'CREATE', of: 'saga/Bot', version: 1, deleted: false, attributes: { name: 'eve', tags: '[]' } });
    const life = heard[0]?.attributes.life;
    const property = (type: string, version: number, value: string) => ({
      type,
      of: 'saga/Property',
      version,
      deleted: type === 'DELETE',
      attributes: { parent_type: 'bot', parent_id: parent, name: 'mood', value, source_creator: '{"type":"socket"}', life },
    });
    assert.deepEqual(heard, [
      property('CREATE', 1, '{"deep":[1]}'),
      property('UPDATE', 2, '5'),
      property('UPDATE', 3, '7'),
      property('DELETE', 4, '7'),
    ]);
  });

  test('SPACE → HIRO: a service and its pricing are vertices, what ties them together edges; a call is one UPDATE of the service', async () => {
    const { body: service } = await space.upload('/services', pricing('Heard', '1'));
    const id = String(service.id);
    await space.delete('/services/Heard');
    await space.delete('/services');
    const own = (await events.heard()).filter(({ id: of, body }) => of === id || body.serviceId === id || of.includes(id));
    assert.deepEqual(own.map(({ type, body }) => [type, body['ogit/_type']]).sort(), [
      ['CONNECT', 'space/offers'],
      ['CONNECT', 'space/owns'],
      ['CREATE', 'space/Pricing'],
      ['CREATE', 'space/Service'],
      ['DELETE', 'space/Pricing'],
      ['DELETE', 'space/Service'],
      ['DISCONNECT', 'space/offers'],
      ['DISCONNECT', 'space/owns'],
      ['UPDATE', 'space/Service'],
    ]);
    const [created, updated] = (await events.heard(id)).map(told);
    const locator = { 1: { id: own.find(({ body }) => body['ogit/_type'] === 'space/Pricing')?.id } };
    const common = { name: 'Heard', organizationId: organization, key: `${organization}/heard`, concerns: '1' };
    assert.deepEqual(created?.attributes, { ...common, disabled: 'false', activePricings: JSON.stringify(locator) });
    assert.deepEqual(updated?.attributes, {
      ...common,
      disabled: 'true',
      activePricings: '{}',
      archivedPricings: JSON.stringify(locator),
    });
  });

  test('SPACE → HIRO: a contract and its usage levels are vertices; consumption is an UPDATE of the levels', async () => {
    await space.upload('/services', metered('Counted', '1'));
    const { body: contract } = await space.post('/contracts', subscription('counter', 'Counted'));
    await space.put('/contracts/counter/usageLevels', { Counted: { rooms: 2 } });
    await space.delete('/contracts/counter');
    await space.delete('/services');
    const id = String(contract.id);
    const own = (await events.heard()).filter(({ id: of }) => of === id || of === `${id}.usage`);
    assert.deepEqual(own.map(({ type, body }) => [type, body['ogit/_type']]).sort(), [
      ['CREATE', 'space/Contract'],
      ['CREATE', 'space/UsageLevels'],
      ['DELETE', 'space/Contract'],
      ['DELETE', 'space/UsageLevels'],
      ['UPDATE', 'space/UsageLevels'],
    ]);
    const updated = own.find(({ type }) => type === 'UPDATE')?.body;
    assert.equal(updated?.userId, 'counter');
    assert.deepEqual(JSON.parse(String(updated?.consumed)), { 'counted/minutes': 0, 'counted/rooms': 2 });
  });

  test('Good Uncle → HIRO: a resource is a vertex of the type of its topic, whose fields are text', async () => {
    const params = { userId: 'u', price: 5, paid: false, lines: [{ n: 1 }] };
    const { id } = (await goodUncle.one({ type: 'create', topic: 'orders', params })).response.payload;
    await goodUncle.one({ type: 'update', topic: 'orders', criteria: { id }, params: { paid: true } });
    await goodUncle.one({ type: 'delete', topic: 'orders', criteria: { id } });
    const attributes = { userId: 'u', price: '5', paid: 'false', lines: '[{"n":1}]' };
    assert.deepEqual((await events.heard(id)).map(told), [
      { type: 'CREATE', of: 'orders', version: 1, deleted: false, attributes },
      { type: 'UPDATE', of: 'orders', version: 2, deleted: false, attributes: { ...attributes, paid: 'true' } },
      { type: 'DELETE', of: 'orders', version: 3, deleted: true, attributes: { ...attributes, paid: 'true' } },
    ]);
  });

  test('JSSocket → HIRO: nothing', async () => {
    const before = (await events.heard()).length;
    await notify(system);
    assert.equal((await events.heard()).length, before);
  });

  test('seen in HIRO: a token without the scope receives nothing of it, whoever writes, and everything of its own', async () => {
    const scope = String((await hiro.create('ogit/Auth/DataScope', { 'ogit/name': 'plant' }))['ogit/_id']);
    const ann = { username: 'ann', password: 'password of ann' };
    await system.account(ann, { defaultScope: scope });
    const own = await system.hiroOf(ann);
    const before = (await events.heard()).length;
    await hiro.create('ogit/Note', {});
    await saga.send('/globals/properties', { name: 'hidden', value: 1 });
    await space.upload('/services', pricing('Hidden', '1'));
    await goodUncle.one({ type: 'create', topic: 'orders', params: {} });
    const ids = [await hiro.create('ogit/Note', { 'ogit/_scope': scope }), await own.hiro.create('ogit/Note', {})];
    assert.deepEqual(
      (await own.events.heard()).map(({ id }) => id),
      ids.map((note) => note['ogit/_id']),
    );
    const all = (await events.heard()).slice(before).map(({ body }) => body['ogit/_type']);
    for (const type of ['ogit/Note', 'saga/Property', 'space/Service', 'orders']) assert.ok(all.includes(type), type);
  });
}
