/** The roles of a session (Good Uncle: upgrade, downgrade; protocol page 3.1 and 3.2): their origin, expiry and revocation. */
import { createHash } from 'node:crypto';
import type { Revocation } from '@polyedge/contracts/bus/accounts';
import type { Principal } from '@polyedge/contracts/principal';
import { principalOf, tokenClaims } from '@polyedge/contracts/token-claims';
import type { Json } from '@polyedge/query/json';
import type { Grant } from './access.ts';

/** Maximum number of grants of a session. */
const MAX_GRANTS = 32;
/** This protocol's key in an account's roles. */
export const PROTOCOL = 'gooduncle';

export class Grants {
  #held: readonly Grant[] = [];

  /** In the order in which they were given. The list is never modified, so a request keeps the grants that it started with. */
  get held(): readonly Grant[] {
    return this.#held;
  }

  /** Without duplicates. */
  get roles(): readonly string[] {
    return [...new Set(this.#held.map(({ role }) => role))];
  }

  /** @returns the roles that are new, or undefined if there are too many */
  add(given: readonly Grant[]): readonly string[] | undefined {
    const before = new Set(this.roles);
    const same = (one: Grant): boolean => given.some(({ role, account }) => role === one.role && account === one.account);
    // A renewed role of the same account keeps its place.
    const renewed = this.#held.map((one) => (same(one) ? (given.find(({ role }) => role === one.role) ?? one) : one));
    const fresh = given.filter((one) => !renewed.includes(one));
    if (renewed.length + fresh.length > MAX_GRANTS) return undefined;
    this.#held = [...renewed, ...fresh];
    return [...new Set(fresh.map(({ role }) => role))].filter((role) => !before.has(role));
  }

  /** @returns the removed grants */
  remove(takes: (grant: Grant) => boolean): readonly Grant[] {
    const taken = this.#held.filter(takes);
    if (taken.length > 0) this.#held = this.#held.filter((grant) => !taken.includes(grant));
    return taken;
  }
}

/**
 * The grants of a principal's login.
 * @param expires undefined if it lasts as long as the connection
 */
export function grantsOf(principal: Principal, expires: number | undefined, only: string | undefined): readonly Grant[] {
  const roles = principal.roles[PROTOCOL] ?? [];
  const claims: Record<string, Json> = { sub: principal.account, username: principal.username };
  return [...new Set(roles)]
    .filter((role) => only === undefined || role === only)
    .map((role) => ({ role, claims, expires, account: principal.account, login: principal.session, issuedAt: principal.issuedAt }));
}

/** The principal of an access token that the directory has just returned; it needs no verification. */
export function principalOfToken(token: string): Principal | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    return tokenClaims.test(claims) ? principalOf(claims) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a revocation ends a grant. */
export const ends = ({ account, before, session }: Revocation, grant: Grant): boolean =>
  grant.account === account && grant.issuedAt < before && (session === undefined || session === grant.login);

/**
 * Checks the form of the proof that a client sent as its password: the hex SHA-256 of the password. Anything else is replaced by a proof
 * that never matches but is verified too, so that a malformed password takes as long and counts like a wrong one.
 */
export function proofOf(password: string): string {
  const hex = password.toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? hex : createHash('sha256').update(`not a hash\0${password}`).digest('hex');
}

/** Whether the password is an access token of a login elsewhere (staff). */
export const isToken = (password: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(password);
