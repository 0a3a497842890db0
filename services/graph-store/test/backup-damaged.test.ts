/** Backups that cannot be restored, and folders that cannot be written: nothing happens, and the message says why. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';
import { backUp, CannotCopy, type Manifest, restore } from '../src/postgres/backup.ts';
import { migrate } from '../src/postgres/migrate.ts';
import { Transactions } from '../src/postgres/transactions.ts';

const TABLE = 'content.copy.gz';
const parts = new AsyncDisposableStack();
let folder: string;
let good: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'polyedge-damaged-'));
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  good = join(folder, 'good');
  const from = await database();
  await from.transact((transaction) => migrate(transaction, 16));
  await from.run((sql) => sql`insert into content (tenant, id, size, chunks, complete, media_type) values ('t', 'one', 1, 1, true, 'x')`);
  await backUp(from, good);
});
after(() => parts.disposeAsync());

async function database(): Promise<Transactions> {
  const { url } = parts.use(await sharedPostgres());
  const made = new Transactions({ url, name: 'damaged' });
  parts.defer(() => made.end());
  return made;
}

/** A copy of the backup with a change. */
function changed(name: string, change: (folder: string) => void): string {
  const copy = join(folder, name);
  cpSync(good, copy, { recursive: true });
  change(copy);
  return copy;
}

function changeManifest(of: string, change: (manifest: Manifest) => object): void {
  const file = join(of, 'manifest.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
}

const withoutSums = (manifest: Manifest) => ({ ...manifest, tables: manifest.tables.map(({ name, columns }) => ({ name, columns })) });

const refuses = (to: Transactions, from: string, because: RegExp) =>
  assert.rejects(restore(to, from), (error: unknown) => {
    assert.ok(error instanceof CannotCopy, String(error));
    assert.match(error.message, because);
    return true;
  });

test('a damaged backup is refused with the name of the file, and the database stays empty and can still be restored', async () => {
  const to = await database();
  const rows = 'no\tsuch\trow\n';
  const damages: Readonly<Record<string, readonly [(folder: string) => void, RegExp]>> = {
    'cut off': [(at) => truncateSync(join(at, TABLE), 30), /content\.copy\.gz cannot be restored: unexpected end of file/],
    'no archive': [(at) => writeFileSync(join(at, TABLE), 'hello'), /content\.copy\.gz cannot be restored: incorrect header check/],
    missing: [(at) => rmSync(join(at, TABLE)), /content\.copy\.gz cannot be restored: ENOENT/],
    'without its rows': [(at) => writeFileSync(join(at, TABLE), gzipSync('')), /content\.copy\.gz cannot be restored: it is not the file/],
    'of other rows': [
      (at) => {
        writeFileSync(join(at, TABLE), gzipSync(rows));
        changeManifest(at, withoutSums);
      },
      /content\.copy\.gz cannot be restored: PostgreSQL refuses/,
    ],
    'of many other rows': [
      (at) => {
        writeFileSync(join(at, TABLE), gzipSync(rows.repeat(1_000_000)));
        changeManifest(at, withoutSums);
      },
      /content\.copy\.gz cannot be restored/,
    ],
    'without a manifest': [(at) => rmSync(join(at, 'manifest.json')), /holds no backup that this version can read/],
    'with a text as manifest': [(at) => writeFileSync(join(at, 'manifest.json'), 'hello'), /holds no backup that this version can read/],
    'with another manifest': [(at) => changeManifest(at, () => ({ format: 1 })), /holds no backup that this version can read/],
  };
  for (const [name, [damage, because]] of Object.entries(damages)) await refuses(to, changed(name, damage), because);
  await restore(to, good);
  const [row] = await to.run((sql) => sql<{ id: string }[]>`select id from content`);
  assert.equal(row?.id, 'one');
});

test('a backup without sums, as earlier versions made it, is restored', async () => {
  const to = await database();
  await restore(
    to,
    changed('without sums', (at) => changeManifest(at, withoutSums)),
  );
  assert.equal((await to.run((sql) => sql`select 1 from content`)).length, 1);
});

test('a backup of a newer version is refused however often, and one of an older version by a database with newer tables', async () => {
  const to = await database();
  const newer = changed('newer', (at) => changeManifest(at, (one) => ({ ...one, migrations: [...one.migrations, 9999] })));
  const older = changed('older', (at) => changeManifest(at, (one) => ({ ...one, migrations: one.migrations.slice(0, -1) })));
  for (let time = 0; time < 2; time += 1) await refuses(to, newer, /of a newer version: migrations 9999 are unknown here/);
  await refuses(to, older, /of an older version than the tables of the database/);
  assert.equal((await to.run((sql) => sql`select 1 from content`)).length, 0);
});

test('a folder that holds something is refused before anything is copied, and a backup that fails leaves nothing behind', async () => {
  const from = await database();
  await assert.rejects(backUp(from, good), (error: unknown) => error instanceof CannotCopy && /exists already/.test(error.message));
  // This database has no tables.
  await assert.rejects(backUp(from, join(folder, 'failed')));
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('good.') || name.startsWith('failed')),
    [],
  );
});

test('a backup that is interrupted leaves nothing behind', async () => {
  const { url } = parts.use(await sharedPostgres());
  const from = new Transactions({ url, name: 'interrupted' });
  parts.defer(() => from.end());
  await from.transact((transaction) => migrate(transaction, 16));
  const into = join(folder, 'interrupted');
  mkdirSync(into);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // It waits for a table in the middle of its work.
    await from.transact(async (transaction) => {
      await transaction`lock table journal in access exclusive mode`;
      const program = join(import.meta.dirname, '../src/backup-cli.ts');
      const env = { PATH: process.env.PATH, DATABASE_ADMIN_URL: url, DATABASE_URL: url, POLYEDGE_MODE: 'local' };
      const child = spawn(process.execPath, [program, 'backup', join(into, 'monday')], { env, stdio: 'ignore' });
      const ended = once(child, 'exit');
      await until('it writes', () => readdirSync(into).length === 1);
      child.kill(signal);
      assert.notEqual((await ended)[0], 0);
    });
    assert.deepEqual(readdirSync(into), []);
  }
});
