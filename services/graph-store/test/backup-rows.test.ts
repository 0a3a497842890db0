/** Rows of a table on their way from PostgreSQL into a file, however large they are. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { backUp, restore } from '../src/postgres/backup.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { Transactions } from '../src/postgres/transactions.ts';

test('rows larger than the read-ahead are copied completely, and back', { timeout: 60_000 }, async () => {
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-rows-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const open = async () => {
    const { url } = parts.use(await sharedPostgres());
    const database = new Transactions({ url, name: 'rows' });
    parts.defer(() => database.end());
    return database;
  };
  const from = await open();
  await from.transact((transaction) => migrate(transaction, 16));
  // Pieces of blobs of every size up to the largest, which compress badly.
  await from.run(
    (sql) => sql`
    insert into content (tenant, id, size, chunks, complete, media_type)
    select 't', 'b' || b, 1, 20, true, 'x' from generate_series(1, 2) b`,
  );
  await from.run(
    (sql) => sql`
    insert into chunk (tenant, content, index, data)
    select 't', 'b' || b, n, (select string_agg(sha256((b || '.' || n || '.' || i)::bytea), '') from generate_series(1, 1 + (n * 7919 * b) % 8192) i)
    from generate_series(1, 2) b, generate_series(0, 19) n`,
  );
  const sum =
    'select count(*)::int as count, sum(length(data))::int as bytes, md5(string_agg(md5(data), $1 order by content, index)) as hash from chunk';
  const before = await from.run((sql) => sql.unsafe(sum, ['']));
  await backUp(from, join(folder, 'copy'));
  const to = await open();
  await restore(to, join(folder, 'copy'));
  assert.deepEqual([...(await to.run((sql) => sql.unsafe(sum, [''])))], [...before]);
  assert.equal(before[0]?.count, 40);
});
