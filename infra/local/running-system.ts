/** The addresses of the running system's services, written by `npm start` for other commands of this checkout. Removed when the system stops. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Address } from './first-success.ts';

const root = resolve(import.meta.dirname, '../..');
const fileIn = (folder: string): string => join(folder, 'addresses.json');

const databaseFileIn = (folder: string): string => join(folder, 'database-url');
const redisFileIn = (folder: string): string => join(folder, 'redis-url');

/** What other commands need of the servers: the database's URL for its owner, and that of Redis for graph-store. */
export interface ServerUrls {
  readonly databaseOwnerUrl: string | undefined;
  readonly redisUrl: string | undefined;
}

/** Writes the addresses until disposed; the URLs are readable by the owner only. */
export function tellOthers(folder: string, addresses: readonly Address[], { databaseOwnerUrl, redisUrl }: ServerUrls): Disposable {
  writeFileSync(fileIn(folder), `${JSON.stringify(addresses, null, 2)}\n`);
  if (databaseOwnerUrl !== undefined) writeFileSync(databaseFileIn(folder), `${databaseOwnerUrl}\n`, { mode: 0o600 });
  if (redisUrl !== undefined) writeFileSync(redisFileIn(folder), `${redisUrl}\n`, { mode: 0o600 });
  return {
    [Symbol.dispose]: () => {
      for (const file of [fileIn(folder), databaseFileIn(folder), redisFileIn(folder)]) rmSync(file, { force: true });
    },
  };
}

/** The database's owner URL: from DATABASE_ADMIN_URL or DATABASE_URL, else from the system that runs on this data folder. Throws if there is none. */
export function databaseOwnerUrl(): string {
  const given = process.env.DATABASE_ADMIN_URL || process.env.DATABASE_URL;
  if (given) return given;
  const folder = resolve(root, process.env.POLYEDGE_DATA || '.polyedge/data');
  try {
    return readFileSync(databaseFileIn(folder), 'utf8').trim();
  } catch {
    throw new Error(`No system runs on ${folder}. Start one with "npm start", or name the database in DATABASE_ADMIN_URL.`);
  }
}

/** Redis for graph-store's commands: from REDIS_URL, else from the system that runs on this data folder; undefined if there is none. */
export function storeRedisUrl(): string | undefined {
  if (process.env.REDIS_URL) return process.env.REDIS_URL;
  const file = redisFileIn(resolve(root, process.env.POLYEDGE_DATA || '.polyedge/data'));
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** The address of a service of the system that runs on this data folder. Throws if none is running. */
export function addressOf(service: string): string {
  const folder = resolve(root, process.env.POLYEDGE_DATA || '.polyedge/data');
  let addresses: unknown;
  try {
    addresses = JSON.parse(readFileSync(fileIn(folder), 'utf8'));
  } catch {
    throw new Error(`No system runs on ${folder}. Start one with "npm start", or name its folder in POLYEDGE_DATA.`);
  }
  for (const entry of Array.isArray(addresses) ? addresses : []) {
    if (entry?.name === service && typeof entry.url === 'string') return entry.url;
  }
  throw new Error(`The system that runs on ${folder} has no ${service}.`);
}

/** The administrator's password: from the environment, else the one that `npm start` generated for this data folder. */
export function adminPassword(): string {
  const { POLYEDGE_ADMIN_PASSWORD: given, POLYEDGE_ADMIN_PASSWORD_FILE: file } = process.env;
  if (given !== undefined) return given;
  if (file !== undefined) return readFileSync(file, 'utf8').trim();
  const folder = resolve(root, process.env.POLYEDGE_DATA || '.polyedge/data');
  const secrets: unknown = JSON.parse(readFileSync(join(folder, 'secrets.json'), 'utf8'));
  if (typeof secrets === 'object' && secrets !== null && 'adminPassword' in secrets && typeof secrets.adminPassword === 'string')
    return secrets.adminPassword;
  throw new Error(`${folder}/secrets.json holds no administrator's password.`);
}

/** A request to a service. What keeps it from being answered is said with the address, and not only that it failed. */
export async function fetchFrom(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (!(error instanceof TypeError) || !(error.cause instanceof Error)) throw error;
    const { cause } = error;
    const reason = 'code' in cause ? String(cause.code) : cause.message;
    throw new Error(`${url.origin} does not answer (${reason}). Does the system still run?`, { cause });
  }
}

/** An access token, obtained like a HIRO client does. */
export async function logIn(username: string, password: string): Promise<string> {
  const response = await fetchFrom(new URL('/api/auth/6.6/app', addressOf('hiro-edge')), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'polyedge-cli', client_secret: '', username, password }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer: unknown = await response.json();
  if (response.ok && typeof answer === 'object' && answer !== null && '_TOKEN' in answer && typeof answer._TOKEN === 'string')
    return answer._TOKEN;
  throw new Error(`The login of ${username} was refused (HTTP ${response.status}).`);
}
