/** Many contracts: groups, lists, and who may do what with them. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { created, organizationWith, rows } from './contracts-scene.ts';
import { hex, refused, url } from './rest-scene.ts';
import { asAdmin, type Json, Rest } from './system.ts';

test('space:29 groups are novated and billed together, within an organization or by an administrator everywhere', async () => {
  const [one, two] = [await organizationWith('Zoom', 'Drive'), await organizationWith('Zoom', 'Drive')];
  const groupId = `group-${hex(4)}`;
  for (const { rest } of [one, one, two]) await created(rest, { groupId });
  await created(one.rest, { groupId: 'another' });
  const next = { contractedServices: { drive: '1' }, subscriptionPlans: { drive: 'PRO' }, subscriptionAddOns: {} };
  const novated = await one.rest.put(`/contracts?groupId=${groupId}`, next);
  assert.equal(novated.status, 200, JSON.stringify(novated.body));
  assert.deepEqual(
    rows(novated).map((each) => [
      each.groupId,
      each.organizationId,
      each.contractedServices?.drive,
      each.usageLevels?.drive?.minutes?.consumed,
    ]),
    Array.from({ length: 2 }, () => [groupId, one.id, '1', 0]),
  );
  const untouched = async () => rows(await two.rest.get('/contracts')).map((each) => each.contractedServices);
  assert.deepEqual(await untouched(), [{ zoom: '1' }]);
  refused(await one.rest.put('/contracts', next), 400, /^Missing groupId query parameter$/);
  refused(await one.rest.put('/contracts?groupId=none', next), 404, /No contracts found with groupId none/);
  refused(await one.rest.put(`/contracts?groupId=${groupId}`, {}), 422, /required/);
  refused(await one.rest.put(`/contracts?groupId=${groupId}`, { ...next, subscriptionPlans: { drive: 'GOLD' } }), 404, /Plan GOLD/);

  const billed = await one.rest.put(`/contracts/billingPeriod?groupId=${groupId}`, { autoRenew: true, renewalDays: 9 });
  assert.deepEqual(
    rows(billed).map((each) => [each.billingPeriod?.autoRenew, each.billingPeriod?.renewalDays]),
    [
      [true, 9],
      [true, 9],
    ],
  );
  refused(await one.rest.put('/contracts/billingPeriod?groupId=none', { autoRenew: true }), 404, /groupId none not found/);
  refused(
    await one.rest.put(`/contracts/billingPeriod?groupId=${groupId}`, { endDate: '2001-01-01' }),
    400,
    /End date cannot be before the start date/,
  );
  refused(await one.rest.put('/contracts/billingPeriod', { autoRenew: true }), 400, /Missing groupId/);

  const everywhere = await one.admin.put(`/contracts?groupId=${groupId}`, next);
  assert.equal(everywhere.status, 200, JSON.stringify(everywhere.body));
  assert.deepEqual(new Set(rows(everywhere).map((each) => each.organizationId)), new Set([one.id, two.id]));
  assert.deepEqual(await untouched(), [{ drive: '1' }]);
});

test('two changes of a large group at once change each contract once, and leave one subscription', { timeout: 120_000 }, async () => {
  const { rest } = await organizationWith('Zoom', 'Drive');
  const groupId = `group-${hex(4)}`;
  const waiting = Array.from({ length: 250 }).values();
  const make = async (): Promise<void> => {
    for (const _ of waiting) await created(rest, { groupId });
  };
  await Promise.all(Array.from({ length: 16 }, make));
  const to = (service: string) => ({
    contractedServices: { [service]: '1' },
    subscriptionPlans: { [service]: 'PRO' },
    subscriptionAddOns: {},
  });
  const changed = await Promise.all(['zoom', 'drive'].map((service) => rest.put(`/contracts?groupId=${groupId}`, to(service))));
  for (const { status, body } of changed) assert.equal(status, 200, JSON.stringify(body));
  const subscriptions = new Set<string>();
  for (const page of [1, 2, 3]) {
    const listed = rows(await rest.get(`/contracts?limit=100&page=${page}`));
    assert.equal(listed.length, page < 3 ? 100 : 50);
    for (const { contractedServices, history } of listed) {
      subscriptions.add(JSON.stringify(contractedServices));
      assert.equal((history as unknown as readonly Json[]).length, 2);
    }
  }
  assert.equal(subscriptions.size, 1);
});

/** A GET with a body, which fetch does not send. */
function getWith(path: string, key: string, body: object): Promise<readonly Json[]> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { 'x-api-key': key, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const call = request(`${url}/api/v1${path}`, { method: 'GET', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
    });
    call.on('error', reject);
    call.end(text);
  });
}

