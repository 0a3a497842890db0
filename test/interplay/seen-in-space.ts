/** What SPACE shows of all protocols' writes: events report its own calls, REST shows what is stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { event, type Listening, listen } from '../../services/space-edge/test/sockets.ts';
import { newOrganization, pricing, type Rest } from '../../services/space-edge/test/system.ts';
import { notify } from './messages.ts';
import type { System } from './system.ts';

export function seenInSpace(system: System): void {
  const { hiro, saga, space, organization, goodUncle, urls } = system;

  test('HIRO → SPACE: no event, but what GET answers', async () => {
    await using heard = await listen(urls.space);
    const key = `${organization}/made`;
    const made = await hiro.create('space/Service', { name: 'Made', organizationId: organization, key });
    const id = String(made['ogit/_id']);
    const shown = { organizationId: organization, disabled: false, activePricings: {}, id };
    assert.deepEqual((await space.get('/services/Made')).body, { name: 'Made', ...shown });
    // Lists filter by `disabled: false`, and HIRO writes text.
    assert.deepEqual((await space.get('/services?name=Made')).body, []);
    await hiro.update(id, { name: 'MADE' });
    assert.deepEqual((await space.get('/services/Made')).body, { name: 'MADE', ...shown });
    await hiro.delete(id);
    assert.equal((await space.get('/services/Made')).status, 404);
    assert.deepEqual(await untilMark(heard, space), []);
  });

  test('Saga → SPACE: nothing', async () => {
    await using heard = await listen(urls.space);
    const services = (await space.get('/services')).body;
    await saga.send('/globals/properties', { name: 'unseen', value: 1 });
    await saga.api('DELETE', '/globals/properties/unseen');
    assert.deepEqual((await space.get('/services')).body, services);
    assert.deepEqual(await untilMark(heard, space), []);
  });

  test('SPACE → SPACE: the event that a call names', async () => {
    await using heard = await listen(urls.space);
    await space.upload('/services', pricing('Told', '1'));
    await space.upload('/services/Told/pricings', pricing('Told', '2'));
    await space.put('/services/Told/pricings/1?availability=archived', { subscriptionPlan: 'FREE' });
    await space.put('/services/Told/pricings/1?availability=active');
    await space.delete('/services/Told');
    assert.deepEqual(await untilMark(heard, space), [
      event('PRICING_CREATED', 'Told', '1'),
      event('PRICING_CREATED', 'Told', '2'),
      event('PRICING_ARCHIVED', 'Told', '1'),
      event('PRICING_ACTIVED', 'Told', '1'),
      event('SERVICE_DISABLED', 'Told'),
    ]);
  });

  test('Good Uncle → SPACE: no event, but what GET answers', async () => {
    await using heard = await listen(urls.space);
    const params = { name: 'Stored', organizationId: organization, key: `${organization}/stored`, disabled: false, activePricings: {} };
    const { id } = (await goodUncle.one({ type: 'create', topic: 'services', params })).response.payload;
    const shown = { name: 'Stored', organizationId: organization, disabled: false, activePricings: {}, id };
    assert.deepEqual((await space.get('/services?name=Stored')).body, [shown]);
    await goodUncle.one({ type: 'update', topic: 'services', criteria: { id }, params: { disabled: true } });
    assert.equal((await space.get('/services/Stored')).status, 404);
    await goodUncle.one({ type: 'update', topic: 'services', criteria: { id }, params: { disabled: false } });
    assert.deepEqual((await space.get('/services/Stored')).body, shown);
    await goodUncle.one({ type: 'delete', topic: 'services', criteria: { id } });
    assert.equal((await space.get('/services/Stored')).status, 404);
    assert.deepEqual(await untilMark(heard, space), []);
  });

  test('JSSocket → SPACE: nothing', async () => {
    await using heard = await listen(urls.space);
    await notify(system);
    assert.deepEqual(await untilMark(heard, space), []);
  });

  test('seen in SPACE: the key of another organization receives and reads nothing, whoever writes, and everything of its own', async () => {
    const other = await newOrganization(urls.space);
    await using heard = await listen(urls.space, { auth: { apiKey: other.key } });
    await space.upload('/services', pricing('Theirs', '1'));
    await hiro.create('space/Service', { name: 'Foreign', organizationId: organization, key: `${organization}/foreign` });
    await hiro.create('space/Service', { name: 'Own', organizationId: other.id, key: `${other.id}/own` });
    assert.equal((await other.rest.get('/services/Theirs')).status, 404);
    assert.equal((await other.rest.get('/services/Foreign')).status, 404);
    assert.equal((await other.rest.get('/services/Own')).status, 200);
    assert.deepEqual(await untilMark(heard, other.rest), []);
  });
}

let marks = 0;

/** The events before a marker event caused by SPACE. */
async function untilMark({ socket, events }: Listening, space: Rest): Promise<readonly unknown[]> {
  marks += 1;
  const name = `Mark${marks}`;
  const came = new Promise<void>((resolve) => {
    socket.on('message', (told: { readonly details: { readonly serviceName: string } }) => {
      if (told.details.serviceName === name) resolve();
    });
  });
  assert.equal((await space.upload('/services', pricing(name, '1'))).status, 201);
  await came;
  assert.deepEqual(events.at(-1), event('PRICING_CREATED', name, '1'));
  return events.slice(0, -1);
}
