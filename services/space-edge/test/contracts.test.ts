import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { metered } from './metered.ts';
import { type Answered, asAdmin, type Json, newOrganization, pricing, Rest, type System, startSystem } from './system.ts';

let system: System;
let url: string;
before(async () => {
  system = await startSystem();
  url = system.space.url;
});
after(() => system[Symbol.asyncDispose]());

const DAY = 86_400_000;
const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

function refused({ status, body }: Answered, expected: number, error: RegExp): void {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(String(body.error), error);
}

interface Given {
  readonly userId?: string;
  readonly username?: string;
  readonly groupId?: string;
  readonly services?: Readonly<Record<string, string>>;
  readonly plan?: string;
  readonly addOns?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly billingPeriod?: object;
  readonly organizationId?: string;
}

/** The body of a new contract. */
function contract({
  userId = `user-${hex(6)}`,
  username = 'ann',
  services = { Zoom: '1' },
  plan = 'BASIC',
  addOns = {},
  ...rest
}: Given = {}) {
  return {
    userContact: { userId, username, email: 'ann@example.org' },
    contractedServices: services,
    subscriptionPlans: Object.fromEntries(Object.keys(services).map((name) => [name, plan])),
    subscriptionAddOns: addOns,
    ...rest,
  };
}

async function organizationWith(...services: string[]) {
  const organization = await newOrganization(url);
  for (const name of services) assert.equal((await organization.rest.upload('/services', metered(name, '1'))).status, 201);
  return organization;
}

const created = async (rest: Rest, given: Given = {}): Promise<Json> => {
  const made = await rest.post('/contracts', contract(given));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
};

const rows = ({ body }: Answered): readonly Json[] => body as unknown as readonly Json[];

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
  const post = (given: Given) => rest.post('/contracts', contract(given));
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

test('space:36 with an organization its contracts go, and its users are free to have others', async () => {
  const { rest, id, admin } = await organizationWith('Zoom');
  const { userContact } = await created(rest);
  assert.equal((await admin.delete(`/organizations/${id}`)).status, 204);
  assert.equal((await admin.get(`/contracts/${userContact?.userId}`)).status, 404);
  const { rest: other } = await organizationWith('Zoom');
  await created(other, { userId: String(userContact?.userId) });
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
