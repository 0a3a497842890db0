/** What a subscription allows, over HTTP: evaluation, consumption, tokens, and the calls of those who run the system. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { RunningService } from '@polyedge/testkit/servers/service';
import { until } from '@polyedge/testkit/until';
import { SpaceClient } from 'space-node-client';
import { tokenKey } from '../src/protocol/pricing-token.ts';
import { type Answered, asAdmin, newOrganization, pricing, pricingFile, Rest, type System, startSystem } from './system.ts';

const SECRET = 'the secret of pricing tokens';

let system: System;
let other: RunningService;
/** The same organization on two replicas. */
let rest: Rest;
let onOther: Rest;
let organization: Awaited<ReturnType<typeof newOrganization>>;

before(async () => {
  system = await startSystem({
    SPACE_JWT_SECRET: SECRET,
    SPACE_JWT_SALT: 'salt',
    SPACE_JWT_EXPIRATION: '10m',
    SPACE_ANALYTICS_FLUSH_MS: '200',
  });
  // Keeps to SPACE's own table of scopes, and stores what it counts when it ends.
  other = await system.startSpace({ SPACE_STRICT_SCOPES: 'true', SPACE_ANALYTICS_FLUSH_MS: '10m' });
  organization = await newOrganization(system.space.url);
  rest = organization.rest;
  onOther = new Rest(other.url, organization.key);
  expect(201, await rest.upload('/services', pricingFile('gantry')));
});

after(async () => system[Symbol.asyncDispose]());

function expect(status: number, answered: Answered): Answered {
  assert.equal(answered.status, status, JSON.stringify(answered.body));
  return answered;
}

let users = 0;
async function subscribe(plan = 'CREW', addOns: Readonly<Record<string, number>> = {}, more: object = {}): Promise<string> {
  users += 1;
  const userId = `user-${users}`;
  expect(
    201,
    await rest.post('/contracts', {
      userContact: { userId, username: userId },
      contractedServices: { Gantry: '1.0' },
      subscriptionPlans: { Gantry: plan },
      subscriptionAddOns: { Gantry: addOns },
      ...more,
    }),
  );
  return userId;
}

const consumed = async (userId: string, on = rest): Promise<Record<string, number>> => {
  const { body } = expect(200, await on.get(`/contracts/${userId}`));
  const levels = Object.entries(body.usageLevels?.gantry ?? {});
  return Object.fromEntries(levels.map(([limit, level]) => [limit, Number(level.consumed)]));
};

test('space:30 all features of a user, plainly and with details', async () => {
  const userId = await subscribe('YARD', { phone: 1, moreBoards: 2 });
  assert.deepEqual(expect(200, await rest.post(`/features/${userId}`)).body, {
    'gantry-boards': true,
    'gantry-exports': true,
    'gantry-calendar': true,
    'gantry-help': true,
  });
  const free = await subscribe('crew');
  assert.deepEqual(expect(200, await rest.post(`/features/${free}?details=true`, {})).body, {
    'gantry-boards': { eval: true, limit: { 'gantry-maxBoards': 3 }, used: { 'gantry-maxBoards': 0 }, error: null },
    'gantry-exports': {
      eval: true,
      limit: { 'gantry-maxExports': 100, 'gantry-maxBoards': 3 },
      used: { 'gantry-maxExports': 0, 'gantry-maxBoards': 0 },
      error: null,
    },
    'gantry-calendar': { eval: false, limit: null, used: null, error: null },
    'gantry-help': { eval: false, limit: null, used: null, error: null },
  });
});

