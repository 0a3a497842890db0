/**
 * The caller of an API key or an access token: one request to the directory for the key and one for its owner. Results are not cached, so a
 * deleted key stops working at once; only evaluations may use recent results.
 */
import type { Account } from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { LRUCache } from 'lru-cache';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import { SPACE } from '../../protocol/event.ts';
import type { Organization } from '../../protocol/organization.ts';
import { type CallerKind, KEY_SCOPES, type KeyScope, type UserRole } from '../../protocol/permissions.ts';
import { ALL_ORGANIZATIONS } from '../../protocol/session.ts';
import { type Accounts, keyHash, userRole } from './accounts.ts';
import type { Organizations } from './organizations.ts';

/** Maximum number of cached keys. */
const MAX_REMEMBERED = 10_000;
/** How often a socket's key is looked up again because something about it changed meanwhile. */
const MAX_LOOKUPS = 3;

export type Caller =
  | { readonly kind: 'user'; readonly account: Account; readonly role: UserRole }
  | { readonly kind: 'organization'; readonly organization: Organization; readonly scope: KeyScope };

export const kindOf = (caller: Caller): CallerKind =>
  caller.kind === 'user' ? { kind: 'user', role: caller.role } : { kind: 'organization', scope: caller.scope };

/** The author recorded with a caller's writes. */
export const byOf = (caller: Caller): string => (caller.kind === 'user' ? caller.account.id : caller.organization.id);

/** Whether a change may concern what a principal was given. */
export type Concerns = (principal: Principal) => boolean;

export interface IdentityOptions {
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly tenant: string;
  /** How long a key may be cached for evaluations, in milliseconds; 0: not at all. */
  readonly memoryMs: number;
  /** Verifies an access token. */
  verify(token: string): Promise<Outcome<Principal>>;
}

export class Identity {
  readonly #accounts: Accounts;
  readonly #organizations: Organizations;
  readonly #tenant: string;
  readonly #memoryMs: number;
  readonly #verify: IdentityOptions['verify'];
  readonly #remembered = new LRUCache<string, { readonly caller: Caller; readonly since: number }>({ max: MAX_REMEMBERED });
  readonly #lookups = new Map<string, Promise<Result<Caller>>>();
  /** What has changed during each lookup of a socket's key. */
  readonly #changes = new Set<Concerns[]>();

  constructor(options: IdentityOptions) {
    this.#memoryMs = options.memoryMs;
    this.#verify = options.verify;
    this.#accounts = options.accounts;
    this.#organizations = options.organizations;
    this.#tenant = options.tenant;
  }