test('space:29 lists are filtered, sorted and paged, with the whole count in a header', async () => {
  const { rest, id, key, admin } = await organizationWith('Zoom', 'Drive');
  for (const [username, services, plan] of [
    ['Carol', { Zoom: '1' }, 'PRO'],
    ['alice', { Drive: '1' }, 'BASIC'],
    ['Bob.*', { Zoom: '1', Drive: '1' }, 'PRO'],
  ] as const) {
    const addOns = username === 'Carol' ? { zoom: { moreMinutes: 1 } } : {};
    await created(rest, { username, services, plan, addOns, ...(username === 'alice' ? { groupId: 'g' } : {}) });
  }
  const names = async (query: string): Promise<unknown> =>
    rows(await rest.get(`/contracts${query}`)).map((each) => each.userContact?.username);
  assert.deepEqual(await names(''), ['Bob.*', 'Carol', 'alice']);
  assert.deepEqual(await names('?order=desc&limit=2'), ['alice', 'Carol']);
  assert.deepEqual(await names('?limit=1&page=2'), ['Carol']);
  assert.deepEqual(await names('?limit=1&page=1&offset=2'), ['alice']);
  assert.deepEqual(await names('?username=AL'), ['alice']);
  assert.deepEqual(await names('?username=.*'), ['Bob.*']);
  assert.deepEqual(await names('?groupId=g'), ['alice']);
  assert.deepEqual(await names('?email=nobody'), []);
  const paged = await rest.get('/contracts?limit=1');
  assert.equal(paged.headers.get('x-total-count'), '3');
  refused(await rest.get('/contracts?sort=age'), 400, /validation of query params: Invalid sort field/);
  refused(await rest.get('/contracts?order=up&limit=-1'), 400, /Limit must be greater.* \| Invalid order value/);

  const filtered = async (filters: object): Promise<unknown> =>
    (await getWith('/contracts', key, { filters })).map((each) => each.userContact?.username);
  assert.deepEqual(await filtered({ services: ['DRIVE'] }), ['Bob.*', 'alice']);
  assert.deepEqual(await filtered({ services: { zoom: ['1'] } }), ['Bob.*', 'Carol']);
  assert.deepEqual(await filtered({ services: { zoom: ['2'] } }), []);
  assert.deepEqual(await filtered({ services: { zoom: [] } }), ['Bob.*', 'Carol']);
  assert.deepEqual(await filtered({ plans: { Drive: ['basic'] } }), ['alice']);
  assert.deepEqual(await filtered({ addOns: { zoom: ['moreMinutes'] } }), ['Carol']);
  assert.deepEqual(await filtered({ services: 7, plans: 'x' }), ['Bob.*', 'Carol', 'alice']);

  const everywhere = await admin.get('/contracts?limit=100');
  assert.ok(Number(everywhere.headers.get('x-total-count')) >= 3);
  assert.equal(rows(await admin.get(`/organizations/${id}/contracts`)).length, 3);
  assert.equal((await rest.delete('/contracts')).status, 204);
  assert.deepEqual(await names(''), []);
});

