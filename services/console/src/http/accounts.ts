import { createHash, randomBytes } from 'node:crypto';
import { untilUnchanged, versionOf } from '@polyedge/contracts/account-change';
import {
  type Account,
  accountsAddKey,
  accountsCreate,
  accountsFailedLogins,
  accountsGet,
  accountsRemoveKeys,
  accountsRevoke,
  accountsUpdate,
} from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { usernameKey } from '@polyedge/contracts/username';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import { isObject, objectOf, TIMEOUT_MS } from './answer.ts';

const timeout = { timeoutMs: TIMEOUT_MS };
/** Accounts of one page of the list. */
const PAGE = 200;
const MAX_PAGE = 1000;
const MIN_PASSWORD = 8;
const KEY_BYTES = 32;
/** This page's key in an account's roles. */
const HERE = 'console';

interface AccountRouteOptions {
  readonly bus: Bus;
  readonly log: Log;
}

/** Of a call that lists accounts: a part of their user names, how many, and the id after which the page begins. */
type AccountQuery = { readonly [name in 'text' | 'limit' | 'after']?: string | undefined };

/** A page of accounts in the order of their ids, with the failed logins that count; `next`, if there may be more, is the `after` of the next page. */
export async function listAccounts({ bus }: AccountRouteOptions, { tenant }: Principal, query: AccountQuery): Promise<Outcome<unknown>> {
  const { text = '', after = '' } = query;
  const limit = query.limit === undefined ? PAGE : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) return failed('invalid', `limit is a whole number from 1 to ${MAX_PAGE}`);
  const wanted = { limit, ...(text === '' ? {} : { text }), ...(after === '' ? {} : { after }) };
  const found = await bus.request(accountsGet, accountsGet.subject({ tenant }), wanted, timeout);
  if (!found.ok) return found;
  // A store of an older version has not looked for the text.
  const fitting = found.value.accounts.filter(({ username }) => usernameKey(username).includes(usernameKey(text)));
  const ids = fitting.map(({ id }) => id);
  const counted =
    ids.length === 0 ? undefined : await bus.request(accountsFailedLogins, accountsFailedLogins.subject({ tenant }), { ids }, timeout);
  // Accounts are returned even without the counts.
  const counts = new Map(counted?.ok ? counted.value.accounts.map(({ account, ...count }) => [account, count]) : []);
  const accounts = fitting.map((account) => {
    const failedLogins = counts.get(account.id);
    return { ...shown(account), ...(failedLogins === undefined ? {} : { failedLogins }) };
  });
  const last = found.value.accounts.length === limit ? found.value.accounts.at(-1)?.id : undefined;
  return { ok: true, value: { accounts, ...(last === undefined ? {} : { next: last }) } };
}

/** Clears the failed logins of an account, so that it can log in again. */
export async function clearFailedLogins({ bus, log }: AccountRouteOptions, who: Principal, id: string): Promise<Outcome<unknown>> {
  const forgotten = await bus.request(accountsFailedLogins, accountsFailedLogins.subject({ tenant: who.tenant }), { forget: id }, timeout);
  if (!forgotten.ok) return forgotten;
  log.warn('an administrator lets an account try to log in again', { id, by: who.account });
  return { ok: true, value: {} };
}

export async function createAccount(
  { bus, log }: AccountRouteOptions,
  who: Principal,
  body: unknown,
  address: string,
): Promise<Outcome<unknown>> {
  const fields = fieldsOf(body);
  if (!fields.ok) return fields;
  const { username } = objectOf(body);
  if (typeof username !== 'string' || username.trim() === '') return failed('invalid', 'a user name is needed');
  const { roles = {}, ...rest } = fields.value;
  if (outranks(roles, who)) return failed('not-allowed', 'you can only assign roles that you have');
  if (seesMore(rest.scopes, who)) return failed('not-allowed', FOREIGN_SCOPES);
  const request = { username, roles, by: who.account, address, ...rest };
  const made = await bus.request(accountsCreate, accountsCreate.subject({ tenant: who.tenant }), request, timeout);
  if (!made.ok) return made;
  log.info('an administrator created an account', { id: made.value.id, by: who.account });
  return { ok: true, value: shown(made.value) };
}

/** `version` in the body is the version that was shown: if the account has another one, it has been changed since. */
export async function updateAccount(
  { bus, log }: AccountRouteOptions,
  who: Principal,
  id: string,
  body: unknown,
  address: string,
): Promise<Outcome<unknown>> {
  const fields = fieldsOf(body);
  if (!fields.ok) return fields;
  const { roles, scopes } = fields.value;
  const { disabled, version } = objectOf(body);
  if (disabled !== undefined && typeof disabled !== 'boolean') return failed('invalid', 'disabled is true or false');
  if (version !== undefined && typeof version !== 'number') return failed('invalid', 'version is a number');
  if (roles !== undefined && outranks(roles, who)) return failed('not-allowed', 'you can only assign roles that you have');
  if (seesMore(scopes, who)) return failed('not-allowed', FOREIGN_SCOPES);
  const change = { id, by: who.account, address, ...fields.value, ...(disabled === undefined ? {} : { disabled }) };
  const changed = await untilUnchanged(async () => {
    const known = await manageable(bus, who, id);
    if (!known.ok) return known;
    const isOld = version !== undefined && known.value.version !== undefined && version !== known.value.version;
    if (isOld) return failed('conflict', 'the account was changed meanwhile: reload it');
    return await bus.request(
      accountsUpdate,
      accountsUpdate.subject({ tenant: who.tenant }),
      { ...change, ...versionOf(known.value) },
      timeout,
    );
  });
  if (!changed.ok) return changed;
  log.info('an administrator changed an account', { id, by: who.account });
  return { ok: true, value: shown(changed.value) };
}

