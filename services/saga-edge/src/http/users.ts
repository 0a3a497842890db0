/** Users over REST (Saga protocol page, 6.2). A user is an account and a vertex with the account's id. */
import { randomBytes } from 'node:crypto';
import { untilUnchanged, versionOf } from '@polyedge/contracts/account-change';
import { sagaRolesOf } from '@polyedge/contracts/administrators';
import { type Account, accountsGet, accountsRevoke, accountsUpdate } from '@polyedge/contracts/bus/accounts';
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { hasForeignRoles } from '@polyedge/contracts/principal';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, isId, isObject, ofType, TYPES, textsOf } from '@polyedge/saga/elements';
import { INSUFFICIENT, INVALID_TOKEN, sagaError, unprocessable } from '@polyedge/saga/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Author } from '@polyedge/session/questions';
import { withSaga } from '../protocol/account.ts';
import { isNamed } from '../protocol/permissions.ts';
import { EMAIL_KEY, emailAttributes, nameInUse } from './emails.ts';
import { problemOfFields } from './fields.ts';
import { listParents, showParents } from './listing.ts';
import {
  authorOf,
  login,
  makeUser,
  problemOfPassword,
  proofOf,
  Refreshed,
  refresh,
  register,
  tokensOf,
  type UserRoutes,
} from './logins.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Store } from './store.ts';

const TIMEOUT_MS = 10_000;
const NO_USER = sagaError(404, 'User does not exist');

export function userRoutes(routes: Routes, options: UserRoutes): void {
  const { bus, store, roles } = options;
  const refreshed = new Refreshed();
  routes.add('POST', '/users/register', (request) => register(request, options));
  routes.add('POST', '/users/login', (request) => login(request, options));
  routes.add('POST', '/users/:id/refresh_token', (request) => refresh(request, options, refreshed));
  routes.add('POST', '/users/logout', async ({ body }) => {
    const refreshToken = isObject(body) ? body.refreshToken : undefined;
    if (typeof refreshToken !== 'string' || refreshToken === '') return refused(unprocessable('refreshToken', 'is missing'));
    refreshed.forget(refreshToken);
    const revoked = await bus.request(accountsRevoke, accountsRevoke.subject({}), { refreshToken }, { timeoutMs: TIMEOUT_MS });
    return revoked.ok || revoked.failure.code === 'not-found' ? ok({ ok: 1 }) : failure(revoked.failure);
  });
  // Every user may see itself.
  routes.add(
    'GET',
    '/users/me',
    (request) => (request.who.anonymous ? Promise.resolve(refused(INVALID_TOKEN)) : show(store, request, request.who.account)),
    'open',
  );
  routes.add(
    'GET',
    '/users',
    async (request) => {
      if (request.mayByRole('get', '/users')) return listParents(store, request, 'user');
      // The Unity client first looks up its own user by name.
      const own = request.query.search === `^${request.who.username}$`;
      if (request.who.anonymous) return refused(INVALID_TOKEN);
      return own ? listParents(store, request, 'user', request.who.account) : refused(INSUFFICIENT);
    },
    'open',
  );
  // Before `/:id`, which would match it as an id. There is no provider.
  routes.add('GET', '/users/oauth', () => Promise.resolve(ok([])));
  routes.add('GET', '/users/oauth/:name', () => Promise.resolve(refused(sagaError(404, 'OAuth provider does not exist'))));
  routes.add('GET', '/users/:id', (request) => show(store, request, request.params.id ?? ''));
  routes.add('POST', '/users', async (request) => {
    const made = await makeUser(request, options, true);
    return made.ok ? show(store, request, made.account.id) : refused(made.error);
  });
  routes.add('POST', '/users/test', async (request) => {
    const password = randomBytes(12).toString('base64url');
    const username = `test-${randomBytes(6).toString('hex')}`;
    const body = { ...(isObject(request.body) ? request.body : {}), username, password, test_data: true };
    const made = await makeUser({ ...request, body }, options, true);
    if (!made.ok) return refused(made.error);
    const tokens = await tokensOf(request, options, username, password);
    if (!tokens.ok) return failure(tokens.failure);
    const { accessToken, refreshToken } = tokens.value;
    return ok({ _id: made.account.id, username, password, test_data: true, accessToken, refreshToken });
  });
  routes.add('PUT', '/users/:id', (request) => change(request, options));
  routes.add('DELETE', '/users/:id', (request) => remove(request, options));
  for (const method of ['PUT', 'DELETE'] as const) {
    routes.add(method, '/users/:id/roles', async (request) => {
      const body = isObject(request.body) ? request.body : {};
      const named = [...textsOf(body.roles), ...[body.role, body.role_id, request.query.role].filter((name) => typeof name === 'string')];
      if (named.length === 0) return refused(unprocessable('roles', 'is missing'));
      const known = roles.of(request.who.tenant);
      if (!named.every((name) => known.some((role) => isNamed(role, name)))) return refused(sagaError(404, 'Role does not exist'));
      const meant = known.filter((role) => named.some((name) => isNamed(role, name)));
      const id = request.params.id ?? '';
      const written = await untilUnchanged(async () => {
        const account = await accountOf(bus, request.who.tenant, id);
        if (!account.ok) return account;
        if (account.value === undefined) return failed('not-found');
        // A former title stays what the account holds: the directory knows administrators by it.
        const held = sagaRolesOf(account.value).map((name) => known.find(({ _id }) => _id === name)?.title ?? name);
        const added = meant.filter((role) => !held.some((name) => isNamed(role, name))).map(({ title }) => title);
        const kept = held.filter((name) => !meant.some((role) => isNamed(role, name)));
        const next = method === 'PUT' ? [...held, ...added] : kept;
        return await setRoles(request, options, account.value, next);
      });
      if (written.ok) return show(store, request, id);
      return written.failure.code === 'not-found' ? refused(NO_USER) : failure(written.failure);
    });
  }
}

