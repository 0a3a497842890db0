/** Rows of a table on their way from PostgreSQL into a file, however large they are. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { backUp, restore } from '../src/postgres/backup.ts';
import { connect } from '../src/postgres/connect.ts';
import { migrate } from '../src/postgres/migrate.ts';

test('rows larger than the read-ahead are copied completely, and back', { timeout: 60_000 }, async () => {
  await using parts = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'polyedge-rows-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  const open = async () => {
    const { url } = parts.use(await sharedPostgres());
    const sql = connect({ url, name: 'rows', max: 1 });
    parts.defer(() => sql.end());
    return sql;
  };
  const from = await open();
  await from.begin((transaction) => migrate(transaction, 16));
  // Pieces of blobs of every size up to the largest, which compress badly.
  await from`
    insert into content (tenant, id, size, chunks, complete, media_type)
    select 't', 'b' || b, 1, 20, true, 'x' from generate_series(1, 2) b`;
  await from`
    insert into chunk (tenant, content, index, data)
    select 't', 'b' || b, n, (select string_agg(sha256((b || '.' || n || '.' || i)::bytea), '') from generate_series(1, 1 + (n * 7919 * b) % 8192) i)
    from generate_series(1, 2) b, generate_series(0, 19) n`;
  const sum =
    'select count(*)::int as count, sum(length(data))::int as bytes, md5(string_agg(md5(data), $1 order by content, index)) as hash from chunk';
  const before = await from.unsafe(sum, ['']);
  await backUp(from, join(folder, 'copy'));
  const to = await open();
  await restore(to, join(folder, 'copy'));
  assert.deepEqual([...(await to.unsafe(sum, ['']))], [...before]);
  assert.equal(before[0]?.count, 40);
});
