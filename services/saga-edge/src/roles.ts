/**
 * The roles of each tenant, cached in this process and read again when they change. They are stored in a disabled account of the directory,
 * because no protocol's data writes can reach its scope.
 */
import { CHANGED_MEANWHILE, untilUnchanged, versionOf } from '@polyedge/contracts/account-change';
import { type Account, accountsChanged, accountsCreate, accountsGet, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { isObject, textOr, textsOf } from '@polyedge/saga/elements';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import { type Permission, problemOfPermission, type Role, type Scope, SEED_ROLES } from './protocol/permissions.ts';

const TIMEOUT_MS = 5000;
const REREAD_MS = 30_000;
const MAX_TENANTS = 1000;
const MAX_ROLES = 500;

interface Book {
  /** The number of the request that read it. */
  readonly read: number;
  readonly account: Account | undefined;
  readonly roles: readonly Role[];
}

export class RoleCache {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #books = new Map<string, Book>();
  #reads = 0;
  #subscription: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, log: Log) {
    this.#bus = bus;
    this.#log = log;
  }

  start(): void {
    this.#subscription = this.#bus.subscribe(accountsChanged, accountsChanged.pattern({}), ({ id }, subject) => {
      for (const [tenant, { account }] of this.#books) {
        // As long as a tenant has changed no role, any of its new accounts may be that of its roles.
        const mayBe = account === undefined || account.id === id;
        if (mayBe && subject === accountsChanged.subject({ tenant })) void this.read(tenant);
      }
    });
    this.#timer = setInterval(() => {
      for (const tenant of this.#books.keys()) void this.read(tenant);
    }, REREAD_MS).unref();
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    clearInterval(this.#timer);
  }

  /** The roles as last read; none for a tenant that was never loaded. */
  of(tenant: string): readonly Role[] {
    return this.#books.get(tenant)?.roles ?? [];
  }

  /** The scope of the account with the roles: that of requests without a token. Empty until the roles were changed once. */
  scopeOf(tenant: string): string {
    return this.#books.get(tenant)?.account?.defaultScope ?? '';
  }

  /** Whether the roles of a tenant are loaded. */
  knows(tenant: string): boolean {
    return this.#books.has(tenant);
  }

  /** Loads the roles of a tenant for `of`. False if the directory did not answer. */
  async know(tenant: string): Promise<boolean> {
    return this.knows(tenant) || (await this.read(tenant));
  }

  async read(tenant: string): Promise<boolean> {
    this.#reads += 1;
    const read = this.#reads;
    const found = await this.#bus.request(
      accountsGet,
      accountsGet.subject({ tenant }),
      { username: bookName(tenant) },
      { timeoutMs: TIMEOUT_MS },
    );
    if (!found.ok) {
      this.#log.warn('the roles could not be read', { code: found.failure.code });
      return false;
    }
    // Replicas of the directory may answer in another order than they were asked.
    if ((this.#books.get(tenant)?.read ?? 0) > read) return true;
    const [account] = found.value.accounts;
    if (!this.#books.has(tenant) && this.#books.size >= MAX_TENANTS)
      for (const oldest of [...this.#books.keys()].slice(0, 1)) this.#books.delete(oldest);
    this.#books.set(tenant, { read, account, roles: account === undefined ? SEED_ROLES : rolesIn(account) });
    return true;
  }

  /** Updates the roles based on their current state, so that concurrent administrators do not undo each other's changes. */
  async write(author: RolesAuthor, change: (roles: readonly Role[]) => Outcome<readonly Role[]>): Promise<Outcome<void>> {
    return await untilUnchanged(() => this.#write(author, change));
  }

  async #write(
    { tenant, account: by, defaultScope }: RolesAuthor,
    change: (roles: readonly Role[]) => Outcome<readonly Role[]>,
  ): Promise<Outcome<void>> {
    if (!(await this.read(tenant))) return failed('unavailable');
    const changed = change(this.of(tenant));
    if (!changed.ok) return changed;
    if (changed.value.length > MAX_ROLES) return failed('too-large', `more than ${MAX_ROLES} roles`);
    const attributes = {
      roles: changed.value.map(({ former, ...role }) => ({
        ...role,
        permissions: role.permissions.map((permission) => ({ ...permission })),
        ...(former === undefined ? {} : { former: [...former] }),
      })),
    };
    const { account } = this.#books.get(tenant) ?? {};
    const written =
      account === undefined
        ? await this.#bus.request(
            accountsCreate,
            accountsCreate.subject({ tenant }),
            { username: bookName(tenant), roles: {}, attributes, by, ...(defaultScope === '' ? {} : { defaultScope }) },
            { timeoutMs: TIMEOUT_MS },
          )
        : await this.#bus.request(
            accountsUpdate,
            accountsUpdate.subject({ tenant }),
            { id: account.id, attributes, by, ...versionOf(account) },
            { timeoutMs: TIMEOUT_MS },
          );
    if (!written.ok) {
      // Another process has created the first role meanwhile.
      const isLate = account === undefined && written.failure.code === 'conflict';
      return isLate ? failed('conflict', CHANGED_MEANWHILE) : written;
    }
    await this.read(tenant);
    return done(undefined);
  }
}

interface RolesAuthor {
  readonly tenant: string;
  readonly account: string;
  readonly defaultScope: string;
}

/** No user can have this name, because names contain no space. */
const bookName = (tenant: string): string => `saga roles ${tenant}`;

function rolesIn({ attributes }: Account): readonly Role[] {
  const { roles } = attributes;
  if (!Array.isArray(roles)) return SEED_ROLES;
  return roles.flatMap((role) => {
    if (!isObject(role) || typeof role._id !== 'string') return [];
    const { permissions, scope } = role;
    return [
      {
        _id: role._id,
        title: textOr(role.title, ''),
        scope: scopeOf(scope) ?? 'normal',
        permissions: Array.isArray(permissions) ? permissions.flatMap(permissionIn) : [],
        ...(textsOf(role.former).length === 0 ? {} : { former: textsOf(role.former) }),
      },
    ];
  });
}

/** One permission as stored; `allow` defaults to true. */
export function permissionIn(value: unknown): Permission[] {
  if (problemOfPermission(value) !== undefined || !isObject(value)) return [];
  const { path, action, allow, filter } = value;
  return [{ path: textOr(path, ''), action: textOr(action, ''), allow: allow !== false, ...(filter === undefined ? {} : { filter }) }];
}

export const scopeOf = (value: unknown): Scope | undefined =>
  value === 'anonymous' || value === 'user-default' || value === 'normal' ? value : undefined;