test('space:30 errors of an evaluation come with 200, those of a request do not', async () => {
  const userId = await subscribe();
  const code = async (path: string, body?: unknown) => expect(200, await rest.post(`/features/${userId}/${path}`, body)).body.error?.code;
  assert.equal(await code('gantry-nothing'), 'FLAG_NOT_FOUND');
  assert.equal(await code('calendar'), 'FLAG_NOT_FOUND');
  assert.equal(await code('gantry-manual'), 'PARSE_ERROR');
  assert.equal(await code('gantry-exports', { 'gantry-maxExports': 1 }), 'INVALID_EXPECTED_CONSUMPTION');
  assert.match(String(expect(404, await rest.post('/features/nobody')).body.error), /not found/);
  expect(404, await rest.post('/features/nobody/gantry-boards'));
  expect(404, await rest.post('/features/evaluate', { 'gantry-maxBoards': 1 }));
  expect(422, await rest.post(`/features/${userId}/gantry-boards`, { 'gantry-maxBoards': 'one' }));
  expect(422, await rest.post(`/features/nobody/gantry-boards`, [1]));
  const foreign = await newOrganization(system.space.url);
  expect(404, await foreign.rest.post(`/features/${userId}`));
  const over = await subscribe('CREW', {}, { billingPeriod: { autoRenew: false, renewalDays: 1 } });
  expect(200, await rest.put(`/contracts/${over}/billingPeriod`, { endDate: new Date().toISOString() }));
  await until('the contract is over', async () => (await rest.post(`/features/${over}`)).status === 400);
  assert.match(String(expect(400, await rest.post(`/features/${over}/gantry-boards`, {})).body.error), /^Invalid subscription/);
});

test('space:31 consumption: current level decides, several limits go together, 0 costs nothing', async () => {
  const userId = await subscribe();
  const evaluate = async (feature: string, body: object, query = '') =>
    expect(200, await rest.post(`/features/${userId}/gantry-${feature}${query}`, body)).body;
  assert.deepEqual(await evaluate('boards', { 'gantry-maxBoards': 2 }), {
    eval: true,
    limit: { 'gantry-maxBoards': 3 },
    used: { 'gantry-maxBoards': 2 },
    error: null,
  });
  assert.equal((await evaluate('exports', { 'gantry-maxExports': 5, 'gantry-maxBoards': 0 })).eval, true);
  assert.deepEqual(await consumed(userId), { maxBoards: 2, maxExports: 5 });
  assert.equal((await evaluate('exports', { 'gantry-maxExports': 1, 'gantry-maxBoards': 1 })).eval, true);
  // Now the boards are used up, and exports go with them.
  assert.equal((await evaluate('exports', { 'gantry-maxExports': 1, 'gantry-maxBoards': 1 })).eval, false);
  assert.equal((await evaluate('boards', { 'gantry-maxBoards': 1 })).eval, false);
  assert.equal((await evaluate('boards', {}, '?server=true')).eval, true);
  assert.deepEqual(await consumed(userId), { maxBoards: 3, maxExports: 6 });
  // Room that another replica makes is seen by the next consumption, whatever was kept here.
  expect(200, await onOther.put(`/contracts/${userId}/usageLevels`, { gantry: { maxBoards: -1 } }));
  assert.equal((await evaluate('boards', { 'gantry-maxBoards': 1 })).eval, true);
});

test('space:31 64 evaluations of one user at once on two replicas consume exactly what the limit has', async () => {
  const userId = await subscribe();
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, at) =>
      (at % 2 === 0 ? rest : onOther).post(`/features/${userId}/gantry-exports`, { 'gantry-maxExports': 2, 'gantry-maxBoards': 1 }),
    ),
  );
  const allowed = answers.filter((answer) => expect(200, answer).body.eval as unknown as boolean);
  assert.equal(allowed.length, 3);
  assert.deepEqual(await consumed(userId), { maxBoards: 3, maxExports: 6 });
  const used = allowed.map(({ body }) => Number(body.used?.['gantry-maxBoards'])).sort();
  assert.deepEqual(used, [1, 2, 3]);
});

