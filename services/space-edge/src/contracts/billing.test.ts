import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isExpired, newPeriod, renewedPeriod } from './billing.ts';

const DAY = 86_400_000;

test('space:34 a period ends after its days', () => {
  assert.deepEqual(newPeriod(1000, true, 30), { startDate: 1000, endDate: 1000 + 30 * DAY, autoRenew: true, renewalDays: 30 });
});

test('space:34 a contract that renews itself is extended by whole renewals until it ends after now', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 0, max: 4000 * DAY }), (renewalDays, late) => {
      const period = newPeriod(0, true, renewalDays);
      const now = period.endDate + 1 + late;
      assert.equal(isExpired(period, now), true);
      const renewed = renewedPeriod(period, now);
      assert.equal(isExpired(renewed, now), false);
      assert.ok(renewed.endDate - now < renewalDays * DAY);
      assert.equal((renewed.endDate - period.endDate) % (renewalDays * DAY), 0);
      assert.equal(renewed.startDate, period.startDate);
    }),
  );
});
