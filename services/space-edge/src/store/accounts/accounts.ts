/** The directory of accounts as SPACE uses it: a user is an account with a role of SPACE. */
import { createHash, randomBytes } from 'node:crypto';
import { versionOf } from '@polyedge/contracts/account-change';
import {
  type Account,
  type ApiKey,
  accountsAddKey,
  accountsCreate,
  accountsDelete,
  accountsFindKey,
  accountsGet,
  accountsListKeys,
  accountsLogin,
  accountsRemoveKeys,
  accountsUpdate,
  type KeyOwner,
} from '@polyedge/contracts/bus/accounts';
import type { RequestChannel } from '@polyedge/contracts/channel';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import { SPACE } from '../../protocol/event.ts';
import { USER_ROLES, type UserRole } from '../../protocol/permissions.ts';

const PAGE = 1000;
/** Maximum accounts scanned by a search. */
const MAX_ACCOUNTS = 20_000;

export const userRole = (account: Account): UserRole | undefined => USER_ROLES.find((role) => account.roles[SPACE]?.includes(role));

export const newKey = (prefix: 'usr' | 'org'): string => `${prefix}_${randomBytes(32).toString('hex')}`;
/** The name of a key in the directory: SHA-256, hexadecimal. */
export const keyHash = (key: string): string => createHash('sha256').update(key, 'utf8').digest('hex');

export class Accounts {
  readonly #rest: RestTasks;
  readonly #tenant: string;

  constructor(rest: RestTasks, tenant: string) {
    this.#rest = rest;
    this.#tenant = tenant;
  }

  /** The user with this name and password. */
  async login(username: string, password: string, address: string): Promise<Outcome<Account>> {
    const body = { username, proof: proofOf(password), protocol: SPACE, app: SPACE, address: address.slice(0, 128) };
    const outcome = await this.#rest.request(accountsLogin, {}, body);
    if (!outcome.ok) return outcome;
    const { account } = outcome.value;
    return account.tenant === this.#tenant && userRole(account) !== undefined ? { ok: true, value: account } : failed('unauthenticated');
  }

  /**
   * One directory serves all protocols: with the organization's scope, every registered user could read and write everything through HIRO.
   */
  create(username: string, password: string, role: UserRole, by: string, address: string): Promise<Outcome<Account>> {
    const defaultScope = `own_${randomBytes(12).toString('hex')}`;
    return this.#request(accountsCreate, { username, proof: proofOf(password), roles: { [SPACE]: [role] }, defaultScope, by, address });
  }

  /**
   * Updates the given fields, if the account has not changed since it was read (else `conflict`, see `untilUnchanged`); roles of other
   * protocols stay.
   */
  update(
    account: Account,
    change: { readonly username?: string; readonly password?: string; readonly role?: UserRole },
    by: string,
  ): Promise<Outcome<Account>> {
    const { username, password, role } = change;
    return this.#request(accountsUpdate, {
      id: account.id,
      ...versionOf(account),
      by,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { proof: proofOf(password) }),
      ...(role === undefined ? {} : { roles: { ...account.roles, [SPACE]: [role] } }),
    });
  }

  /** Deletes a user; an account that other protocols use as well only loses its role of SPACE. */
  async delete(account: Account, by: string): Promise<Outcome<unknown>> {
    const { [SPACE]: _role, ...others } = account.roles;
    const known = { id: account.id, ...versionOf(account), by };
    if (Object.keys(others).length === 0) return this.#request(accountsDelete, known);
    const removed = await this.removeKeys({ kind: 'account', id: account.id });
    return removed.ok ? this.#request(accountsUpdate, { ...known, roles: others }) : removed;
  }

  async byName(username: string): Promise<Outcome<Account | undefined>> {
    if (username.length === 0 || username.length > 512) return { ok: true, value: undefined };
    const outcome = await this.#read(accountsGet, { username });
    return outcome.ok ? { ok: true, value: outcome.value.accounts.find((account) => userRole(account) !== undefined) } : outcome;
  }

  /** By id; missing ones are omitted. */
  async byIds(ids: readonly string[]): Promise<Outcome<ReadonlyMap<string, Account>>> {
    const known = new Map<string, Account>();
    for (let at = 0; at < ids.length; at += PAGE) {
      const outcome = await this.#read(accountsGet, { ids: ids.slice(at, at + PAGE) });
      if (!outcome.ok) return outcome;
      for (const account of outcome.value.accounts) known.set(account.id, account);
    }
    return { ok: true, value: known };
  }

  /** All users of SPACE, by id. */
  async all(): Promise<Outcome<readonly Account[]>> {
    const users: Account[] = [];
    for (let after: string | undefined, seen = 0; seen < MAX_ACCOUNTS; ) {
      const outcome = await this.#read(accountsGet, { limit: PAGE, ...(after === undefined ? {} : { after }) });
      if (!outcome.ok) return outcome;
      const { accounts } = outcome.value;
      users.push(...accounts.filter((account) => userRole(account) !== undefined));
      after = accounts.at(-1)?.id;
      seen += accounts.length;
      if (accounts.length < PAGE) break;
    }
    return { ok: true, value: users };
  }

  /** Looks up the owner of a key. Only its hash is sent. */
  findKey(key: string): Promise<Outcome<{ readonly owner: KeyOwner; readonly scope: string }>> {
    return this.#read(accountsFindKey, { hash: keyHash(key) });
  }

  addKey(apiKey: ApiKey, mode: 'add' | 'replace' | 'if-none'): Promise<Outcome<ApiKey>> {
    return this.#request(accountsAddKey, { apiKey, mode });
  }

  async keys(kind: KeyOwner['kind'], owners: readonly string[]): Promise<Outcome<readonly ApiKey[]>> {
    if (owners.length === 0) return { ok: true, value: [] };
    const outcome = await this.#read(accountsListKeys, { kind, owners: [...owners] });
    return outcome.ok ? { ok: true, value: outcome.value.keys } : outcome;
  }

  async removeKeys(owner: KeyOwner, key?: string): Promise<Outcome<number>> {
    const outcome = await this.#request(accountsRemoveKeys, { owner, ...(key === undefined ? {} : { hash: keyHash(key) }) });
    return outcome.ok ? { ok: true, value: outcome.value.removed } : outcome;
  }

  #read<Request, Reply>(channel: RequestChannel<`${string}{tenant}`, Request, Reply>, body: Request): Promise<Outcome<Reply>> {
    return this.#rest.requestWithRetries(channel, { tenant: this.#tenant }, body);
  }

  #request<Request, Reply>(channel: RequestChannel<`${string}{tenant}`, Request, Reply>, body: Request): Promise<Outcome<Reply>> {
    return this.#rest.request(channel, { tenant: this.#tenant }, body);
  }
}

/** Clients of two other protocols hash the password themselves, so the directory only accepts the hash. */
const proofOf = (password: string): string => createHash('sha256').update(password, 'utf8').digest('hex');