test('space:30 cached data follows every change, on every replica', async () => {
  const userId = await subscribe();
  const boards = async (on: Rest): Promise<unknown> =>
    expect(200, await on.post(`/features/${userId}?details=true`)).body['gantry-boards']?.used?.['gantry-maxBoards'];
  assert.equal(await boards(rest), 0);
  assert.equal(await boards(onOther), 0);
  expect(200, await rest.post(`/features/${userId}/gantry-boards`, { 'gantry-maxBoards': 1 }));
  assert.equal(await boards(rest), 1);
  await until('the other replica shows the level', async () => (await boards(onOther)) === 1);
  expect(
    200,
    await rest.put(`/contracts/${userId}`, {
      contractedServices: { gantry: '1.0' },
      subscriptionPlans: { gantry: 'YARD' },
      subscriptionAddOns: {},
    }),
  );
  await until('both replicas know the new plan', async () => {
    const plans = await Promise.all([rest, onOther].map((on) => on.post(`/features/${userId}/gantry-calendar`)));
    return plans.every(({ body }) => body.eval as unknown as boolean);
  });
});

test('space:32 an evaluation is taken back by its feature, or by the client with everything', async () => {
  const userId = await subscribe('YARD');
  const path = `/features/${userId}/gantry-boards`;
  for (const amount of [2, 3]) expect(200, await rest.post(path, { 'gantry-maxBoards': amount }));
  expect(204, await onOther.post(`${path}?revert=true&latest=true`, {}));
  assert.equal((await consumed(userId)).maxBoards, 2);
  expect(200, await rest.post(path, { 'gantry-maxBoards': 4 }));
  assert.equal(expect(200, await rest.post(`/features/${userId}?revert=true&latest=true`)).body['gantry-boards'] as unknown, true);
  assert.equal((await consumed(userId)).maxBoards, 2);
  expect(204, await rest.post(`${path}?revert=true`));
  assert.equal((await consumed(userId)).maxBoards, 0);
  // Nothing more to take back.
  expect(204, await rest.post(`/features/${userId}/gantry-calendar?revert=true`));
});

test('space:32 what is taken back ends at a reset: the levels before it do not return', async () => {
  const userId = await subscribe('YARD');
  const path = `/features/${userId}/gantry-boards`;
  expect(200, await rest.put(`/contracts/${userId}/usageLevels`, { gantry: { maxBoards: 7 } }));
  expect(200, await rest.post(path, { 'gantry-maxBoards': 2 }));
  expect(200, await rest.put(`/contracts/${userId}/usageLevels?reset=true&renewableOnly=false`));
  expect(204, await rest.post(`${path}?revert=true`));
  assert.equal((await consumed(userId)).maxBoards, 0);
  expect(200, await rest.post(path, { 'gantry-maxBoards': 1 }));
  expect(204, await rest.post(`${path}?revert=true`));
  assert.equal((await consumed(userId)).maxBoards, 0);
});

test('space:33 a pricing token carries everything, is signed with the derived key, and ends with the contract', async () => {
  const userId = await subscribe('YARD');
  const path = `/features/${userId}/pricing-token`;
  const read = (answered: Answered) => {
    const token = String(expect(200, answered).body.pricingToken);
    const [header = '', payload = '', signature] = token.split('.');
    assert.equal(signature, createHmac('sha256', tokenKey(SECRET, 'salt')).update(`${header}.${payload}`).digest('base64url'));
    return JSON.parse(atob(payload));
  };
  const claims = read(await rest.post(path));
  assert.equal(claims.sub, userId);
  assert.equal(claims.exp - claims.iat, 600);
  assert.deepEqual(claims.features, expect(200, await rest.post(`/features/${userId}?details=true`)).body);
  assert.deepEqual(claims.pricingContext.usageLimits, { 'gantry-maxBoards': 1000, 'gantry-maxExports': 100 });
  assert.deepEqual(claims.subscriptionContext, { 'gantry-maxBoards': 0, 'gantry-maxExports': 0 });
  const end = Date.now() + 60_000;
  expect(200, await rest.put(`/contracts/${userId}/billingPeriod`, { endDate: new Date(end).toISOString() }));
  assert.equal(read(await onOther.post(path, {})).exp, Math.floor(end / 1000));
  expect(404, await rest.post('/features/nobody/pricing-token'));
});