test('space:15 space:27 roles and scopes: who may do what with contracts', async () => {
  const { id, admin, rest: all } = await organizationWith('Zoom');
  const stranger = await organizationWith('Zoom');
  const keyOf = async (scope: string): Promise<Rest> => {
    const made = await admin.post(`/organizations/${id}/api-keys`, { scope });
    return new Rest(url, String(rows({ ...made, body: made.body.apiKeys as Json }).at(-1)?.key));
  };
  const userOf = async (role?: string): Promise<Rest> => {
    const username = `user-${hex(4)}`;
    const made = await admin.post('/users', { username, password: 'secret-1', role: 'USER' });
    if (role !== undefined) assert.equal((await admin.post(`/organizations/${id}/members`, { username, role })).status, 200);
    return new Rest(url, String(made.body.apiKey));
  };
  const callers = {
    nobody: new Rest(url),
    all,
    management: await keyOf('MANAGEMENT'),
    evaluation: await keyOf('EVALUATION'),
    admin: (await asAdmin(url)).rest,
    member: { ADMIN: await userOf('ADMIN'), MANAGER: await userOf('MANAGER'), EVALUATOR: await userOf('EVALUATOR') },
    stranger: await userOf(),
    foreign: stranger.rest,
  };
  const userId = `roles-${hex(4)}`;
  await created(all, { userId });
  const next = { contractedServices: { zoom: '1' }, subscriptionPlans: { zoom: 'PRO' }, subscriptionAddOns: {} };
  const bare: readonly (readonly [method: string, path: string, body?: object])[] = [
    ['GET', '/contracts'],
    ['GET', `/contracts/${userId}`],
    ['PUT', `/contracts/${userId}`, next],
    ['PUT', '/contracts?groupId=none', next],
    ['PUT', `/contracts/${userId}/usageLevels`, {}],
    ['PUT', `/contracts/${userId}/userContact`, { firstName: 'A' }],
    ['PUT', `/contracts/${userId}/billingPeriod`, { autoRenew: true }],
    ['PUT', '/contracts/billingPeriod?groupId=none', { autoRenew: true }],
    ['POST', '/contracts', {}],
    ['DELETE', `/contracts/no-${hex(4)}`],
  ];
  const status = async (caller: Rest, [method, path, body]: (typeof bare)[number]): Promise<number> =>
    (await caller.call(method, path, body)).status;
  // In the order of `bare`. What a caller may not do is 401 or 403 before 404 and before the body is looked at.
  const expected: readonly (readonly [who: string, caller: Rest, statuses: readonly number[]])[] = [
    ['nobody', callers.nobody, [401, 401, 401, 401, 401, 401, 401, 401, 401, 401]],
    ['ALL', callers.all, [200, 200, 200, 404, 200, 200, 200, 404, 422, 404]],
    ['MANAGEMENT', callers.management, [200, 200, 200, 404, 200, 200, 200, 404, 422, 403]],
    ['EVALUATION', callers.evaluation, [403, 403, 403, 403, 403, 403, 403, 403, 403, 403]],
    ['an administrator', callers.admin, [200, 200, 200, 404, 200, 200, 200, 404, 422, 404]],
    ['a member', callers.member.ADMIN, [403, 403, 403, 403, 403, 403, 403, 403, 403, 403]],
    ['another organization', callers.foreign, [200, 404, 404, 404, 404, 404, 404, 404, 422, 404]],
  ];
  for (const [who, caller, statuses] of expected) {
    for (const [at, call] of bare.entries()) assert.equal(await status(caller, call), statuses[at], `${who}: ${call[0]} ${call[1]}`);
  }

  const below = `/organizations/${id}/contracts`;
  const scoped: typeof bare = [
    ['GET', below],
    ['GET', `${below}/${userId}`],
    ['PUT', `${below}/${userId}`, next],
    ['PUT', `${below}?groupId=none`, next],
    ['POST', below, {}],
    ['DELETE', `${below}/no-${hex(4)}`],
  ];
  const inside: readonly (readonly [who: string, caller: Rest, statuses: readonly number[]])[] = [
    ['nobody', callers.nobody, [401, 401, 401, 401, 401, 401]],
    ['ALL', callers.all, [403, 403, 403, 403, 403, 403]],
    ['an administrator', callers.admin, [200, 200, 200, 404, 422, 404]],
    ['ADMIN', callers.member.ADMIN, [200, 200, 200, 404, 422, 404]],
    ['MANAGER', callers.member.MANAGER, [200, 200, 200, 404, 422, 403]],
    ['EVALUATOR', callers.member.EVALUATOR, [200, 200, 403, 403, 403, 403]],
    ['a stranger', callers.stranger, [403, 403, 403, 403, 403, 403]],
  ];
  for (const [who, caller, statuses] of inside) {
    for (const [at, call] of scoped.entries()) assert.equal(await status(caller, call), statuses[at], `${who}: ${call[0]} ${call[1]}`);
  }
  assert.equal((await callers.admin.get(`/organizations/${'0'.repeat(24)}/contracts`)).status, 404);
  assert.equal((await callers.stranger.delete(below)).status, 403);
  assert.equal((await callers.member.MANAGER.delete(below)).status, 403);
  assert.equal((await callers.member.ADMIN.delete(below)).status, 204);
});
