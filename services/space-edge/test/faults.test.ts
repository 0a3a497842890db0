import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { archiveUnderFire, rows } from './archiving.ts';
import { consumeUnderFire } from './exactness.ts';
import { type Json, type System, startSystem } from './system.ts';

let system: System;
before(async () => {
  system = await startSystem();
});
after(() => system[Symbol.asyncDispose]());

const USERS = 220;

test('space:31 consumption of two limits at once is exact on two replicas, also while graph-store and an edge are killed', async () => {
  const load = { clients: 16, users: 3, evaluations: 360, limit: 80, killEvery: 120, random: Math.random };
  const { allowed, refused, lost, kills, consumed } = await consumeUnderFire(system, load);
  assert.equal(kills, 2);
  assert.equal(allowed + refused + lost, load.evaluations);
  // More was asked for than there is: the limits are reached, to the last unit.
  assert.equal(consumed, load.users * load.limit);
});

test('space:19 archiving moves every contract, even if the edge that does it dies: another one continues, and reports the progress', async () => {
  const { rest: there } = await archiveUnderFire(system, { contracts: USERS, killsStore: false });

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
