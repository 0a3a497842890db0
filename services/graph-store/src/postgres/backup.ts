/**
 * Backup and restore with COPY: every table as of one moment, each in a compressed file, with a manifest that states the moment. A restored
 * journal has another history, so it gets a new epoch, and no reader mistakes it for the old one.
 */
import { rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { check, type Static, T } from '@polyedge/contracts/schema';
import type { Connection } from './connect.ts';
import { copyIn, copyOut } from './copied-rows.ts';
import { isPassing } from './link.ts';
import { migrate, newEpoch } from './migrate.ts';
import type { Transactions } from './transactions.ts';

const MANIFEST = 'manifest.json';
const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const FORMAT = 1;
/** Valid names of database objects, so that a manifest cannot inject SQL. */
const NAME = /^[a-z_][a-z0-9_]*$/;
const BOUND = /^FOR VALUES FROM \('?\d+'?\) TO \('?\d+'?\)$/;

const ManifestSchema = T.Object({
  format: T.Literal(FORMAT),
  /** ISO 8601. */
  madeOn: T.String(),
  /** The newest change in the backup. */
  seq: T.Integer(),
  epoch: T.String(),
  partitions: T.Integer(),
  /** Numbers of the applied migrations. */
  migrations: T.Array(T.Integer()),
  /** In the order in which rows can be loaded: referenced tables first. `sum`: SHA-256 of the file; earlier versions did not write it. */
  tables: T.Array(T.Object({ name: T.String(), columns: T.Array(T.String()), sum: T.Optional(T.String()) })),
  /** Partitions of partitioned tables. */
  parts: T.Array(T.Object({ name: T.String(), of: T.String(), bound: T.String() })),
});
export type Manifest = Static<typeof ManifestSchema>;
const manifestSchema = check(ManifestSchema);

/**
 * Carries out what writes a backup into a folder that is to be new. The folder gets its name when it is complete; what is incomplete is removed,
 * also when the process is told to end.
 * @param write is given the folder to write to
 */
export async function intoNewFolder<T>(folder: string, write: (partial: string) => Promise<T>): Promise<T> {
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? [] : error.code));
  if (files?.length !== 0) throw new CannotCopy(`${folder} exists already: name a new folder`);
  const partial = `${folder}.partial-${process.pid}`;
  // It contains password hashes and the sealed signing key.
  await mkdir(partial, { recursive: false, mode: 0o700 });
  const interrupted = (_signal: NodeJS.Signals, number: number): never => {
    rmSync(partial, { recursive: true, force: true });
    process.exit(128 + number);
  };
  for (const signal of INTERRUPTIONS) process.once(signal, interrupted);
  try {
    const written = await write(partial);
    await rename(partial, folder);
    return written;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    for (const signal of INTERRUPTIONS) process.removeListener(signal, interrupted);
  }
}

/** Writes a backup to a new folder, which gets its final name when it is complete. Writers are not blocked. */
export const backUp = (database: Transactions, folder: string): Promise<Manifest> =>
  intoNewFolder(folder, async (partial) => {
    const manifest = await database.run(async (snapshot) => {
      await snapshot`begin isolation level repeatable read read only`;
      const made = await describe(snapshot);
      const tables: Manifest['tables'][number][] = [];
      for (const { name, columns } of made.tables) {
        const statement = `copy (select ${list(columns)} from ${quoted(name)}) to stdout`;
        tables.push({ name, columns, sum: await copyOut(snapshot, statement, fileOf(partial, name)) });
      }
      await snapshot`commit`;
      return { ...made, tables };
    });
    await writeFile(join(partial, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
    return manifest;
  });

const fileOf = (folder: string, table: string): string => join(folder, `${table}.copy.gz`);

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

/** The manifest of a backup. Throws `CannotCopy` if there is none that this version can read. */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => '');
  const manifest = parsed(text);
  if (!manifestSchema.test(manifest)) throw new CannotCopy(`${folder} holds no backup that this version can read`);
  const names = [
    ...manifest.tables.flatMap(({ name, columns }) => [name, ...columns]),
    ...manifest.parts.flatMap(({ name, of }) => [name, of]),
  ];
  const strange = names.find((name) => !NAME.test(name)) ?? manifest.parts.find(({ bound }) => !BOUND.test(bound))?.bound;
  if (strange !== undefined) throw new CannotCopy(`the manifest names something that is not ours: ${strange}`);
  return manifest;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Throws `CannotCopy` if the database contains data. */
export async function requireEmpty(database: Transactions): Promise<void> {
  const [journal] = await database.run((sql) => sql<{ present: boolean }[]>`select to_regclass('journal') is not null as present`);
  if (journal?.present !== true) return;
  const [row] = await database.run((sql) => sql`select 1 from journal limit 1`);
  if (row !== undefined) throw new CannotCopy('the database is not empty: restore into a new one, or drop and create this one first');
}

/**
 * Restores an empty database from a backup, as the owner of its tables, atomically. Throws `CannotCopy` if the database contains data, if
 * it was prepared by another version than the backup, or if the backup is damaged. Migrations that are newer than the backup are applied by
 * the next start.
 */
export async function restore(database: Transactions, folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  await requireEmpty(database);
  await database.transact((transaction) => migrate(transaction, manifest.partitions, manifest.migrations));
  const applied = (await database.run((sql) => sql<{ number: number }[]>`select number from migration`)).map(({ number }) => number);
  const missing = manifest.migrations.filter((number) => !applied.includes(number));
  if (missing.length > 0) throw new CannotCopy(`the backup is of a newer version: migrations ${missing.join(', ')} are unknown here`);
  const early = applied.filter((number) => !manifest.migrations.includes(number));
  if (early.length > 0)
    throw new CannotCopy(
      `the backup is of an older version than the tables of the database (migrations ${early.join(', ')}): drop the database and create it again`,
    );
  await database.transact(async (transaction) => {
    await transaction.unsafe(`truncate ${manifest.tables.map(({ name }) => quoted(name)).join(', ')} cascade`);
    for (const { name, of, bound } of manifest.parts)
      await transaction.unsafe(`create table if not exists ${quoted(name)} partition of ${quoted(of)} ${bound}`);
    for (const { name, columns, sum } of manifest.tables) {
      const file = fileOf(folder, name);
      await copyIn(transaction, `copy ${quoted(name)} (${list(columns)}) from stdin`, file, sum).catch((error: unknown) => {
        const ofTheServer = isPassing(error) && !(error instanceof Error && 'path' in error);
        throw ofTheServer ? error : new CannotCopy(`${file} cannot be restored: ${error instanceof Error ? error.message : error}`);
      });
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