async function show(store: Store, request: Request, id: string): Promise<Reply> {
  const found = await store.one(request.who.tenant, id, TYPES.user);
  if (!found.ok) return failure(found.failure);
  if (found.value === undefined) return refused(NO_USER);
  const shown = await showParents(store, request, 'user', [found.value]);
  return shown.ok ? ok(shown.value[0]) : failure(shown.failure);
}

async function accountOf(bus: Bus, tenant: string, id: string): Promise<Outcome<Account | undefined>> {
  if (!isId(id)) return done(undefined);
  const found = await bus.request(accountsGet, accountsGet.subject({ tenant }), { ids: [id] }, { timeoutMs: TIMEOUT_MS });
  if (!found.ok) return found;
  const [account] = found.value.accounts;
  return done(account === undefined || account.disabled ? undefined : account);
}

async function setRoles(
  request: Request,
  { bus, store }: UserRoutes,
  account: Account,
  names: readonly string[],
): Promise<Outcome<unknown>> {
  const { tenant, account: by } = request.who;
  const attributes = withSaga(account.attributes, { roles: [...names] });
  const body = { id: account.id, attributes, by, ...versionOf(account) };
  const updated = await bus.request(accountsUpdate, accountsUpdate.subject({ tenant }), body, { timeoutMs: TIMEOUT_MS });
  if (!updated.ok) return updated;
  // For display only; the account is authoritative.
  return store.write(authorOf(account), 'roles', [{ op: 'update', target: { id: account.id }, set: { roles: [...names] } }]);
}

