import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { consumeUnderFire } from './exactness.ts';
import { metered } from './metered.ts';
import { type Json, newOrganization, Rest, type System, startSystem, until } from './system.ts';

let system: System;
before(async () => {
  system = await startSystem();
});
after(() => system[Symbol.asyncDispose]());

const USERS = 220;

const rows = (body: Json): readonly Json[] => body as unknown as readonly Json[];

test('space:31 consumption of two limits at once is exact on two replicas, also while graph-store and an edge are killed', async () => {
  const load = { clients: 16, users: 3, evaluations: 360, limit: 80, killEvery: 120, random: Math.random };
  const { allowed, refused, lost, kills, consumed } = await consumeUnderFire(system, load);
  assert.equal(kills, 2);
  assert.equal(allowed + refused + lost, load.evaluations);
  // More was asked for than there is: the limits are reached, to the last unit.
  assert.equal(consumed, load.users * load.limit);
});

test('space:19 archiving moves every contract, even if the edge that does it dies: another one continues, and reports the progress', async () => {
  const other = await system.startSpace();
  const { rest, key } = await newOrganization(system.space.url);
  const there = new Rest(other.url, key);
  assert.equal((await rest.upload('/services', metered('Zoom', '1'))).status, 201);
  assert.equal((await rest.upload('/services/Zoom/pricings', metered('Zoom', '2', '2024-06-01'))).status, 201);
  const waiting = Array.from({ length: USERS }, (_, number) => `mover-${number}`).values();
  const make = async (): Promise<void> => {
    for (const userId of waiting) {
      const made = await rest.post('/contracts', {
        userContact: { userId, username: userId },
        groupId: 'everybody',
        contractedServices: { Zoom: '1' },
        subscriptionPlans: { Zoom: 'BASIC' },
        subscriptionAddOns: {},
      });
      assert.equal(made.status, 201, JSON.stringify(made.body));
    }
  };
  await Promise.all(Array.from({ length: 16 }, make));

  const job = async (): Promise<Json | undefined> => rows((await there.get('/services/Zoom/novations')).body)[0];
  // Its answer is lost with the edge.
  const archived = rest.put('/services/Zoom/pricings/1', { subscriptionPlan: 'PRO' }).catch(() => undefined);
  await until('the first contracts moved', async () => Number((await job())?.done ?? 0) > 0);
  await system.space.kill();
  await archived;
  await until('all contracts moved', async () => String((await job())?.state) === 'done', 30_000);
  const last = await job();
  assert.deepEqual([last?.kind, last?.total, last?.done], ['fallback', USERS, USERS]);

  let seen = 0;
  for (let page = 1; page <= Math.ceil(USERS / 100); page += 1) {
    const listed = await there.get(`/contracts?limit=100&page=${page}`);
    for (const contract of rows(listed.body)) {
      assert.deepEqual([contract.contractedServices, contract.subscriptionPlans], [{ zoom: '2' }, { zoom: 'PRO' }]);
      assert.equal(rows(contract.history as Json).length, 1);
      seen += 1;
    }
  }
  assert.equal(seen, USERS);

  // A large group changes by a job as well, and is answered when that is done.
  const novated = await there.put('/contracts?groupId=everybody', {
    contractedServices: { Zoom: '2' },
    subscriptionPlans: { Zoom: 'BASIC' },
    subscriptionAddOns: {},
  });
  assert.equal(novated.status, 200, JSON.stringify(novated.body));
  assert.equal(rows(novated.body).length, USERS);
  assert.ok(
    rows(novated.body).every(
      ({ subscriptionPlans, history }) => String(subscriptionPlans?.zoom) === 'BASIC' && rows(history as Json).length === 2,
    ),
  );
});
