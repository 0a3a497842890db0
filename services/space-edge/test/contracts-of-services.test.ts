/** What happens to contracts when their service or organization changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { contract, created, organizationWith, rows } from './contracts-scene.ts';
import { metered } from './metered.ts';
import { refused, url } from './rest-scene.ts';
import { type Json, newOrganization, pricing } from './system.ts';

test('space:37 contracts follow a service: to its new name, and to another organization', async () => {
  const { rest, admin, id } = await organizationWith('Zoom', 'Drive');
  const target = await newOrganization(url);
  const alone = await created(rest);
  const both = await created(rest, { services: { Zoom: '1', Drive: '1' } });
  const read = async ({ userContact }: Json): Promise<Json> => (await admin.get(`/contracts/${userContact?.userId}`)).body;
  await rest.put(`/contracts/${alone.userContact?.userId}/usageLevels`, { zoom: { minutes: 3 } });

  assert.equal((await rest.put('/services/Zoom', { name: 'Meet Me' })).status, 200);
  const renamed = await read(alone);
  assert.deepEqual(renamed.contractedServices, { 'meet me': '1' });
  assert.deepEqual(renamed.subscriptionPlans, { 'meet me': 'BASIC' });
  assert.equal(renamed.usageLevels?.['meet me']?.minutes?.consumed, 3);
  assert.equal(renamed.usageLevels?.zoom, undefined);
  assert.deepEqual(Object.keys((await read(both)).contractedServices ?? {}).sort(), ['drive', 'meet me']);

  const moved = await admin.put(`/organizations/${id}/services/Meet Me`, { name: 'Met', organizationId: target.id });
  assert.equal(moved.status, 200, JSON.stringify(moved.body));
  const gone = await read(alone);
  assert.deepEqual([gone.organizationId, gone.contractedServices], [target.id, { met: '1' }]);
  assert.equal(gone.usageLevels?.met?.minutes?.consumed, 3);
  const stayed = await read(both);
  assert.deepEqual([stayed.organizationId, stayed.contractedServices, stayed.subscriptionPlans], [id, { drive: '1' }, { drive: 'BASIC' }]);
  assert.equal(stayed.usageLevels?.['meet me'], undefined);
});

test('space:19 space:18 archiving moves the contracts of the version to the fallback, checked before anything happens', async () => {
  const { rest } = await organizationWith('Zoom', 'Drive');
  const one = await created(rest, { services: { Zoom: '1', Drive: '1' }, billingPeriod: { autoRenew: true, renewalDays: 365 } });
  const at = `/contracts/${one.userContact?.userId}`;
  await rest.put(`${at}/usageLevels`, { zoom: { minutes: 9 }, drive: { minutes: 9 } });
  refused(await rest.put('/services/Zoom/pricings/1'), 400, /^You cannot archive the last active pricing for service Zoom$/);
  assert.equal((await rest.upload('/services/Zoom/pricings', metered('Zoom', '2', '2024-06-01'))).status, 201);
  assert.equal((await rest.upload('/services/Zoom/pricings', metered('Zoom', '3', '2024-07-01'))).status, 201);
  refused(await rest.put('/services/Zoom/pricings/1'), 400, /fallback/);
  refused(await rest.put('/services/Zoom/pricings/1', { subscriptionPlan: 'GOLD' }), 400, /Plan GOLD/);
  refused(await rest.put('/services/Zoom/pricings/9', { subscriptionPlan: 'PRO' }), 404, /^Pricing version 9 not found for service Zoom$/);
  assert.deepEqual((await rest.get('/services/Zoom')).body.archivedPricings, undefined);
  // Nobody has version 2: whatever the fallback says, it is not used.
  assert.equal((await rest.put('/services/Zoom/pricings/2', { subscriptionPlan: 'GOLD' })).status, 200);
  assert.deepEqual((await rest.get('/services/Zoom/novations')).body, []);

  const archived = await rest.put('/services/Zoom/pricings/1', { subscriptionPlan: 'PRO', subscriptionAddOns: { moreMinutes: 3 } });
  assert.equal(archived.status, 200, JSON.stringify(archived.body));
  const { body } = await rest.get(at);
  assert.deepEqual(body.contractedServices, { zoom: '3', drive: '1' });
  assert.deepEqual(body.subscriptionPlans, { zoom: 'PRO', drive: 'BASIC' });
  assert.deepEqual(body.subscriptionAddOns, { zoom: { moreMinutes: 3 } });
  assert.equal(body.usageLevels?.zoom?.minutes?.consumed, 0);
  assert.equal(body.usageLevels?.drive?.minutes?.consumed, 9);
  assert.deepEqual(body.billingPeriod, one.billingPeriod);
  assert.equal(rows({ ...archived, body: body.history as Json }).length, 1);
  const [job] = rows(await rest.get('/services/Zoom/novations'));
  assert.deepEqual([job?.kind, job?.state, job?.total, job?.done], ['fallback', 'done', 1, 1]);
  refused(await rest.get('/services/Nothing/novations'), 404, /NOT FOUND/);
});

test('space:36 with an organization its contracts go, and its users are free to have others', async () => {
  const { rest, id, admin } = await organizationWith('Zoom');
  const { userContact } = await created(rest);
  assert.equal((await admin.delete(`/organizations/${id}`)).status, 204);
  assert.equal((await admin.get(`/contracts/${userContact?.userId}`)).status, 404);
  const { rest: other } = await organizationWith('Zoom');
  await created(other, { userId: String(userContact?.userId) });
});

test('space:36 an organization that is deleted while contracts are made leaves none of them behind', async () => {
  for (let round = 0; round < 10; round += 1) {
    const { id, admin } = await organizationWith('Zoom');
    const users: string[] = [];
    let deleted = false;
    const making = (async () => {
      while (!deleted) {
        const body = contract();
        // With the administrator's key, which does not end with the organization.
        if ((await admin.post(`/organizations/${id}/contracts`, body)).status === 201) users.push(body.userContact.userId);
      }
    })();
    await until('contracts are made', () => users.length >= 2);
    assert.equal((await admin.delete(`/organizations/${id}`)).status, 204);
    deleted = true;
    await making;
    for (const user of users) assert.equal((await admin.get(`/contracts/${user}`)).status, 404, `${user} in round ${round}`);
  }
});

test('a service that is pruned leaves its contracts, which can be novated away from it', async () => {
  const { rest } = await organizationWith('Zoom');
  const { userContact } = await created(rest);
  assert.equal((await rest.delete('/services')).status, 200);
  assert.equal((await rest.get(`/contracts/${userContact?.userId}`)).status, 200);
  assert.equal((await rest.upload('/services', pricing('Other', '1'))).status, 201);
  const next = { contractedServices: { other: '1' }, subscriptionPlans: { other: 'FREE' }, subscriptionAddOns: {} };
  assert.equal((await rest.put(`/contracts/${userContact?.userId}`, next)).status, 200);
});