async function change(request: Request, options: UserRoutes): Promise<Reply> {
  const { bus, store } = options;
  const { who, params, path } = request;
  const body = isObject(request.body) ? request.body : undefined;
  if (body === undefined) return refused(sagaError(400, 'the body is not an object'));
  const wrong = problemOfFields(body, ['verified']);
  if (wrong !== undefined) return refused(wrong);
  const account = await accountOf(bus, who.tenant, params.id ?? '');
  if (!account.ok) return failure(account.failure);
  if (account.value === undefined) return refused(NO_USER);
  const set: Record<string, Json> = {};
  for (const field of ['displayname', 'email'] as const) {
    const value = body[field];
    if (value === undefined) continue;
    if (value !== null && (typeof value !== 'string' || value.length > 256)) return refused(unprocessable(field, 'is not a text'));
    if (field === 'displayname') set[field] = value;
    else Object.assign(set, emailAttributes(value));
  }
  const email = typeof body.email === 'string' ? body.email : undefined;
  const wanted = { username: account.value.username, email };
  const taken = email === undefined ? done(undefined) : await nameInUse(options, who.tenant, wanted, account.value.id);
  if (!taken.ok) return failure(taken.failure);
  if (taken.value !== undefined) return refused(unprocessable('email', 'is taken'));
  if (body.tags !== undefined) set.tags = textsOf(body.tags);
  const { password, verified, username } = body;
  if (username !== undefined && username !== account.value.username) return refused(unprocessable('username', 'cannot be changed'));
  const problem = problemOfPassword(password);
  if (problem !== undefined) return refused(unprocessable('password', problem));
  if (typeof verified === 'boolean') {
    if (!request.mayByRole('put', path)) return refused(INSUFFICIENT);
    set.verified = verified;
  }
  if (typeof password === 'string' && !(await mayDecide(request, account.value, bus))) return refused(INSUFFICIENT);
  const proof = typeof password === 'string' ? { proof: proofOf(password) } : {};
  const update = (more: object) => {
    const change = { id: account.value?.id ?? '', by: who.account, ...more };
    return bus.request(accountsUpdate, accountsUpdate.subject({ tenant: who.tenant }), change, { timeoutMs: TIMEOUT_MS });
  };
  if (typeof verified === 'boolean') {
    const updated = await untilUnchanged(async () => {
      const current = await accountOf(bus, who.tenant, params.id ?? '');
      if (!current.ok) return current;
      if (current.value === undefined) return failed('not-found');
      return await update({ attributes: withSaga(current.value.attributes, { verified }), ...versionOf(current.value) });
    });
    if (!updated.ok) return updated.failure.code === 'not-found' ? refused(NO_USER) : failure(updated.failure);
  }
  if ('proof' in proof) {
    const updated = await update(proof);
    if (!updated.ok) return failure(updated.failure);
  }
  const { id } = account.value;
  const written = await store.write(who, 'change', [{ op: 'update', target: { id }, set, unique: [EMAIL_KEY] }]);
  if (!written.ok) return written.failure.code === 'conflict' ? refused(unprocessable('email', 'is taken')) : failure(written.failure);
  const late = email === undefined ? done(undefined) : await nameInUse(options, who.tenant, wanted, id);
  if (late.ok && late.value === undefined) return show(store, request, id);
  // Another user has taken it as a user name meanwhile.
  await store.write(who, 'change', [{ op: 'update', target: { id }, set: emailAttributes(null) }]);
  return late.ok ? refused(unprocessable('email', 'is taken')) : failure(late.failure);
}

/**
 * Whether the caller may change the login of this account: not if the account has rights in other protocols that the caller does not have.
 */
async function mayDecide({ who }: Request, account: Account, bus: Bus): Promise<boolean> {
  if (account.id === who.account) return true;
  const caller = await accountOf(bus, who.tenant, who.account);
  return caller.ok && !hasForeignRoles(account.roles, caller.value?.roles ?? {}, 'saga');
}

/** The account is kept, disabled, so that its name and its id are never reused; everything else is deleted. */
async function remove(request: Request, { bus, store }: UserRoutes): Promise<Reply> {
  const { who, params } = request;
  const id = params.id ?? '';
  const found = await store.one(who.tenant, id, TYPES.user);
  if (!found.ok) return failure(found.failure);
  if (found.value === undefined) return refused(NO_USER);
  const account = await accountOf(bus, who.tenant, id);
  if (!account.ok) return failure(account.failure);
  if (account.value !== undefined && !(await mayDecide(request, account.value, bus))) return refused(INSUFFICIENT);
  const removed = await removeUsers({ bus, store }, who, [found.value]);
  return removed.ok ? ok({ ok: 1 }) : failure(removed.failure);
}

/** Deletes users with their properties, and disables their accounts. */
export async function removeUsers(
  { bus, store }: Pick<UserRoutes, 'bus' | 'store'>,
  who: Author,
  users: readonly Element[],
): Promise<Outcome<unknown>> {
  for (const { id } of users) {
    const body = { id, disabled: true, by: who.account };
    const updated = await bus.request(accountsUpdate, accountsUpdate.subject({ tenant: who.tenant }), body, { timeoutMs: TIMEOUT_MS });
    if (!updated.ok && updated.failure.code !== 'not-found') return updated;
  }
  return removeParents(store, who, users);
}

/** Deletes users or bots with their properties. */
export async function removeParents(store: Store, who: Author, parents: readonly Element[]): Promise<Outcome<unknown>> {
  for (const { id } of parents) {
    const where = both(ofType(TYPES.property), equal(attribute('parent_id'), id));
    const emptied = await store.removeAll(who, where);
    if (!emptied.ok) return emptied;
    // With those that were written meanwhile.
    const removed = await store.write(who, 'delete', [
      { op: 'delete', target: { where } },
      { op: 'delete', target: { id } },
    ]);
    if (!removed.ok && removed.failure.code !== 'not-found') return removed;
  }
  return done(undefined);
}
