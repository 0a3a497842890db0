import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailedLogins } from '../src/accounts/failed-logins.ts';
import { preparedPool } from './prepared-pool.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 60_000;

test('after the clock was set, an account that is refused waits no longer than its window, on the replica that refused it and on others', async (t) => {
  await using prepared = await preparedPool();
  const limits = { perAccount: 2, perAddress: 100, windowMs: WINDOW_MS };
  const [one, other] = [new FailedLogins(prepared.pool.sql, limits, 'key'), new FailedLogins(prepared.pool.sql, limits, 'key')];
  const count = (of: FailedLogins) => of.count('somebody', '10.0.0.1', Number.POSITIVE_INFINITY);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  for (const waitMs of [0, 0, WINDOW_MS]) assert.equal(await count(one), waitMs);
  // The first knows it without asking, for some seconds, whatever the clock says.
  for (const hours of [2, -4]) {
    t.mock.timers.setTime(Date.now() + hours * HOUR_MS);
    const waitMs = one.knownWaitMs('somebody', '10.0.0.1');
    assert.ok(waitMs > 0 && waitMs <= WINDOW_MS, `${waitMs}`);
  }
  assert.equal(await count(other), WINDOW_MS);
  t.mock.timers.setTime(Date.now() + WINDOW_MS);
  assert.equal(await count(other), 0);
});
