/**
 * Backup and restore with COPY: every table as of one moment, each in a compressed file, with a manifest that states the moment. A restored
 * journal has another history, so it gets a new epoch, and no reader mistakes it for the old one.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Connection } from './connect.ts';
import { migrate, newEpoch } from './migrate.ts';
import type { Transactions } from './transactions.ts';

const MANIFEST = 'manifest.json';
const FORMAT = 1;
/** Valid names of database objects, so that a manifest cannot inject SQL. */
const NAME = /^[a-z_][a-z0-9_]*$/;
const BOUND = /^FOR VALUES FROM \('?\d+'?\) TO \('?\d+'?\)$/;

export interface Manifest {
  readonly format: number;
  /** ISO 8601. */
  readonly madeOn: string;
  /** The newest change in the backup. */
  readonly seq: number;
  readonly epoch: string;
  readonly partitions: number;
  /** Numbers of the applied migrations. */
  readonly migrations: readonly number[];
  /** In the order in which rows can be loaded: referenced tables first. */
  readonly tables: readonly { readonly name: string; readonly columns: readonly string[] }[];
  /** Partitions of partitioned tables. */
  readonly parts: readonly { readonly name: string; readonly of: string; readonly bound: string }[];
}

/** Writes a backup to a new folder, which gets its final name when it is complete. Writers are not blocked. */
export async function backUp(database: Transactions, folder: string): Promise<Manifest> {
  const partial = `${folder}.partial-${process.pid}`;
  // It contains password hashes and the sealed signing key.
  await mkdir(partial, { recursive: false, mode: 0o700 });
  const manifest = await database.run(async (snapshot) => {
    await snapshot`begin isolation level repeatable read read only`;
    const made = await describe(snapshot);
    for (const { name, columns } of made.tables) {
      const rows = await snapshot.unsafe(`copy (select ${list(columns)} from ${quoted(name)}) to stdout`).readable();
      await pipeline(read(rows), createGzip({ level: 1 }), createWriteStream(join(partial, `${name}.copy.gz`), { mode: 0o600 }));
    }
    await snapshot`commit`;
    return made;
  });
  await writeFile(join(partial, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  await rename(partial, folder);
  return manifest;
}

/**
 * The rows. The library (3.4.9) pauses its socket when the reader is slower, and does not resume it after the last row; no other statement
 * waits for it.
 */
async function* read(rows: Readable): AsyncGenerator<Buffer> {
  for await (const row of rows) yield row;
  rows._read(0);
}

async function describe(sql: Connection): Promise<Manifest> {
  const [state] = await sql<
    { seq: number; epoch: string; partitions: number }[]
  >`select seq, epoch, partitions from sequencer, journal_identity`;
  if (state === undefined) throw new Error('the database has no journal');
  const migrations = await sql<{ number: number }[]>`select number from migration order by number`;
  const tables = await sql<{ name: string; columns: string[] }[]>`
    select relname as name, json_agg(attname::text order by attnum) as columns
    from pg_class join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
    group by relname order by relname`;
  const references = await sql<{ name: string; to: string }[]>`
    select conrelid::regclass::text as name, confrelid::regclass::text as to from pg_constraint where contype = 'f' and conparentid = 0`;
  const parts = await sql<{ name: string; of: string; bound: string }[]>`
    select child.relname as name, parent.relname as of, pg_get_expr(child.relpartbound, child.oid) as bound
    from pg_inherits join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
    where child.relispartition and child.relkind = 'r' and child.relnamespace = 'public'::regnamespace order by child.oid`;
  return {
    format: FORMAT,
    madeOn: new Date().toISOString(),
    ...state,
    migrations: migrations.map(({ number }) => number),
    tables: inOrder([...tables], references),
    parts: [...parts],
  };
}

/** Orders tables after those that they reference. */
function inOrder<Table extends { readonly name: string }>(
  tables: readonly Table[],
  references: readonly { readonly name: string; readonly to: string }[],
): Table[] {
  const placed = new Set<string>();
  const ordered: Table[] = [];
  while (ordered.length < tables.length) {
    const next = tables.filter(
      ({ name }) => !placed.has(name) && references.every((one) => one.name !== name || one.to === name || placed.has(one.to)),
    );
    if (next.length === 0) throw new Error('tables refer to each other in a circle');
    for (const table of next) placed.add(table.name);
    ordered.push(...next);
  }
  return ordered;
}

/** Why a backup failed or was not restored, in a sentence for the operator. */
export class CannotCopy extends Error {}

/**
 * Restores an empty database from a backup, as the owner of its tables, atomically. Throws `CannotCopy` if the database contains data, or
 * the backup is of a newer version. Migrations that are newer than the backup are applied by the next start.
 */
export async function restore(database: Transactions, folder: string): Promise<Manifest> {
  const manifest: Manifest = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8').catch(() => '{}'));
  if (manifest.format !== FORMAT) throw new CannotCopy(`${folder} holds no backup that this version can read`);
  const names = [
    ...manifest.tables.flatMap(({ name, columns }) => [name, ...columns]),
    ...manifest.parts.flatMap(({ name, of }) => [name, of]),
  ];
  const strange = names.find((name) => !NAME.test(name)) ?? manifest.parts.find(({ bound }) => !BOUND.test(bound))?.bound;
  if (strange !== undefined) throw new CannotCopy(`the manifest names something that is not ours: ${strange}`);
  const [journal] = await database.run((sql) => sql<{ present: boolean }[]>`select to_regclass('journal') is not null as present`);
  if (journal?.present === true) {
    const [row] = await database.run((sql) => sql`select 1 from journal limit 1`);
    if (row !== undefined) throw new CannotCopy('the database is not empty: restore into a new one, or drop and create this one first');
  }
  const applied = await database.transact((transaction) => migrate(transaction, manifest.partitions, manifest.migrations));
  const missing = manifest.migrations.filter((number) => !applied.includes(number));
  if (journal?.present !== true && missing.length > 0)
    throw new CannotCopy(`the backup is of a newer version: migrations ${missing.join(', ')} are unknown here`);
  await database.transact(async (transaction) => {
    await transaction.unsafe(`truncate ${manifest.tables.map(({ name }) => quoted(name)).join(', ')} cascade`);
    for (const { name, of, bound } of manifest.parts)
      await transaction.unsafe(`create table if not exists ${quoted(name)} partition of ${quoted(of)} ${bound}`);
    for (const { name, columns } of manifest.tables) {
      const rows = await transaction.unsafe(`copy ${quoted(name)} (${list(columns)}) from stdin`).writable();
      await pipeline(createReadStream(join(folder, `${name}.copy.gz`)), createGunzip(), rows);
    }
    const counters = await transaction<{ name: string; column: string }[]>`
      select relname as name, attname as column from pg_class join pg_attribute on attrelid = pg_class.oid
      where relnamespace = 'public'::regnamespace and not relispartition and attidentity <> '' and attnum > 0`;
    for (const { name, column } of counters) {
      await transaction.unsafe(
        `select setval(pg_get_serial_sequence('${quoted(name)}', '${column}'), (select coalesce(max(${quoted(column)}), 0) + 1 from ${quoted(name)}), false)`,
      );
    }
    await transaction`update sequencer set epoch = ${newEpoch()}`;
    // The next publisher finds the journal of another server, and handles the consequences for groups, Redis and edges.
    await transaction`update journal_identity set system_identifier = 'a backup'`;
    await transaction`update publisher set holder = '', until = '-infinity', fence = fence + 1`;
  });
  return manifest;
}

const quoted = (name: string): string => `"${name}"`;
const list = (names: readonly string[]): string => names.map(quoted).join(', ');
