import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed } from '@polyedge/contracts/errors';
import { Refreshed } from './logins.ts';

test('a refresh is repeated for a minute, not for longer or shorter when the clock is set', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const refreshed = new Refreshed();
  refreshed.keep('token', failed('internal'));
  t.mock.timers.setTime(Date.now() + 3_600_000);
  assert.deepEqual(refreshed.get('token'), failed('internal'));
  const { now } = performance;
  t.mock.method(performance, 'now', () => now.call(performance) + 60_000);
  t.mock.timers.setTime(Date.now() - 7_200_000);
  assert.equal(refreshed.get('token'), undefined);
});
