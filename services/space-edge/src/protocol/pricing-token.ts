/**
 * Pricing tokens: data with which a browser shows and hides features, as a JWT (HS256). The key is PBKDF2-SHA256 of the secret and the salt
 * with 100,000 rounds, 32 bytes (SPACE 1.2). Clients read it, and an application's own server may verify it; no edge accepts one.
 */
import { createHmac, pbkdf2Sync } from 'node:crypto';

const ROUNDS = 100_000;
const KEY_BYTES = 32;

/** Deliberately slow, so it is computed once. */
export const tokenKey = (secret: string, salt: string): Buffer => pbkdf2Sync(secret, salt, ROUNDS, KEY_BYTES, 'sha256');

export interface TokenClaims {
  readonly sub: string;
  readonly features: unknown;
  readonly pricingContext: unknown;
  readonly subscriptionContext: unknown;
}

/** @param times in milliseconds; the token expires at its own end or the contract's, whichever is earlier */
export function pricingToken(
  claims: TokenClaims,
  key: Buffer,
  times: { readonly now: number; readonly lifetimeMs: number; readonly contractEnd: number },
): string {
  const iat = Math.floor(times.now / 1000);
  const exp = Math.floor(Math.min(times.now + times.lifetimeMs, times.contractEnd) / 1000);
  const head = `${base64url('{"alg":"HS256"}')}.${base64url(plainJson({ ...claims, iat, exp }))}`;
  return `${head}.${createHmac('sha256', key).update(head).digest('base64url')}`;
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

/**
 * JSON whose base64url contains neither `-` nor `_`. SPACE's React client passes the middle of a token to `atob`, which supports neither of
 * them, nor UTF-8. In ASCII only `>`, `?`, `~` and DEL can lead to one, so these are escaped, like all non-ASCII characters.
 */
function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(/[>?~\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
