/** A contract from its creation to its end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { type ContractOptions, contract, created, DAY, organizationWith, rows } from './contracts-scene.ts';
import { metered } from './metered.ts';
import { hex, refused, url } from './rest-scene.ts';
import { type Answered, type Json, newOrganization } from './system.ts';

test('space:27 space:41 a contract is made with its levels, shown without further keys, and deleted', async () => {
  const { rest, id } = await organizationWith('Zoom');
  const before = Date.now();
  const made = await created(rest, {
    userId: `first-${hex(4)}`,
    services: { ZOOM: '1' },
    plan: 'pro',
    addOns: { zoom: { moreMinutes: 2 } },
  });
  assert.deepEqual(Object.keys(made).sort(), [
    'billingPeriod',
    'contractedServices',
    'history',
    'id',
    'organizationId',
    'subscriptionAddOns',
    'subscriptionPlans',
    'usageLevels',
    'userContact',
  ]);
  assert.match(String(made.id), /^[0-9a-f]{24}$/);
  assert.equal(made.organizationId, id);
  assert.deepEqual(made.contractedServices, { zoom: '1' });
  assert.deepEqual(made.subscriptionPlans, { zoom: 'pro' });
  assert.deepEqual(made.subscriptionAddOns, { zoom: { moreMinutes: 2 } });
  assert.deepEqual(made.history, []);
  const levels = made.usageLevels?.zoom;
  assert.deepEqual(Object.keys(levels ?? {}).sort(), ['minutes', 'rooms']);
  assert.deepEqual(levels?.rooms, { consumed: 0 });
  assert.ok(Date.parse(String(levels?.minutes?.resetTimeStamp)) > before + 27 * DAY);
  const { startDate, endDate, autoRenew, renewalDays } = made.billingPeriod ?? {};
  assert.deepEqual([autoRenew, renewalDays], [false, 30]);
  assert.equal(Date.parse(String(endDate)) - Date.parse(String(startDate)), 30 * DAY);

  const at = `/contracts/${made.userContact?.userId}`;
  assert.deepEqual((await rest.get(at)).body, made);
  assert.equal((await rest.delete(at)).status, 204);
  refused(await rest.get(at), 404, /^Contract with userId first-\w+ not found$/);
  refused(await rest.delete(at), 404, /not found/);
  // The name is free again.
  await created(rest, { userId: String(made.userContact?.userId) });
});

test('space:27 problems of a new contract are answered as SPACE answers them', async () => {
  const { rest, admin, id } = await organizationWith('Zoom', 'Drive');
  const taken = await created(rest);
  const other = await newOrganization(url);
  const post = (given: ContractOptions) => rest.post('/contracts', contract(given));
  refused(await post({ userId: String(taken.userContact?.userId) }), 409, /^CONFLICT: Contract for user \S+ already exists$/);
  refused(await other.rest.post('/contracts', contract({ userId: String(taken.userContact?.userId), services: {} })), 409, /CONFLICT/);
  refused(await post({ organizationId: other.id }), 403, /^PERMISSION ERROR: Organization ID mismatch$/);
  refused(await post({ services: { Nothing: '1' } }), 400, /^Invalid contract: Services not found: nothing$/);
  refused(await post({ services: {} }), 400, /^Invalid contract: Services not found/);
  refused(await post({ services: { Zoom: '9.9' } }), 400, /^Invalid contract: Pricing version 9.9 for service zoom not found$/);
  refused(await post({ plan: 'GOLD' }), 400, /^Invalid subscription: Error: Plan GOLD for service zoom not found/);
  refused(
    await post({ plan: 'BASIC', addOns: { zoom: { moreMinutes: 1 } } }),
    400,
    /^Invalid subscription: .*not available for plan BASIC/,
  );
  refused(await rest.post('/contracts', { userContact: { userId: '' } }), 422, /cannot be empty/);
  refused(await admin.post('/contracts', contract()), 400, /^INVALID DATA: Organization ID is required/);
  assert.equal((await admin.post('/contracts', contract({ organizationId: id }))).status, 201);
  assert.equal((await admin.post(`/organizations/${id}/contracts`, contract())).status, 201);
  // Only active versions can be contracted anew.
  assert.equal((await rest.upload('/services/Zoom/pricings', metered('Zoom', '2', '2024-06-01'))).status, 201);
  assert.equal((await rest.put('/services/Zoom/pricings/1?availability=archived', { subscriptionPlan: 'BASIC' })).status, 200);
  refused(await post({}), 400, /Pricing version 1 for service zoom not found/);
  assert.equal((await rest.delete('/services/Drive')).status, 204);
  refused(await post({ services: { Drive: '1' } }), 400, /Services not found: drive/);
});

test('space:27 a novation changes the subscription, keeps its history and its levels, and begins a new period', async () => {
  const { rest } = await organizationWith('Zoom', 'Drive');
  const { userContact, billingPeriod } = await created(rest, { billingPeriod: { autoRenew: true, renewalDays: 365 } });
  const at = `/contracts/${userContact?.userId}`;
  await rest.put(`${at}/usageLevels`, { Zoom: { minutes: 7 } });
  const next = {
    contractedServices: { Zoom: '1', DRIVE: '1' },
    subscriptionPlans: { zoom: 'PRO', drive: 'BASIC' },
    subscriptionAddOns: { Zoom: {} },
  };
  const novated = await rest.put(at, next);
  assert.equal(novated.status, 200, JSON.stringify(novated.body));
  const { body } = novated;
  assert.deepEqual(body.contractedServices, { zoom: '1', drive: '1' });
  assert.deepEqual(body.subscriptionPlans, { zoom: 'PRO', drive: 'BASIC' });
  assert.equal(body.usageLevels?.zoom?.minutes?.consumed, 7);
  assert.equal(body.usageLevels?.drive?.minutes?.consumed, 0);
  assert.deepEqual([body.billingPeriod?.autoRenew, body.billingPeriod?.renewalDays], [true, 365]);
  assert.ok(String(body.billingPeriod?.startDate) >= String(billingPeriod?.startDate));
  assert.equal(rows({ ...novated, body: body.history as Json }).length, 1);
  const [entry] = rows({ ...novated, body: body.history as Json });
  assert.deepEqual(Object.keys(entry ?? {}).sort(), [
    'contractedServices',
    'endDate',
    'startDate',
    'subscriptionAddOns',
    'subscriptionPlans',
  ]);
  assert.equal(entry?.startDate, billingPeriod?.startDate);
  assert.equal(entry?.endDate, body.billingPeriod?.startDate);
  assert.deepEqual(entry?.subscriptionPlans, { zoom: 'BASIC' });

  refused(await rest.put('/contracts/nobody', next), 404, /not found/);
  refused(await rest.put(at, {}), 422, /contractedServices field is required/);
  const put = (change: object) => rest.put(at, { ...next, ...change });
  refused(
    await put({ contractedServices: { Zoom: '7' } }),
    404,
    /^Pricing version 7 for service zoom not found in the request organization$/,
  );
  refused(await put({ subscriptionPlans: { zoom: 'GOLD', drive: 'PRO' } }), 404, /^Plan GOLD/);
  refused(await put({ subscriptionPlans: { zoom: 'PRO', sun: 'PRO' } }), 404, /^NOT FOUND: Service with name sun/);
  refused(await put({ subscriptionAddOns: { zoom: { moreMinutes: 0 } } }), 400, /^Invalid subscription: .*quantity 0 is not valid/);
  assert.deepEqual((await rest.get(at)).body, body);
});

test('space:27 two novations at once never mix: one follows the other', async () => {
  const { rest } = await organizationWith('Zoom', 'Drive');
  const at = `/contracts/${(await created(rest)).userContact?.userId}`;
  const of = (service: string, plan: string) => ({
    contractedServices: { [service]: '1' },
    subscriptionPlans: { [service]: plan },
    subscriptionAddOns: {},
  });
  const wanted = [of('Zoom', 'PRO'), of('Drive', 'BASIC'), of('Drive', 'PRO'), of('Zoom', 'BASIC')];
  const answers = await Promise.all([...wanted, ...wanted].map((body) => rest.put(at, body)));
  for (const { status, body } of answers) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(Object.keys(body.contractedServices ?? {}), Object.keys(body.subscriptionPlans ?? {}));
  }
  const { body } = await rest.get(at);
  const history = rows({ status: 200, headers: new Headers(), body: body.history as Json });
  assert.equal(history.length, answers.length);
  const counted = [...history, body]
    .slice(1)
    .map((each) => JSON.stringify(each.subscriptionPlans))
    .toSorted();
  assert.deepEqual(
    counted,
    [...wanted, ...wanted]
      .map((each) =>
        JSON.stringify(each.subscriptionPlans)
          .toLowerCase()
          .replace(/basic|pro/, (plan) => plan.toUpperCase()),
      )
      .toSorted(),
  );
});

test('space:28 usage levels: increments add up however many come at once, resets take all, the renewable ones or one', async () => {
  const { rest } = await organizationWith('Zoom', 'Drive');
  const made = await created(rest, { services: { Zoom: '1', Drive: '1' } });
  const at = `/contracts/${made.userContact?.userId}/usageLevels`;
  const added = await Promise.all(
    Array.from({ length: 20 }, () => rest.put(at, { Zoom: { minutes: 2, rooms: 1 }, drive: { 'drive-rooms': 3 } })),
  );
  for (const { status, body } of added) assert.equal(status, 200, JSON.stringify(body));
  const consumed = ({ body }: Answered) => {
    const { zoom, drive } = body.usageLevels ?? {};
    return [zoom?.minutes?.consumed, zoom?.rooms?.consumed, drive?.minutes?.consumed, drive?.rooms?.consumed];
  };
  const read = () => rest.get(at.replace('/usageLevels', ''));
  assert.deepEqual(consumed(await read()), [40, 20, 0, 60]);
  assert.deepEqual(consumed(await rest.put(at, { zoom: { minutes: -5, nothing: 3, seats: 1 } })), [35, 20, 0, 60]);
  refused(await rest.put(at, { sun: { minutes: 1 } }), 400, /Service sun is not part of the contract/);
  refused(await rest.put(at, { zoom: 5 }), 422, /Record<string, Record<string, number>>/);
  refused(await rest.put(`${at}?reset=true&usageLimit=rooms`), 400, /^Invalid query: Both reset and usageLimit/);
  for (const twice of ['reset', 'usageLimit'])
    refused(
      await rest.put(`${at}?${twice}=true&${twice}=true`, { zoom: { minutes: 1 } }),
      400,
      new RegExp(`^Invalid query: ${twice} is given more than once$`),
    );
  refused(await rest.put(`${at}?usageLimit=seats`), 404, /Usage limit: seats not found in the contract/);
  refused(await rest.put('/contracts/nobody/usageLevels', {}), 404, /not found/);

  const reset = await rest.put(`${at}?reset=true`);
  assert.deepEqual(consumed(reset), [0, 20, 0, 60]);
  const stamps = [made, reset.body].map((body) => Date.parse(String(body.usageLevels?.zoom?.minutes?.resetTimeStamp)));
  assert.ok((stamps[1] ?? 0) >= (stamps[0] ?? 0) + 28 * DAY);
  assert.deepEqual(consumed(await rest.put(`${at}?usageLimit=rooms`)), [0, 0, 0, 0]);
  await rest.put(at, { zoom: { rooms: 4, minutes: 4 } });
  assert.deepEqual(consumed(await rest.put(`${at}?reset=true&renewableOnly=false`)), [0, 0, 0, 0]);
});

test('space:29 contact and billing period of one contract', async () => {
  const { rest } = await organizationWith('Zoom');
  const { userContact, billingPeriod } = await created(rest);
  const at = `/contracts/${userContact?.userId}`;
  const contact = await rest.put(`${at}/userContact`, { lastName: 'Lee', email: 'lee@example.org', userId: 'somebody-else', phone: null });
  assert.deepEqual(contact.body.userContact, { ...userContact, lastName: 'Lee', email: 'lee@example.org' });
  refused(await rest.put(`${at}/userContact`, {}), 422, /The body cannot be empty/);
  refused(await rest.put('/contracts/nobody/userContact', { firstName: 'A' }), 404, /not found/);
  const endDate = new Date(Date.now() + 400 * DAY).toISOString();
  const changed = await rest.put(`${at}/billingPeriod`, { endDate, autoRenew: true, renewalDays: 7 });
  assert.deepEqual(changed.body.billingPeriod, { startDate: billingPeriod?.startDate, endDate, autoRenew: true, renewalDays: 7 });
  refused(await rest.put(`${at}/billingPeriod`, { endDate: '2001-01-01' }), 400, /End date cannot be before the start date/);
  refused(await rest.put(`${at}/billingPeriod`, { autoRenew: 'x' }), 422, /autoRenew/);
  refused(await rest.put('/contracts/nobody/billingPeriod', { autoRenew: true }), 404, /not found/);
});

test('space:34 an expired contract is 400, one that renews itself continues; a due level is zero', async () => {
  const { rest } = await newOrganization(url);
  const brief = metered('Brief', '1').replace('value: 1, unit: MONTH', 'value: 1, unit: SEC');
  assert.equal((await rest.upload('/services', brief)).status, 201);
  const { userContact, billingPeriod, usageLevels } = await created(rest, { services: { Brief: '1' } });
  const [at, features] = [`/contracts/${userContact?.userId}`, `/features/${userContact?.userId}`];
  await rest.put(`${at}/usageLevels`, { brief: { minutes: 5, rooms: 1 } });
  await until('the level was reset', async () => {
    const { body } = await rest.post(`${features}/brief-calls`);
    return Number(body.used?.['brief-minutes']) === 0;
  });
  const { brief: levels } = (await rest.get(at)).body.usageLevels ?? {};
  assert.deepEqual([levels?.minutes?.consumed, levels?.rooms?.consumed], [0, 1]);
  const passed = Date.parse(String(levels?.minutes?.resetTimeStamp)) - Date.parse(String(usageLevels?.brief?.minutes?.resetTimeStamp));
  assert.ok(passed > 0 && passed % 1000 === 0, `the next reset is in the rhythm of the first: ${passed}`);

  const end = Date.parse(String(billingPeriod?.startDate)) + 1;
  assert.equal((await rest.put(`${at}/billingPeriod`, { endDate: new Date(end).toISOString() })).status, 200);
  refused(await rest.post(features), 400, /^Invalid subscription: Your susbcription has expired and it is not set to renew automatically/);
  assert.equal((await rest.get(at)).status, 200);
  assert.equal((await rest.put(`${at}/billingPeriod`, { autoRenew: true })).status, 200);
  assert.equal((await rest.post(features)).status, 200);
  const renewed = Date.parse(String((await rest.get(at)).body.billingPeriod?.endDate));
  assert.ok(renewed > Date.now());
  assert.equal((renewed - end) % (30 * DAY), 0);
});
