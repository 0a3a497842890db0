import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { connect } from '../src/postgres/connect.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { JOURNAL_PARTITION_ROWS, keepPartitions } from '../src/postgres/partitions.ts';

const DAY_MS = 86_400_000;

test('retention drops whole partitions of the journal, oldest first, and none that a group or a move still needs', async () => {
  await using database = await sharedPostgres();
  const sql = connect({ url: database.url, name: 'test', max: 1 });
  try {
    await sql.begin((transaction) => migrate(transaction, 16));
    const now = Date.now();
    // Three full partitions: written 30, 20 and 1 day ago.
    for (const [number, days] of [30, 20, 1].entries()) {
      await sql`update sequencer set seq = ${number * JOURNAL_PARTITION_ROWS}`;
      await keepPartitions(sql, now, undefined);
      await sql`insert into journal select ${(number + 1) * JOURNAL_PARTITION_ROWS - 1}, 'e', 0, 't', 'v', 'vertex', 'x', 's', null, '{}', 1, 0, '', '', ${now - days * DAY_MS}, '', '',
        false, null, null, null, null, '{}', 'create', '{}', 0, '', 'job', '', '', 0, 0`;
    }
    await sql`update sequencer set seq = ${3 * JOURNAL_PARTITION_ROWS + 5}`;
    const kept = async (): Promise<number[]> =>
      (await sql<{ seq: number }[]>`select seq from journal order by seq`).map(({ seq }) => Math.floor(seq / JOURNAL_PARTITION_ROWS));

    await keepPartitions(sql, now, undefined);
    assert.deepEqual(await kept(), [0, 1, 2], 'kept for ever unless told otherwise');
    await sql`with g as (insert into consumer_group (tenant, name) values ('t', 'g') returning id) insert into group_position select id, 0, ${JOURNAL_PARTITION_ROWS + 7}, 0 from g`;
    await keepPartitions(sql, now, 10 * DAY_MS);
    assert.deepEqual(await kept(), [1, 2], 'the group is inside the second one');
    await sql`delete from consumer_group`;
    await sql`insert into departure (tenant, journal, copied) values ('t', 'second', ${JOURNAL_PARTITION_ROWS + 7})`;
    await keepPartitions(sql, now, 10 * DAY_MS);
    assert.deepEqual(await kept(), [1, 2], 'a move has not copied the rest of the second one');
    await sql`delete from departure`;
    await keepPartitions(sql, now, 10 * DAY_MS);
    assert.deepEqual(await kept(), [2], 'the third is too young');
  } finally {
    await sql.end();
  }
});