  /**
   * The same for evaluations, which are frequent: an organization's key that was looked up recently is taken from the cache. Keys in use
   * are refreshed in advance, so no caller waits.
   */
  async recentCallerOf(key: string): Promise<Result<Caller>> {
    if (this.#memoryMs === 0) return this.callerOf(key);
    const remembered = this.#remembered.get(key);
    const age = remembered === undefined ? Number.POSITIVE_INFINITY : performance.now() - remembered.since;
    if (remembered === undefined || age >= this.#memoryMs) return this.#lookUp(key);
    if (age >= this.#memoryMs / 2) void this.#lookUp(key);
    return got(remembered.caller);
  }

  /** Concurrent callers with the same key share one request. */
  #lookUp(key: string): Promise<Result<Caller>> {
    const pending = this.#lookups.get(key);
    if (pending !== undefined) return pending;
    // The answer reflects the state at this time or later.
    const since = performance.now();
    const asking = this.callerOf(key).then((caller) => {
      if (caller.ok && caller.value.kind === 'organization') this.#remembered.set(key, { caller: caller.value, since });
      else this.#remembered.delete(key);
      return caller;
    });
    this.#lookups.set(key, asking);
    const forget = (): void => void this.#lookups.delete(key);
    asking.then(forget, forget);
    return asking;
  }

  async callerOf(key: string): Promise<Result<Caller>> {
    const prefix = /^(usr|org)_[0-9A-Za-z]{16,200}$/.exec(key)?.[1];
    if (prefix === undefined) return refuse(401, 'Invalid API Key format. Keys begin with "usr_" or "org_"');
    const unknown = prefix === 'usr' ? refuse(401, 'INVALID DATA: Invalid API Key') : refuse(401, 'Invalid Organization API Key');
    const found = await this.#accounts.findKey(key);
    if (!found.ok) return found.failure.code === 'not-found' ? unknown : refused(found.failure);
    const { owner, scope } = found.value;
    if (owner.kind === 'account') return prefix === 'usr' ? this.#userOf(owner.id, unknown) : unknown;
    const organization = await this.#organizations.find(owner.id);
    if (!organization.ok) return organization.answer.status === 404 ? unknown : organization;
    const known = KEY_SCOPES.find((one) => one === scope);
    return known === undefined || prefix !== 'org'
      ? unknown
      : got({ kind: 'organization', organization: organization.value, scope: known });
  }

  /** The user of an access token of the directory, as pages have after a login. Revoked and expired tokens are 401. */
  async callerOfToken(token: string): Promise<Result<Caller>> {
    const unknown = refuse(401, 'INVALID DATA: Invalid access token');
    const verified = await this.#verify(token);
    if (!verified.ok) return verified.failure.code === 'unauthenticated' ? unknown : refused(verified.failure);
    return verified.value.tenant === this.#tenant ? this.#userOf(verified.value.account, unknown) : unknown;
  }

  async #userOf(id: string, unknown: Result<never>): Promise<Result<Caller>> {
    const accounts = await this.#accounts.byIds([id]);
    if (!accounts.ok) return refused(accounts.failure);
    const account = accounts.value.get(id);
    const role = account === undefined || account.disabled ? undefined : userRole(account);
    return account === undefined || role === undefined ? unknown : got({ kind: 'user', account, role });
  }

  /** Something has changed: lookups of sockets' keys that it concerns begin again. */
  changed(concerns: Concerns): void {
    for (const changes of this.#changes) changes.push(concerns);
  }

  /**
   * A socket's key as a principal: its `scopes` are the organizations whose events it may receive, its `session` is the hash of the key. It was
   * issued before every revocation, since a changed key is looked up again here.
   */
  async principalOf(key: string): Promise<Outcome<Principal>> {
    for (let lookups = 0; lookups < MAX_LOOKUPS; lookups += 1) {
      const changes: Concerns[] = [];
      this.#changes.add(changes);
      const found = await this.#principalOf(key).finally(() => this.#changes.delete(changes));
      if (!found.ok || !changes.some((concerns) => concerns(found.value))) return found;
    }
    return failed('unavailable');
  }

  async #principalOf(key: string): Promise<Outcome<Principal>> {
    const caller = await this.callerOf(key);
    if (!caller.ok) return failed(caller.answer.status === 401 ? 'unauthenticated' : 'unavailable');
    const organizations = await this.#heardBy(caller.value);
    if (!organizations.ok) return failed('unavailable');
    return {
      ok: true,
      value: {
        account: byOf(caller.value),
        tenant: this.#tenant,
        username: '',
        app: SPACE,
        roles: {},
        defaultScope: '',
        scopes: organizations.value,
        session: keyHash(key),
        issuedAt: 0,
        expiresAt: Number.MAX_SAFE_INTEGER,
      },
    };
  }

  async #heardBy(caller: Caller): Promise<Result<readonly string[]>> {
    if (caller.kind === 'organization') return got([caller.organization.id]);
    if (caller.role === 'ADMIN') return got([ALL_ORGANIZATIONS]);
    const organizations = await this.#organizations.of(caller.account.id);
    return organizations.ok ? got(organizations.value.map(({ id }) => id)) : organizations;
  }
}
