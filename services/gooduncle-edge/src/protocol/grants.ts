/** The roles of a session (Good Uncle: upgrade, downgrade; protocol page 3.1 and 3.2): who gave them, until when, and what takes them away. */
import { createHash } from 'node:crypto';
import type { Revocation } from '@polyedge/contracts/bus/accounts';
import type { Principal } from '@polyedge/contracts/principal';
import { principalOf, tokenClaims } from '@polyedge/contracts/token-claims';
import type { Json } from '@polyedge/query/json';
import type { Grant } from './access.ts';

/** Grants one session may hold. */
const MAX_GRANTS = 32;
/** The name of this protocol among an account's roles. */
export const PROTOCOL = 'gooduncle';

export class Grants {
  #held: readonly Grant[] = [];

  /** In the order in which they were given. The list itself never changes: a request that keeps it keeps what it had. */
  get held(): readonly Grant[] {
    return this.#held;
  }

  /** Each once. */
  get roles(): readonly string[] {
    return [...new Set(this.#held.map(({ role }) => role))];
  }

  /** @returns the roles that were not held before, or undefined when there are too many */
  add(given: readonly Grant[]): readonly string[] | undefined {
    const before = new Set(this.roles);
    const same = (one: Grant): boolean => given.some(({ role, account }) => role === one.role && account === one.account);
    // The same role of the same account stays in its place and is renewed.
    const renewed = this.#held.map((one) => (same(one) ? (given.find(({ role }) => role === one.role) ?? one) : one));
    const fresh = given.filter((one) => !renewed.includes(one));
    if (renewed.length + fresh.length > MAX_GRANTS) return undefined;
    this.#held = [...renewed, ...fresh];
    return [...new Set(fresh.map(({ role }) => role))].filter((role) => !before.has(role));
  }

  /** @returns what was taken */
  remove(takes: (grant: Grant) => boolean): readonly Grant[] {
    const taken = this.#held.filter(takes);
    if (taken.length > 0) this.#held = this.#held.filter((grant) => !taken.includes(grant));
    return taken;
  }
}

/** What a principal's login gives. @param expires undefined when it lasts as long as the connection */
export function grantsOf(principal: Principal, expires: number | undefined, only: string | undefined): readonly Grant[] {
  const roles = principal.roles[PROTOCOL] ?? [];
  const claims: Record<string, Json> = { sub: principal.account, username: principal.username };
  return [...new Set(roles)]
    .filter((role) => only === undefined || role === only)
    .map((role) => ({ role, claims, expires, account: principal.account, login: principal.session, issuedAt: principal.issuedAt }));
}

/** Who an access token that the directory has just given us is about; it needs no proof. */
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
 * The proof of what a client sent as its password: the hex SHA-256 of the password, which clients make themselves. Anything else is nobody's
 * proof, but is asked about all the same, so that a wrong form takes as long and counts as much as a wrong password.
 */
export function proofOf(password: string): string {
  const hex = password.toLowerCase();
  return /^[0-9a-f]{64}$/.test(hex) ? hex : createHash('sha256').update(`not a hash\0${password}`).digest('hex');
}

/** Whether a credential in the place of a password is an access token of a login elsewhere (staff). */
export const isToken = (password: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(password);
