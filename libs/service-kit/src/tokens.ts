/**
 * Verifies access tokens locally: the keys and the revocations arrive over the bus. Accepted are our own tokens (EdDSA only, `typ: at+jwt`,
 * issuer, audience, expiry) and, if configured, those of an external OpenID provider.
 */
import { createHash } from 'node:crypto';
import { accountsKeys, accountsKeysChanged, accountsRevoked, type KeySet, type Revocation } from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import {
  MAX_TOKEN_BYTES,
  principalOf,
  TOKEN_ALGORITHM,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TOKEN_TYPE,
  tokenClaims,
} from '@polyedge/contracts/token-claims';
// By their own paths: the whole of jose takes twice as long to load, in every service.
import type { CryptoKey } from 'jose';
import { decodeProtectedHeader } from 'jose/decode/protected_header';
import * as errors from 'jose/errors';
import { decodeJwt } from 'jose/jwt/decode';
import { jwtVerify } from 'jose/jwt/verify';
import { importJWK } from 'jose/key/import';
import type { Bus, Subscription } from './bus.ts';
import { type Log, silentLog } from './log.ts';
import { type OpenIdOptions, openIdVerifier } from './open-id.ts';
import { Revocations } from './revocations.ts';

export interface VerifierOptions {
  readonly bus: Bus;
  readonly log?: Log;
  readonly openId?: OpenIdOptions | undefined;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

/** A principal, and the key that signed its token; undefined for a token of an OpenID provider. */
interface Verified {
  readonly principal: Principal;
  readonly kid: string | undefined;
}

const SKEW_MS = 60_000;
const REFRESH_MS = 2_000;
const UNKNOWN_MS = 30_000;
const MAX_UNKNOWN = 1_000;
const MAX_KEYS = 64;
const MAX_CACHED = 10_000;
const RETRY_MS = 500;

export class Verifier {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #openIdIssuer: string | undefined;
  readonly #openId: ((token: string) => Promise<Outcome<Principal>>) | undefined;
  readonly #revocations = new Revocations();
  readonly #listeners = new Set<(revocation: Revocation) => void>();
  readonly #subscriptions: Subscription[] = [];
  /** By SHA-256 of the token, least recently used first. */
  readonly #cached = new Map<string, Verified>();
  /** Unknown key ids, each with the time until which it is not requested again. */
  readonly #unknown = new Map<string, number>();
  #keys: ReadonlyMap<string, CryptoKey> | undefined;
  #refreshing: Promise<'fresh' | 'failed'> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #retry: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: VerifierOptions) {
    this.#bus = options.bus;
    this.#log = options.log ?? silentLog;
    this.#now = options.now ?? Date.now;
    this.#openIdIssuer = options.openId?.issuer;
    this.#openId = options.openId === undefined ? undefined : openIdVerifier(options.openId);
  }