test('space:38 features of all pricings, filtered, sorted and paged', async () => {
  const { rest: own } = await newOrganization(system.space.url);
  expect(201, await own.upload('/services', pricingFile('gantry')));
  expect(201, await own.upload('/services', pricing('Gantry Cranes', '7')));
  expect(201, await own.upload('/services/Gantry%20Cranes/pricings', pricing('Gantry Cranes', '8')));
  expect(200, await own.put('/services/Gantry%20Cranes/pricings/7', { subscriptionPlan: 'FREE' }));
  const names = async (query: string) => {
    const { body } = expect(200, await own.get(`/features?${query}`));
    return (body as unknown as { info: { name: string }; service: string; pricingVersion: string }[]).map(
      ({ info, service, pricingVersion }) => `${service} ${pricingVersion} ${info.name}`,
    );
  };
  const gantry = ['boards', 'calendar', 'exports', 'help', 'manual'].map((name) => `Gantry 1.0 ${name}`);
  const cranes = (version: string) => ['chaos', 'mock-interface'].map((name) => `Gantry Cranes ${version} ${name}`);
  assert.deepEqual(await names('sort=serviceName'), [...gantry, ...cranes('8')]);
  assert.deepEqual(await names('show=archived'), cranes('7'));
  assert.deepEqual(await names('show=all&serviceName=CRANES'), [...cranes('7'), ...cranes('8')]);
  assert.deepEqual(await names('featureName=oar'), ['Gantry 1.0 boards']);
  assert.deepEqual(await names('pricingVersion=8&sort=featureName&order=desc'), cranes('8').reverse());
  assert.deepEqual(await names('limit=2&page=2'), gantry.slice(2, 4));
  assert.deepEqual(await names('limit=2&offset=1&nothing=1'), gantry.slice(1, 3));
});

test('space:15 who may evaluate, count and look into the cache', async () => {
  const { rest: admin, key: userKey } = await asAdmin(system.space.url);
  const userId = await subscribe();
  const keyOf = async (scope: string): Promise<string> => {
    const keys = expect(200, await organization.admin.post(`/organizations/${organization.id}/api-keys`, { scope })).body.apiKeys;
    return String(Object.values(keys ?? {}).findLast((key) => String(key.scope) === scope)?.key);
  };
  const keys = {
    none: undefined,
    user: userKey,
    all: organization.key,
    management: await keyOf('MANAGEMENT'),
    evaluation: await keyOf('EVALUATION'),
  };
  const calls = [
    'GET /features',
    `POST /features/${userId}`,
    `POST /features/${userId}/gantry-boards`,
    `POST /features/${userId}/pricing-token`,
    'POST /features/evaluate',
    'PUT /features',
    'DELETE /features/x',
    'GET /analytics/api-calls',
    'GET /cache/get?key=x',
  ];
  const table = async (url: string) =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(keys).map(async ([who, key]) => {
          const caller = new Rest(url, key);
          const statuses = await Promise.all(calls.map((call) => caller.call(...(call.split(' ') as [string, string]))));
          return [who, statuses.map(({ status }) => status)] as const;
        }),
      ),
    );
  const usual = {
    none: [401, 401, 401, 401, 401, 401, 401, 401, 401],
    user: [403, 403, 403, 403, 403, 403, 403, 200, 200],
    all: [200, 200, 200, 200, 404, 404, 404, 200, 403],
    management: [200, 200, 200, 200, 404, 404, 404, 200, 403],
    evaluation: [200, 200, 200, 200, 404, 403, 403, 200, 403],
  };
  assert.deepEqual(await table(system.space.url), usual);
  assert.deepEqual(await table(other.url), { ...usual, evaluation: [200, 403, 403, 403, 404, 403, 403, 200, 403] });
  expect(403, await admin.post(`/features/${userId}`));
});

