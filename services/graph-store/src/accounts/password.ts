/**
 * Passwords: the directory stores scrypt(salt, proof), where the proof is the hex SHA-256 of the password, so that it serves both protocols whose
 * clients hash the password and those whose clients do not. scrypt runs on the thread pool; `hash-queue.ts` decides which hash runs next.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';

const HASH_BYTES = 32;

/** Concurrent hashes: one per core, but at most three of the pool's four threads, so that one stays free for other work. */
export const PARALLEL_HASHES = Math.min(availableParallelism(), 3);

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** scrypt's parameters of GRAPH_STORE_PASSWORD_COST. At 15, a hash takes about 50 ms on a slow core, and 32 MiB. */
const costOf = (power: number): Cost => ({ N: 2 ** power, r: 8, p: 1 });

interface StoredForm {
  readonly cost: Cost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Undefined if it is not of the form `scrypt$N$r$p$salt$hash`. */
function readForm(stored: string | undefined): StoredForm | undefined {
  const [scheme, N, r, p, salt, hash] = (stored ?? '').split('$');
  if (scheme !== 'scrypt' || salt === undefined || hash === undefined) return undefined;
  return {
    cost: { N: Number(N), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  };
}

/** A stored form of a proof: `scrypt$N$r$p$salt$hash`. Call it through `HashQueue`. @param power scrypt's cost: N is two to it */
export async function hashProof(proof: string, power: number): Promise<string> {
  const [salt, cost] = [randomBytes(16), costOf(power)];
  const hash = await derive(proof, salt, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/**
 * Whether a proof matches the stored one; call it through `HashQueue`. Takes as long for an account without a password (or none at all), so
 * that response times do not reveal which user names exist.
 * @param power the cost of a password that is stored now
 */
export async function verifyProof(proof: string, stored: string | undefined, power: number): Promise<boolean> {
  const form = readForm(stored);
  const derived = await derive(proof, form?.salt ?? randomBytes(16), form?.cost ?? costOf(power));
  return form !== undefined && timingSafeEqual(derived, form.hash);
}

/** Whether a stored form has another cost than one that is stored now. */
export function hasOtherCost(stored: string, power: number): boolean {
  const [cost, now] = [readForm(stored)?.cost, costOf(power)];
  return cost?.N !== now.N || cost.r !== now.r || cost.p !== now.p;
}

function derive(proof: string, salt: Buffer, cost: Cost): Promise<Buffer> {
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(proof, salt, HASH_BYTES, { ...cost, maxmem: 256 * cost.N * cost.r }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
