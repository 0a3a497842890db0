import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contract } from '../../contracts/contract.ts';
import { got } from '../../protocol/answer.ts';
import { SubscriptionCache } from './subscriptions.ts';

const contract = (elementVersion: number, endDate: number, levels: number): Contract => ({
  id: 'c',
  elementVersion,
  userId: 'ada',
  organizationId: 'o',
  userContact: { userId: 'ada', username: 'ada' },
  billingPeriod: { startDate: 0, endDate, autoRenew: false, renewalDays: 30 },
  contractedServices: {},
  subscriptionPlans: {},
  subscriptionAddOns: {},
  offers: {},
  terms: 1,
  history: [],
  usage: { id: 'c.usage', elementVersion: levels, terms: 1, consumed: {}, renewals: {} },
});

test('a consumption that was decided before the contract changed does not bring the earlier contract back', async () => {
  let stored = contract(1, 9000, 1);
  const cache = new SubscriptionCache({
    contracts: { current: async () => got(stored) },
    pricings: { get: async () => got(new Map()) },
    following: { live: true, follow: () => {} },
    now: () => 1000,
    maxBytes: 1_000_000,
  });
  const before = await cache.find('ada', 'o');
  assert.ok(before.ok);
  stored = contract(2, 5000, 1);
  await cache.find('ada', 'o', true);
  // The consumption began with the earlier contract, whose terms are the same, and is written after its change.
  stored = contract(2, 5000, 2);
  cache.update(before.value, contract(1, 9000, 2));
  const after = await cache.find('ada', 'o');
  assert.ok(after.ok);
  assert.deepEqual([after.value.until, after.value.contract.usage.elementVersion], [5000, 2]);
});
