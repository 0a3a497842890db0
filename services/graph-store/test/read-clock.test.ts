import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import { connect } from '../src/postgres/connect.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { Pool } from '../src/postgres/pool.ts';
import { Reader } from '../src/postgres/read.ts';

test('a read that waits for a position gives up also when the clock is set back meanwhile', async (t) => {
  await using database = await sharedPostgres();
  const sql = connect({ url: database.url, name: 'test', max: 1 });
  await sql.begin((transaction) => migrate(transaction, 16));
  await sql.end();
  const pool = new Pool({ url: database.url, name: 'test', max: 1 });
  t.after(() => pool.end());
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  let outcome: unknown;
  void new Reader(pool.sql).get('default', { ids: ['nothing'], atLeast: 1_000_000 }).then((read) => {
    outcome = read;
  });
  t.mock.timers.setTime(Date.now() - 3_600_000);
  const detail = 'the position asked for was not reached in time';
  assert.deepEqual(await until('it gives up', () => outcome), { ok: false, failure: { code: 'unavailable', detail } });
});