test('space:39 administrators put values into the cache, and the next one waits until they are over', async () => {
  const { rest: admin } = await asAdmin(system.space.url);
  const { rest: elsewhere } = await asAdmin(other.url);
  assert.equal(expect(200, await admin.get('/cache/get?key=greeting')).body, null);
  expect(200, await admin.post('/cache/set', { key: 'Greeting', value: { hello: ['world'] } }));
  assert.deepEqual(expect(200, await elsewhere.get('/cache/get?key=greeting')).body, { hello: ['world'] });
  expect(409, await elsewhere.post('/cache/set', { key: 'greeting', value: 1 }));
  expect(200, await elsewhere.post('/cache/set', { key: 'greeting', value: { hello: ['world'] }, expirationInSeconds: 0.2 }));
  await until('the value is over', async () => (await admin.get('/cache/get?key=greeting')).body === null);
  expect(200, await elsewhere.post('/cache/set', { key: 'greeting', value: 1 }));
  for (const bad of [{}, { key: 1, value: 1 }, { key: 'x' }, { key: 'x', value: 1, expirationInSeconds: -1 }]) {
    expect(400, await admin.post('/cache/set', bad));
  }
  expect(400, await admin.get('/cache/get'));
});

test('space:31 levels of services and limits with the longest names are counted', async () => {
  const [name, limit] = ['a/'.repeat(127), 'l'.repeat(255)];
  const yaml = pricingFile('zoom').replace('saasName: Zoom', `saasName: "${name}"`).replaceAll('maxMeetings', limit);
  expect(201, await rest.upload('/services', yaml));
  const userId = `user-${randomBytes(4).toString('hex')}`;
  const body = {
    userContact: { userId, username: 'ann' },
    contractedServices: { [name]: '2024' },
    subscriptionPlans: { [name]: 'BASIC' },
    subscriptionAddOns: {},
  };
  expect(201, await rest.post('/contracts', body));
  const path = `/features/${userId}/${encodeURIComponent(`${name}-meetings`)}`;
  assert.deepEqual(expect(200, await rest.post(path, { [`${name}-${limit}`]: 2 })).body.used, { [`${name}-${limit}`]: 2 });
  const levels = expect(200, await rest.put(`/contracts/${userId}/usageLevels`, { [name]: { [limit]: -1 } })).body.usageLevels;
  assert.equal(Number(levels?.[name]?.[limit]?.consumed), 1);
});

test('space:45 the node client evaluates, consumes, reverts and gets tokens', async () => {
  const client = new SpaceClient({ url: system.space.url, apiKey: organization.key });
  const userId = await subscribe();
  const { features } = client;
  assert.equal((await features.evaluate(userId, 'gantry-boards')).eval, true);
  assert.equal((await features.evaluate(userId, 'gantry-boards', { 'gantry-maxBoards': 2 })).used?.['gantry-maxBoards'], 2);
  assert.equal(await features.revertEvaluation(userId, 'gantry-boards'), true);
  assert.equal((await consumed(userId)).maxBoards, 0);
  assert.equal((await features.generateUserPricingToken(userId)).split('.').length, 3);
  client.disconnect();
});

test('space:39 calls and evaluations of seven days, over all replicas, also of one that ended', async () => {
  const userId = await subscribe();
  const week = async (metric: string): Promise<{ labels: string[]; data: number[] }> =>
    expect(200, await rest.get(`/analytics/${metric}`)).body as never;
  const today = async (metric: string): Promise<number> => (await week(metric)).data.at(-1) ?? 0;
  // Asked, the other replica stores what it has counted in the tests above.
  expect(200, await onOther.get('/analytics/evaluations'));
  const [calls, evaluations] = [await today('api-calls'), await today('evaluations')];
  await Promise.all([rest, onOther].flatMap((on) => Array.from({ length: 5 }, () => on.post(`/features/${userId}`))));
  assert.equal(await today('evaluations'), evaluations + 5);
  await other.stop();
  assert.equal(await today('evaluations'), evaluations + 10);
  assert.ok((await today('api-calls')) >= calls + 12);
  const { labels, data } = await week('api-calls');
  assert.deepEqual([labels.length, data.length, data.slice(0, 6)], [7, 7, [0, 0, 0, 0, 0, 0]]);
  assert.ok(labels.every((label) => /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)$/.test(label)));
});
