import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type SharedServer, sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import { sqlState } from '../src/postgres/connect.ts';
import { Pool } from '../src/postgres/pool.ts';

let database: SharedServer;
let witness: Pool;
before(async () => {
  database = await sharedPostgres();
  witness = new Pool({ url: database.url, name: 'witness', max: 1 });
});
after(async () => {
  await witness.end();
  await database[Symbol.asyncDispose]();
});

test('searches that take long, however many, leave half of the connections to everybody else', async () => {
  const pool = new Pool({ url: database.url, name: 'searches', max: 4, session: { statement_timeout: '90s' } });
  let ended = 0;
  const searches = Array.from({ length: 8 }, () => pool.sql.search(pool.sql`select pg_sleep(60)`).finally(() => (ended += 1)));
  const settled = Promise.allSettled(searches);
  // All have been tried: two go on, the others wait.
  await until('two long searches', async () => {
    const rows = await witness.sql<{ ms: number }[]>`
      select extract(epoch from clock_timestamp() - query_start)::float8 * 1000 as ms from pg_stat_activity
      where application_name = 'searches' and state = 'active'`;
    return rows.length === 2 && rows.every(({ ms }) => ms > 1000);
  });
  await Promise.all(Array.from({ length: 100 }, () => pool.sql`select 1`.then(() => {})));
  assert.deepEqual([...(await pool.sql.search(pool.sql.unsafe<{ n: number }[]>('select $1::int as n', ['5'])))], [{ n: 5 }]);
  assert.equal(ended, 0);
  await pool.end(0);
  await settled;
});

test('a search ends with the time-out of the session at the latest, which other statements keep', async () => {
  const pool = new Pool({ url: database.url, name: 'ends', max: 1, session: { statement_timeout: '1s' } });
  await assert.rejects(pool.sql.search(pool.sql`select pg_sleep(60)`), (error) => sqlState(error) === '57014');
  assert.deepEqual([...(await pool.sql.search(pool.sql<{ slept: string }[]>`select pg_sleep(0.7)::text as slept`))], [{ slept: '' }]);
  await assert.rejects(pool.sql.search(pool.sql`select 1 / 0`), (error) => sqlState(error) === '22012');
  assert.deepEqual([...(await pool.sql`show statement_timeout`)], [{ statement_timeout: '1s' }]);
  await pool.end();
});

test('a search is cancelled before its caller gives up', async () => {
  const pool = new Pool({ url: database.url, name: 'deadline', max: 1, session: { statement_timeout: '60s' } });
  const search = pool.sql.before(performance.now() + 1500).search(pool.sql`select pg_sleep(50)`);
  await assert.rejects(search, (error) => sqlState(error) === '57014');
  await pool.end();
});
