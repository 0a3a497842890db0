import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consumeUnderFire } from './exactness.ts';
import { startSystem } from './system.ts';

test('space:31 consumption of two limits at once is exact on two replicas, also while graph-store and an edge are killed', async () => {
  await using system = await startSystem();
  const load = { clients: 16, users: 3, evaluations: 360, limit: 80, killEvery: 120, random: Math.random };
  const { allowed, refused, lost, kills, consumed } = await consumeUnderFire(system, load);
  assert.equal(kills, 2);
  assert.equal(allowed + refused + lost, load.evaluations);
  // More was asked for than there is: the limits are reached, to the last unit.
  assert.equal(consumed, load.users * load.limit);
});
