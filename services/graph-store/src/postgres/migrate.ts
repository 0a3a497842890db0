/** Migrates the database to this version: numbered SQL files, each applied once, by one process at a time. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Statements } from './connect.ts';
import { LOCK } from './locks.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/** A new epoch. */
export const newEpoch = (): string => randomBytes(9).toString('base64url');

/** The numbers of the migrations that the database lacks. Requires read access only. */
export async function missingMigrations(sql: Statements): Promise<readonly number[]> {
  const [table] = await sql<{ present: boolean }[]>`select to_regclass('migration') is not null as present`;
  const applied = table?.present === true ? await sql<{ number: number }[]>`select number from migration` : [];
  const numbers = new Set(applied.map(({ number }) => number));
  return (await migrationFiles()).map(numberOf).filter((number) => !numbers.has(number));
}

const migrationFiles = async (): Promise<string[]> => (await readdir(FOLDER)).filter((name) => /^\d{4}_.+\.sql$/.test(name)).sort();
const numberOf = (file: string): number => Number(file.slice(0, 4));

/**
 * Applies missing migrations, under a lock that every starting replica takes, and creates the first epoch.
 * @param transaction begun and ended by the caller
 * @param partitions of the hot journal; used only for an empty database
 * @param only these migrations, for a backup of an older version; default: all
 * @returns the numbers of the migrations applied now
 */
export async function migrate(transaction: Statements, partitions: number, only?: readonly number[]): Promise<readonly number[]> {
  const files = await migrationFiles();
  const numbers = files.map((name) => name.slice(0, 4));
  const twice = numbers.find((number, at) => numbers.indexOf(number) !== at);
  if (twice !== undefined) throw new Error(`two migrations have the number ${twice}`);
  await transaction`select pg_advisory_xact_lock(${LOCK.migration})`;
  await transaction`create table if not exists migration (number integer primary key, name text not null, applied_on timestamptz not null default now())`;
  const applied = new Set((await transaction<{ number: number }[]>`select number from migration`).map(({ number }) => number));
  const now: number[] = [];
  for (const name of files) {
    const number = numberOf(name);
    if (applied.has(number) || only?.includes(number) === false) continue;
    await transaction.unsafe(await readFile(new URL(name, FOLDER), 'utf8'));
    await transaction`insert into migration (number, name) values (${number}, ${name})`;
    now.push(number);
  }
  await transaction`insert into sequencer (seq, epoch) values (0, ${newEpoch()}) on conflict do nothing`;
  const [identity] = await transaction<{ system_identifier: string; timeline: number }[]>`
    select (select system_identifier::text from pg_control_system()) as system_identifier,
           (select timeline_id::bigint from pg_control_checkpoint()) as timeline`;
  if (identity === undefined) throw new Error('PostgreSQL did not return its system identifier');
  await transaction`
    insert into journal_identity (system_identifier, timeline, partitions)
    values (${identity.system_identifier}, ${identity.timeline}, ${partitions}) on conflict do nothing`;
  return now;
}
