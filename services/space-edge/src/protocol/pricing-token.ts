/**
 * Pricing tokens: what a browser needs to show and hide features, as a JWT (HS256). The key is PBKDF2-SHA256 of the secret and the salt with
 * 100,000 rounds, 32 bytes (SPACE 1.2). It is for clients to read, and for an application's own server to verify; no edge accepts one.
 */
import { createHmac, pbkdf2Sync } from 'node:crypto';

const ROUNDS = 100_000;
const KEY_BYTES = 32;

/** Slow on purpose, and so made once. */
export const tokenKey = (secret: string, salt: string): Buffer => pbkdf2Sync(secret, salt, ROUNDS, KEY_BYTES, 'sha256');

export interface TokenClaims {
  readonly sub: string;
  readonly features: unknown;
  readonly pricingContext: unknown;
  readonly subscriptionContext: unknown;
}

/** @param times in milliseconds; the token ends at the earlier of its own end and the contract's */
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
 * JSON that needs neither `-` nor `_` in base64url. SPACE's React client gives the middle of a token to `atob`, which knows neither of them
 * and no UTF-8. In ASCII only `>`, `?`, `~` and DEL can lead to one, so these are written as escapes, like everything outside ASCII.
 */
function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(/[>?~\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
