import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lockFolder } from './folder-lock.mjs';

/** The secrets generated once for this data folder. */
export type Secrets = {
  /** The administrator's password, unless POLYEDGE_ADMIN_PASSWORD is set. */
  readonly adminPassword: string;
  /** POLYEDGE_SECRET_KEY: encrypts the signing key in the database. 32 random bytes in base64. */
  readonly secretKey: string;
};

/** The folder with all data of `npm start`, locked by this process. */
export type DataFolder = Disposable & { readonly path: string; readonly secrets: Secrets };

const root = resolve(import.meta.dirname, '../..');

/** Opens the data folder (`POLYEDGE_DATA`, else `.polyedge/data`). Throws if another running start is using it. */
export async function openDataFolder(configured: string | undefined): Promise<DataFolder> {
  const path = resolve(root, configured === undefined || configured === '' ? '.polyedge/data' : configured);
  mkdirSync(path, { recursive: true });
  const lock = join(path, 'running.lock');
  const unlock = await lockFolder(lock);
  if (unlock === undefined) {
    const holder = readFileSync(lock, 'utf8').split(' ')[0];
    throw new Error(`The data folder ${path} is in use by process ${holder}. End that one first, or set POLYEDGE_DATA to another folder.`);
  }
  return { path, secrets: secretsIn(path), [Symbol.dispose]: unlock };
}

/** A password derived from this data folder's secret: the same for the same purpose (`nats hiro-edge`) at every start. Begins with a letter. */
export function passwordFor(secrets: Secrets, purpose: string): string {
  return `p${createHmac('sha256', Buffer.from(secrets.secretKey, 'base64')).update(`password of ${purpose}`).digest('base64url')}`;
}

function secretsIn(path: string): Secrets {
  const file = join(path, 'secrets.json');
  if (!existsSync(file)) {
    const made: Secrets = { adminPassword: randomBytes(12).toString('base64url'), secretKey: randomBytes(32).toString('base64') };
    // Written atomically: a partial file after a crash would lock the owner out of the database.
    writeFileSync(`${file}.new`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof read === 'object' && read !== null && 'adminPassword' in read && 'secretKey' in read) {
    const { adminPassword, secretKey } = read;
    if (typeof adminPassword === 'string' && typeof secretKey === 'string') return { adminPassword, secretKey };
  }
  throw new Error(
    `${file} does not hold "adminPassword" and "secretKey" as text. Restore it; without the key the database's signing key is unreadable.`,
  );
}
