/**
 * Passwords: the directory stores scrypt(salt, proof), where the proof is the hex SHA-256 of the password, so that it serves both protocols whose
 * clients hash the password and those whose clients do not. scrypt runs on the thread pool; `hash-queue.ts` decides which hash runs next.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';

/** Cost: about 50 ms and 32 MiB each on a slow core (OWASP's recommendation for scrypt is N = 2^17; logins here are bounded as well). */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;
const HASH_BYTES = 32;

/** Concurrent hashes: one per core, but at most three of the pool's four threads, so that one stays free for other work. */
export const PARALLEL_HASHES = Math.min(availableParallelism(), 3);

/** A stored form of a proof: `scrypt$N$r$p$salt$hash`. Call it through `HashQueue`. */
export async function hashProof(proof: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(proof, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join('$');
}

/**
 * Whether a proof matches the stored one; call it through `HashQueue`. Takes as long for an account without a password (or none at all), so
 * that response times do not reveal which user names exist.
 */
export async function verifyProof(proof: string, stored: string | undefined): Promise<boolean> {
  const [scheme, N, r, p, salt, hash] = (stored ?? '').split('$');
  const known = scheme === 'scrypt' && salt !== undefined && hash !== undefined;
  const cost = known ? { N: Number(N), r: Number(r), p: Number(p) } : COST;
  const derived = await derive(proof, known ? Buffer.from(salt, 'base64url') : randomBytes(16), cost);
  return known && timingSafeEqual(derived, Buffer.from(hash, 'base64url'));
}

function derive(proof: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise<Buffer>((resolve, reject) => {
    scrypt(proof, salt, HASH_BYTES, { ...cost, maxmem: 256 * cost.N * cost.r }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