/** Revokes all logins of the account here, and closes its sockets on every edge. */
export async function revokeAccount({ bus, log }: AccountRouteOptions, who: Principal, id: string): Promise<Outcome<unknown>> {
  const known = await manageable(bus, who, id);
  if (!known.ok) return known;
  const revoked = await bus.request(accountsRevoke, accountsRevoke.subject({}), { account: id }, timeout);
  if (revoked.ok) log.warn('an administrator revoked the tokens of an account', { id, by: who.account });
  return revoked;
}

/** Adds a key of SPACE. This answer is the only one of this page that contains it. */
export async function addKey({ bus, log }: AccountRouteOptions, who: Principal, id: string, body: unknown): Promise<Outcome<unknown>> {
  const known = await manageable(bus, who, id);
  if (!known.ok) return known;
  const role = known.value.roles.space?.[0];
  const { scope = role } = objectOf(body);
  if (typeof scope !== 'string' || role === undefined) return failed('invalid', 'the account has no role in SPACE');
  if (scope !== role) return failed('not-allowed', 'a key may do what the role of its account may');
  const apiKey = { key: randomBytes(KEY_BYTES).toString('hex'), owner: { kind: 'account', id }, scope };
  const added = await bus.request(accountsAddKey, accountsAddKey.subject({ tenant: who.tenant }), { apiKey, mode: 'add' }, timeout);
  if (!added.ok) return added;
  log.info('an administrator created an API key', { id, by: who.account });
  return { ok: true, value: { key: added.value.key, scope } };
}

export async function removeKeys({ bus, log }: AccountRouteOptions, who: Principal, id: string): Promise<Outcome<unknown>> {
  const known = await manageable(bus, who, id);
  if (!known.ok) return known;
  const owner = { kind: 'account', id };
  const removed = await bus.request(accountsRemoveKeys, accountsRemoveKeys.subject({ tenant: who.tenant }), { owner }, timeout);
  if (removed.ok) log.warn('an administrator removed the API keys of an account', { id, by: who.account });
  return removed;
}

/**
 * Returns the account, if the caller has all of its roles and data scopes: otherwise an administrator of this page could become the
 * administrator of a protocol, or read everything.
 */
async function manageable(bus: Bus, who: Principal, id: string): Promise<Outcome<Account>> {
  const found = await bus.request(accountsGet, accountsGet.subject({ tenant: who.tenant }), { ids: [id] }, timeout);
  if (!found.ok) return found;
  const account = found.value.accounts[0];
  if (account === undefined) return failed('not-found', 'there is no such account');
  if (outranks(account.roles, who)) return failed('not-allowed', 'the account has roles that you do not have');
  return seesMore(account.scopes, who)
    ? failed('not-allowed', 'the account has data scopes that you do not have')
    : { ok: true, value: account };
}

/**
 * An administrator of a protocol may assign all of its roles; of other protocols, only its own ones. Every caller here administers this
 * page.
 */
const outranks = (roles: Principal['roles'], who: Principal): boolean =>
  Object.entries(roles).some(([protocol, names]) => {
    const own = Object.hasOwn(who.roles, protocol) ? (who.roles[protocol] ?? []) : [];
    return protocol !== HERE && !own.some((role) => role.toLowerCase() === 'admin') && names.some((role) => !own.includes(role));
  });

const FOREIGN_SCOPES = 'you can only assign data scopes that you have';

/** Whether some of the data scopes are not the caller's. Administrators of HIRO, whose scopes they are, may assign all. */
const seesMore = (scopes: readonly string[] = [], who: Principal): boolean =>
  who.roles.hiro?.some((role) => role.toLowerCase() === 'admin') !== true &&
  !who.scopes.includes('*') &&
  scopes.some((scope) => scope !== who.defaultScope && !who.scopes.includes(scope));

const shown = ({ id, version, username, roles, defaultScope, scopes, disabled }: Account) => ({
  id,
  version,
  username,
  roles,
  defaultScope,
  scopes,
  disabled,
});

interface AccountFields {
  proof?: string;
  roles?: Record<string, string[]>;
  scopes?: string[];
}

function fieldsOf(body: unknown): Outcome<AccountFields> {
  const { password, roles, scopes } = objectOf(body);
  const fields: AccountFields = {};
  if (password !== undefined && password !== '') {
    if (typeof password !== 'string' || password.length < MIN_PASSWORD)
      return failed('invalid', `a password has at least ${MIN_PASSWORD} characters`);
    fields.proof = createHash('sha256').update(password, 'utf8').digest('hex');
  }
  if (roles !== undefined) {
    const entries = Object.entries(objectOf(roles));
    if (!isObject(roles) || !entries.every((entry): entry is [string, string[]] => isTexts(entry[1])))
      return failed('invalid', 'roles are lists of texts, by protocol');
    fields.roles = Object.fromEntries(entries);
  }
  if (scopes !== undefined) {
    if (!isTexts(scopes)) return failed('invalid', 'scopes are a list of texts');
    fields.scopes = scopes;
  }
  return { ok: true, value: fields };
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((one) => typeof one === 'string');
