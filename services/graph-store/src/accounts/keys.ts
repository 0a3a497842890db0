/** The signing keys: generated on the first start; the private part is encrypted with POLYEDGE_SECRET_KEY before it is stored. Only graph-store signs. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { TOKEN_ALGORITHM } from '@polyedge/contracts/token-claims';
import type { JsonObject } from '@polyedge/query/json';
import type { JWK } from 'jose';
import { exportJWK } from 'jose/key/export';
import { generateKeyPair } from 'jose/key/generate/keypair';
import { importJWK } from 'jose/key/import';
import type { Statements } from '../postgres/connect.ts';
import { LOCK } from '../postgres/locks.ts';

export interface SigningKey {
  readonly kid: string;
  readonly key: Awaited<ReturnType<typeof importJWK>>;
}

export interface Keys {
  /** The newest key: the one that signs. */
  readonly signing: SigningKey;
  /** All public keys, as in a JWK set. */
  readonly published: readonly JsonObject[];
}

/** Encrypts and decrypts small secrets with AES-256-GCM under a key derived from the operator's secret. */
export interface Seal {
  seal(plain: string): Buffer;
  /** Undefined if the secret is a different one or the bytes were modified. */
  open(sealed: Buffer): string | undefined;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function makeSeal(secret: string, purpose: string): Seal {
  const key = Buffer.from(hkdfSync('sha256', secret, 'polyedge', purpose, 32));
  return {
    seal(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed) {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES));
        decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * Loads the keys; generates the first one on an empty database. Fails if the stored key cannot be decrypted with this secret.
 * @param transaction begun and ended by the caller
 */
export async function loadKeys(transaction: Statements, seal: Seal): Promise<Keys> {
  await transaction`select pg_advisory_xact_lock(${LOCK.bootstrap})`;
  let rows = await storedKeys(transaction);
  if (rows.length === 0) {
    const pair = await generateKeyPair(TOKEN_ALGORITHM, { extractable: true });
    const kid = randomBytes(9).toString('base64url');
    const publicJwk = { ...(await exportJWK(pair.publicKey)), kid, alg: TOKEN_ALGORITHM, use: 'sig' };
    const sealed = seal.seal(JSON.stringify(await exportJWK(pair.privateKey)));
    await transaction`insert into signing_key (kid, created_on, public_jwk, private_sealed)
      values (${kid}, ${Date.now()}, ${JSON.stringify(publicJwk)}::json, ${sealed})`;
    rows = await storedKeys(transaction);
  }
  const [newest] = rows;
  if (newest === undefined) throw new Error('there is no signing key');
  const plain = seal.open(newest.private_sealed);
  if (plain === undefined) throw new WrongSecret('POLYEDGE_SECRET_KEY is not the one that the signing key was encrypted with');
  const key = await importJWK(JSON.parse(plain) as JWK, TOKEN_ALGORITHM);
  return { signing: { kid: newest.kid, key }, published: rows.map(({ public_jwk }) => public_jwk) };
}

const storedKeys = (sql: Statements): PromiseLike<readonly StoredKey[]> =>
  sql<StoredKey[]>`select kid, public_jwk, private_sealed from signing_key order by created_on desc`;

interface StoredKey {
  readonly kid: string;
  readonly public_jwk: JsonObject;
  readonly private_sealed: Buffer;
}

/** The configured secret differs from the previous one. */
export class WrongSecret extends Error {}
