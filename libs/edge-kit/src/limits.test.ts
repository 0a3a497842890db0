import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Budget, defaultLimits, limits } from './limits.ts';

test('an edge overrides limits by value and keeps the other defaults', () => {
  assert.deepEqual(limits({ maxInFlight: 3 }), { ...defaultLimits, maxInFlight: 3 });
});

test('a budget never lets more through than its rate and one burst, whatever the timing', () => {
  const steps = fc.array(fc.record({ after: fc.integer({ min: 0, max: 500 }), cost: fc.integer({ min: 1, max: 20 }) }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const budget = new Budget(100, 0);
      let at = 0;
      let passed = 0;
      for (const { after, cost } of taken) {
        at += after;
        const waitMs = budget.take(cost, at);
        passed += cost;
        // Who is told to wait does so.
        at += waitMs;
        assert.ok(passed <= 200 + (at * 100) / 1000 + 1e-6, `${passed} by ${at} ms`);
      }
    }),
  );
});

test('a budget that was used up is whole again after two seconds of silence', () => {
  const budget = new Budget(10, 0);
  assert.equal(budget.take(20, 0), 0);
  assert.equal(budget.take(1, 0), 100);
  assert.equal(budget.take(19, 3000), 0);
  assert.equal(budget.take(2, 3000), 100);
});