  /** Subscribes to keys and revocations and requests the current ones, retrying until a replica answers. Does not wait for the reply. */
  start(): void {
    this.#subscriptions.push(
      this.#bus.subscribe(accountsKeysChanged, accountsKeysChanged.subject({}), (keySet) => void this.#take(keySet)),
      this.#bus.subscribe(accountsRevoked, accountsRevoked.subject({}), (revocation) => {
        if (this.#revocations.add(revocation, this.#now())) this.#notify(revocation);
      }),
      // Announcements missed while disconnected are contained in the whole set.
      this.#bus.onStatus((status) => {
        if (status === 'connected') this.#load();
      }),
    );
    this.#load();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** True once it has keys. */
  ready(): true | string {
    return this.#keys === undefined ? 'no signing keys yet' : true;
  }

  /** Called once for every new revocation; the edge closes the sockets for which `revokes(revocation, principal)` holds. */
  onRevoked(listener: (revocation: Revocation) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  /** Whether a previously valid token has been revoked. */
  revoked(principal: Principal): boolean {
    return this.#revocations.revoked(principal);
  }

  /**
   * Returns the token's principal. `unauthenticated` if it is malformed, forged, expired, revoked or of an unknown issuer; `unavailable` if
   * there are no keys yet. The details state the reason, never the token.
   */
  async verify(token: string): Promise<Outcome<Principal>> {
    if (token.length > MAX_TOKEN_BYTES) return failed('unauthenticated', 'the token is too long');
    const name = createHash('sha256').update(token).digest('base64');
    const cached = this.#cached.get(name);
    if (cached !== undefined) {
      this.#cached.delete(name);
      const outcome = this.#current(cached);
      if (outcome.ok) this.#cached.set(name, cached);
      return outcome;
    }
    const verified = isCompact(token) ? await this.#verify(token) : failed('unauthenticated', 'the token is malformed');
    const outcome = verified.ok ? this.#current(verified.value) : verified;
    if (verified.ok && outcome.ok) {
      this.#cached.set(name, verified.value);
      for (const oldest of this.#cached.keys()) {
        if (this.#cached.size <= MAX_CACHED) break;
        this.#cached.delete(oldest);
      }
    }
    return outcome;
  }

  #current({ principal, kid }: Verified): Outcome<Principal> {
    // It may have gone while the token was being verified, or since.
    if (kid !== undefined && this.#keys?.has(kid) !== true) return failed('unauthenticated', "the token's key is unknown");
    if (principal.expiresAt <= this.#now()) return failed('unauthenticated', 'the token has expired');
    if (principal.issuedAt > this.#now() + SKEW_MS) return failed('unauthenticated', 'the token is from the future');
    if (this.#revocations.revoked(principal)) return failed('unauthenticated', 'the token was revoked');
    return { ok: true, value: principal };
  }

  async #verify(token: string): Promise<Outcome<Verified>> {
    let kid: string;
    try {
      const header = decodeProtectedHeader(token);
      if (this.#openId !== undefined && decodeJwt(token).iss === this.#openIdIssuer) {
        const external = await this.#openId(token);
        return external.ok ? { ok: true, value: { principal: external.value, kid: undefined } } : external;
      }
      if (header.alg !== TOKEN_ALGORITHM || typeof header.kid !== 'string')
        return failed('unauthenticated', 'the token was not issued here');
      kid = header.kid;
    } catch {
      return failed('unauthenticated', 'the token is malformed');
    }
    const key = await this.#key(kid);
    if (!key.ok) return key;
    try {
      const { payload } = await jwtVerify(token, key.value, {
        algorithms: [TOKEN_ALGORITHM],
        typ: TOKEN_TYPE,
        issuer: TOKEN_ISSUER,
        audience: TOKEN_AUDIENCE,
        clockTolerance: SKEW_MS / 1_000,
        currentDate: new Date(this.#now()),
      });
      // As an unknown value: `test` narrows a JWTPayload to something narrower than our claims.
      const claims: unknown = payload;
      if (!tokenClaims.test(claims)) return failed('unauthenticated', `the token lacks a claim: ${tokenClaims.problem(claims)}`);
      return { ok: true, value: { principal: principalOf(claims), kid } };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return failed('unauthenticated', 'the token has expired');
      return failed('unauthenticated', `the token is not valid${error instanceof errors.JOSEError ? ` (${error.code})` : ''}`);
    }
  }

  /** The key with this id; fetches the set if the id is unknown, but not for every invented id. */
  async #key(kid: string): Promise<Outcome<CryptoKey>> {
    const known = this.#keys?.get(kid);
    if (known !== undefined) return { ok: true, value: known };
    const now = this.#now();
    if (this.#keys !== undefined && (this.#unknown.get(kid) ?? 0) > now) return failed('unauthenticated', "the token's key is unknown");
    const refreshed = await this.#refresh();
    const found = this.#keys?.get(kid);
    if (found !== undefined) return { ok: true, value: found };
    if (this.#keys === undefined || refreshed === 'failed') return failed('unavailable', 'the signing keys cannot be fetched');
    // Just fetched: the key may be newer than that, so the id is not remembered as unknown.
    if (refreshed === 'recent') return failed('unauthenticated', "the token's key is unknown");
    if (this.#unknown.size >= MAX_UNKNOWN) this.#unknown.clear();
    this.#unknown.set(kid, now + UNKNOWN_MS);
    return failed('unauthenticated', "the token's key is unknown");
  }

  /** Fetches the key set, at most every 2 s (`recent`: not fetched); concurrent callers share one request. */
  #refresh(): Promise<'fresh' | 'recent' | 'failed'> {
    if (this.#refreshing !== undefined) return this.#refreshing;
    if (this.#now() - this.#refreshedAt < REFRESH_MS) return Promise.resolve('recent');
    const fetchKeys = async (): Promise<'fresh' | 'failed'> => {
      const reply = await this.#bus.request(accountsKeys, accountsKeys.subject({}), {}, { timeoutMs: 2_000 });
      // A failed attempt delays no other one, so that a recovered service is found at once.
      if (!reply.ok) return 'failed';
      this.#refreshedAt = this.#now();
      await this.#take(reply.value);
      return 'fresh';
    };
    const refreshing = fetchKeys().finally(() => {
      this.#refreshing = undefined;
    });
    this.#refreshing = refreshing;
    return refreshing;
  }

  #load(): void {
    this.#refreshedAt = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#retry);
    void this.#refresh().then((refreshed) => {
      if (refreshed !== 'failed' || this.#stopped) return;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#load(), RETRY_MS);
    });
  }

  async #take(keySet: KeySet): Promise<void> {
    const keys = new Map<string, CryptoKey>();
    for (const jwk of keySet.keys.slice(0, MAX_KEYS)) {
      const { kid, kty, crv, x } = jwk;
      if (typeof kid !== 'string' || kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') continue;
      try {
        const key = await importJWK({ kty, crv, x }, TOKEN_ALGORITHM);
        if (!(key instanceof Uint8Array)) keys.set(kid, key);
      } catch (err) {
        this.#log.warn('a signing key cannot be read', { id: kid, err });
      }
    }
    this.#keys = keys;
    this.#unknown.clear();
    for (const revocation of this.#revocations.replace(keySet.revocations, this.#now())) this.#notify(revocation);
  }

  #notify(revocation: Revocation): void {
    for (const listener of [...this.#listeners]) listener(revocation);
  }
}

/**
 * Whether a token has three parts of canonical base64url (RFC 7515). Decoders also accept padding, white space and stray trailing bits, so
 * one token would have many spellings.
 */
const isCompact = (token: string): boolean => {
  const parts = token.split('.');
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
};
