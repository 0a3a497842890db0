import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { GroupPositions } from '../src/postgres/groups.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { keepPartitions } from '../src/postgres/partitions.ts';
import { Pool } from '../src/postgres/pool.ts';
import { Transactions } from '../src/postgres/transactions.ts';

const MAX_LAG = 1000;
const MINUTE_MS = 60_000;

test('a group that starts at the oldest change is not too far behind before as much was written after its beginning', async () => {
  await using database = await sharedPostgres();
  const options = { url: database.url, name: 'test' };
  const transactions = new Transactions(options);
  const pool = new Pool({ ...options, max: 1 });
  try {
    await transactions.transact((transaction) => migrate(transaction, 4));
    const groups = new GroupPositions(pool.sql, transactions, 4, { idleMs: MINUTE_MS, maxLag: MAX_LAG });
    const deadline = performance.now() + MINUTE_MS;
    const open = async (name: string): Promise<number> => {
      const opened = await groups.open('t', { name, start: 'smallest' }, deadline);
      assert.ok(opened.ok, JSON.stringify(opened));
      return opened.value.id;
    };
    const written = async (seq: number): Promise<void> => void (await pool.sql`update sequencer set seq = ${seq}`);
    const swept = async (): Promise<string[]> => (await groups.sweep()).map(({ name, why }) => `${name}: ${why}`).sort();

    await keepPartitions(pool.sql, Date.now(), undefined);
    await open('early');
    await written(10 * MAX_LAG);
    // Everything that was written is kept: the change 0 stands for its oldest.
    await pool.sql`insert into journal select 0, 'e', 0, 't', 'v', 'vertex', 'x', 's', null, '{}', 1, 0, '', '', 0, '', '', false, null, null, null, null, '{}', 'create', '{}', 0, '', 'job', '', '', 0, 0`;
    await open('late');
    const reset = await open('reset');
    assert.ok((await groups.reset('t', { id: reset, to: 'smallest' }, deadline)).ok);
    assert.deepEqual(await swept(), ['early: lag']);
    await written(11 * MAX_LAG);
    assert.deepEqual(await swept(), []);
    await written(11 * MAX_LAG + 1);
    assert.deepEqual(await swept(), ['late: lag', 'reset: lag']);

    // A client that stays away for long gives its group up; a service that was not running goes on where it was.
    await open('left');
    await open(`${INTERNAL_GROUPS}service`);
    await pool.sql`update consumer_group set touched_on = now() - interval '1 hour'`;
    assert.deepEqual(await swept(), ['left: idle']);
    await written(22 * MAX_LAG + 2);
    assert.deepEqual(await swept(), [`${INTERNAL_GROUPS}service: lag`]);
  } finally {
    await Promise.all([transactions.end(), pool.end()]);
  }
});
