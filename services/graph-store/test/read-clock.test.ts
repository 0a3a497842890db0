import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { Lookups } from '../src/postgres/lookups.ts';
import { Reader } from '../src/postgres/read.ts';
import { preparedPool } from './prepared-pool.ts';

test('a read that waits for a position gives up also when the clock is set back meanwhile', async (t) => {
  await using prepared = await preparedPool();
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  let outcome: unknown;
  void new Reader(prepared.pool.sql, new Lookups(prepared.pool)).get('default', { ids: ['nothing'], atLeast: 1_000_000 }).then((read) => {
    outcome = read;
  });
  t.mock.timers.setTime(Date.now() - 3_600_000);
  const detail = 'the position asked for was not reached in time';
  assert.deepEqual(await until('it gives up', () => outcome), { ok: false, failure: { code: 'unavailable', detail } });
});
