/** Registration, login, tokens and users (Saga protocol page, 1.4 and 6.2). A user is an account and a vertex under the account's id. */
import { createHash, randomBytes } from 'node:crypto';
import {
  type Account,
  accountsCreate,
  accountsGet,
  accountsLogin,
  accountsRefresh,
  accountsRevoke,
  accountsUpdate,
  type TokenSet,
} from '@polyedge/contracts/bus/accounts';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { ranksElsewhere } from '@polyedge/contracts/principal';
import type { Json } from '@polyedge/query/json';
import type { Bus } from '@polyedge/service-kit/bus';
import { roleNamesOf, withSaga } from '../protocol/account.ts';
import { isObject, TYPES, textsOf } from '../protocol/elements.ts';
import { INSUFFICIENT, INVALID_TOKEN, type SagaError, sagaError, UNVERIFIED, unprocessable } from '../protocol/errors.ts';
import type { Roles } from '../roles.ts';
import { listParents, showParents } from './listing.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request, Routes } from './server.ts';
import type { Acting, Store } from './store.ts';

export interface UserRoutes {
  readonly bus: Bus;
  readonly store: Store;
  readonly roles: Roles;
  readonly allowUnverified: boolean;
}

const TIMEOUT_MS = 10_000;
const USERNAME = /^[A-Za-z0-9_.@-]{1,64}$/;
const BAD_LOGIN = sagaError(401, 'Invalid username or password');
const NO_USER = sagaError(404, 'User does not exist');
/** How long the answer to a refresh is given again to a client that lost it. */
const GRACE_MS = 60_000;
const MAX_GRACE = 10_000;

// Clients with plain passwords and clients that hash them share one directory.
const proofOf = (password: string): string => createHash('sha256').update(password, 'utf8').digest('hex');

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
  // Everybody who has a token may see himself.
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
      // What the Unity client does first is to look for itself by name.
      const own = request.query.search === `^${request.who.username}$`;
      if (request.who.anonymous) return refused(INVALID_TOKEN);
      return own ? listParents(store, request, 'user', request.who.account) : refused(INSUFFICIENT);
    },
    'open',
  );
  routes.add('GET', '/users/:id', (request) => show(store, request, request.params.id ?? ''));
  routes.add('POST', '/users', async (request) => {
    const made = await make(request, options, true);
    return made.ok ? show(store, request, made.account.id) : refused(made.error);
  });
  routes.add('POST', '/users/test', async (request) => {
    const password = randomBytes(12).toString('base64url');
    const username = `test-${randomBytes(6).toString('hex')}`;
    const body = { ...(isObject(request.body) ? request.body : {}), username, password, test_data: true };
    const made = await make({ ...request, body }, options, true);
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
      const meant = known.filter(({ _id, title }) => named.includes(_id) || named.includes(title));
      if (meant.length < named.length) return refused(sagaError(404, 'Role does not exist'));
      const account = await accountOf(bus, request.who.tenant, request.params.id ?? '');
      if (!account.ok) return failure(account.failure);
      if (account.value === undefined) return refused(NO_USER);
      const titles = meant.map(({ title }) => title);
      const held = roleNamesOf(account.value).map((name) => known.find(({ _id }) => _id === name)?.title ?? name);
      const next = method === 'PUT' ? [...new Set([...held, ...titles])] : held.filter((name) => !titles.includes(name));
      const written = await setRoles(request, options, account.value, next);
      return written.ok ? show(store, request, account.value.id) : failure(written.failure);
    });
  }
}

async function show(store: Store, request: Request, id: string): Promise<Reply> {
  const { tenant } = request.who;
  const found = await store.one(tenant, id, TYPES.user);
  if (!found.ok) return failure(found.failure);
  if (found.value === undefined) return refused(NO_USER);
  const shown = await showParents(store, tenant, 'user', [found.value]);
  return shown.ok ? ok(shown.value[0]) : failure(shown.failure);
}

async function accountOf(bus: Bus, tenant: string, id: string): Promise<Outcome<Account | undefined>> {
  if (id === '' || id.length > 512) return done(undefined);
  const found = await bus.request(accountsGet, accountsGet.subject({ tenant }), { ids: [id] }, { timeoutMs: TIMEOUT_MS });
  if (!found.ok) return found;
  const [account] = found.value.accounts;
  return done(account === undefined || account.disabled ? undefined : account);
}

type Made = { readonly ok: true; readonly account: Account; readonly password: string } | { readonly ok: false; readonly error: SagaError };

/** A new account with the default roles, and its vertex. Without a password it cannot log in by one. */
async function make(request: Request, { bus, store, roles, allowUnverified }: UserRoutes, trusted: boolean): Promise<Made> {
  const body = isObject(request.body) ? request.body : {};
  const { username, password, email, displayname, test_data } = body;
  const bad = (field: string, problem: string): Made => ({ ok: false, error: unprocessable(field, problem) });
  if (typeof username !== 'string') return bad('username', 'is missing');
  if (!USERNAME.test(username)) return bad('username', 'is not 1 to 64 letters, digits and _ . @ -');
  const problem = problemOfPassword(password);
  if (problem !== undefined) return bad('password', problem);
  for (const [field, value] of Object.entries({ email, displayname })) {
    if (value !== undefined && value !== null && (typeof value !== 'string' || value.length > 256)) return bad(field, 'is not a text');
  }
  const { tenant } = request.who;
  const defaults = roles
    .of(tenant)
    .filter(({ scope }) => scope === 'user-default')
    .map(({ title }) => title);
  const verified = trusted ? body.verified !== false : allowUnverified;
  // A user without a password still gets tokens when he registers: by one that nobody knows.
  const secret = typeof password === 'string' ? password : randomBytes(24).toString('base64url');
  const made = await bus.request(
    accountsCreate,
    accountsCreate.subject({ tenant }),
    {
      username,
      proof: proofOf(secret),
      roles: {},
      attributes: withSaga({}, { roles: defaults, verified }),
      // One directory serves all protocols: with the organization's scope, whoever registers could read and write everything through HIRO.
      defaultScope: `own_${randomBytes(12).toString('hex')}`,
      by: request.who.account === '' ? 'saga-edge' : request.who.account,
      address: request.address.slice(0, 128),
    },
    { timeoutMs: TIMEOUT_MS },
  );
  if (!made.ok) {
    if (made.failure.code === 'conflict') return bad('username', 'is taken');
    const refusal = failure(made.failure);
    return refusal.ok ? bad('username', 'is not accepted') : { ok: false, error: refusal.error };
  }
  const account = made.value;
  const written = await store.write(actingAs(account), 'register', [
    {
      op: 'update',
      target: { id: account.id },
      ifMissing: {
        type: TYPES.user,
        attributes: {
          username,
          ...(typeof email === 'string' ? { email } : {}),
          ...(typeof displayname === 'string' ? { displayname } : {}),
          verified,
          roles: defaults,
          tags: textsOf(body.tags),
          ...(test_data === true && trusted ? { test_data } : {}),
        },
      },
    },
  ]);
  if (written.ok) return { ok: true, account, password: secret };
  const refusal = failure(written.failure);
  return { ok: false, error: refusal.ok ? sagaError(500) : refusal.error };
}

const actingAs = ({ tenant, defaultScope, id }: Account): Acting => ({ tenant, defaultScope, account: id, app: 'saga' });

const problemOfPassword = (password: Json | undefined): string | undefined =>
  password === undefined || password === null || (typeof password === 'string' && password.length >= 8 && password.length <= 200)
    ? undefined
    : 'is not 8 to 200 characters long';

function tokensOf({ address }: Request, { bus }: UserRoutes, username: string, password: string): Promise<Outcome<TokenSet>> {
  const session = { protocol: 'saga', app: 'saga', address: address.slice(0, 128) };
  const body = { username, proof: proofOf(password), ...session };
  return bus.request(accountsLogin, accountsLogin.subject({}), body, { timeoutMs: TIMEOUT_MS });
}

async function register(request: Request, options: UserRoutes): Promise<Reply> {
  const made = await make(request, options, false);
  if (!made.ok) return refused(made.error);
  if (!options.allowUnverified) return ok({ ok: 1 });
  const { id, username } = made.account;
  const tokens = await tokensOf(request, options, username, made.password);
  if (!tokens.ok) return failure(tokens.failure);
  const email = isObject(request.body) && typeof request.body.email === 'string' ? { email: request.body.email } : {};
  const { accessToken, refreshToken } = tokens.value;
  return ok({ _id: id, username, ...email, accessToken, refreshToken });
}

/** The same answer whether the user is unknown or the password wrong. The user name may be the e-mail. */
async function login(request: Request, options: UserRoutes): Promise<Reply> {
  const { username, password } = isObject(request.body) ? request.body : {};
  if (typeof username !== 'string' || username === '' || username.length > 512) return refused(unprocessable('username', 'is missing'));
  if (typeof password !== 'string' || password === '') return refused(unprocessable('password', 'is missing'));
  let tokens = await tokensOf(request, options, username, password);
  if (!tokens.ok && tokens.failure.code === 'unauthenticated' && username.includes('@')) {
    const named = await nameByEmail(request, options.store, username);
    // For an address that nobody has, a name that nobody can have: the answer takes as long.
    tokens = await tokensOf(request, options, named ?? `nobody ${randomBytes(6).toString('hex')}`, password);
  }
  if (!tokens.ok) return tokens.failure.code === 'unauthenticated' ? refused(BAD_LOGIN) : failure(tokens.failure);
  const { account, accessToken, refreshToken } = tokens.value;
  const { saga } = account.attributes;
  if (!options.allowUnverified && isObject(saga) && saga.verified === false) return refused(UNVERIFIED);
  const ensured = await ensureVertex(options.store, account);
  if (!ensured.ok) return failure(ensured.failure);
  return ok({ _id: account.id, username: account.username, accessToken, refreshToken });
}

async function nameByEmail({ who }: Request, store: Store, email: string): Promise<string | undefined> {
  const filter = {
    all: [
      { test: 'equal' as const, path: ['type'], value: TYPES.user },
      { test: 'equal' as const, path: ['attributes', 'email'], value: email },
    ],
  };
  const found = await store.query(who.tenant, { filter, limit: 2 });
  if (!found.ok || found.value.elements.length !== 1) return undefined;
  const name = found.value.elements[0]?.attributes.username;
  return typeof name === 'string' ? name : undefined;
}

/** Accounts that came into being through another protocol get their vertex with their first login. */
async function ensureVertex(store: Store, account: Account): Promise<Outcome<unknown>> {
  const found = await store.many(account.tenant, [account.id]);
  if (!found.ok || found.value.length > 0) return found;
  const attributes = { username: account.username, verified: true, roles: [...roleNamesOf(account)], tags: [] };
  return store.write(actingAs(account), 'register', [
    { op: 'update', target: { id: account.id }, ifMissing: { type: TYPES.user, attributes } },
  ]);
}

async function refresh(request: Request, { bus }: UserRoutes, refreshed: Refreshed): Promise<Reply> {
  const refreshToken = isObject(request.body) ? request.body.refreshToken : undefined;
  if (typeof refreshToken !== 'string' || refreshToken === '' || refreshToken.length > 512) return refused(INVALID_TOKEN);
  const known = refreshed.get(refreshToken);
  const session = { protocol: 'saga', app: 'saga', address: request.address.slice(0, 128) };
  const subject = accountsRefresh.subject({});
  const tokens = known ?? (await bus.request(accountsRefresh, subject, { refreshToken, ...session }, { timeoutMs: TIMEOUT_MS }));
  if (!tokens.ok) return tokens.failure.code === 'unauthenticated' ? refused(INVALID_TOKEN) : failure(tokens.failure);
  if (tokens.value.account.id !== request.params.id) return refused(INVALID_TOKEN);
  refreshed.keep(refreshToken, tokens);
  return ok({ accessToken: tokens.value.accessToken, refreshToken: tokens.value.refreshToken });
}

/** Answers to refreshes of the last minute, for clients whose connection broke before they had them. By this process only. */
class Refreshed {
  readonly #kept = new Map<string, { readonly until: number; readonly tokens: Outcome<TokenSet> }>();

  get(token: string): Outcome<TokenSet> | undefined {
    const kept = this.#kept.get(proofOf(token));
    return kept !== undefined && kept.until > Date.now() ? kept.tokens : undefined;
  }

  keep(token: string, tokens: Outcome<TokenSet>): void {
    const key = proofOf(token);
    if (this.#kept.has(key)) return;
    for (const [old, { until }] of this.#kept) {
      if (until > Date.now() && this.#kept.size < MAX_GRACE) break;
      this.#kept.delete(old);
    }
    this.#kept.set(key, { until: Date.now() + GRACE_MS, tokens });
  }

  forget(token: string): void {
    this.#kept.delete(proofOf(token));
    for (const [key, { tokens }] of this.#kept) if (tokens.ok && tokens.value.refreshToken === token) this.#kept.delete(key);
  }
}

async function setRoles(
  request: Request,
  { bus, store }: UserRoutes,
  account: Account,
  names: readonly string[],
): Promise<Outcome<unknown>> {
  const { tenant, account: by } = request.who;
  const attributes = withSaga(account.attributes, { roles: [...names] });
  const body = { id: account.id, attributes, by };
  const updated = await bus.request(accountsUpdate, accountsUpdate.subject({ tenant }), body, { timeoutMs: TIMEOUT_MS });
  if (!updated.ok) return updated;
  // What is shown; what counts stands in the account.
  return store.write(actingAs(account), 'roles', [{ op: 'update', target: { id: account.id }, set: { roles: [...names] } }]);
}

async function change(request: Request, options: UserRoutes): Promise<Reply> {
  const { bus, store } = options;
  const { who, params, path } = request;
  const body = isObject(request.body) ? request.body : undefined;
  if (body === undefined) return refused(sagaError(400, 'the body is not an object'));
  const account = await accountOf(bus, who.tenant, params.id ?? '');
  if (!account.ok) return failure(account.failure);
  if (account.value === undefined) return refused(NO_USER);
  const set: Record<string, Json> = {};
  for (const field of ['displayname', 'email'] as const) {
    const value = body[field];
    if (value === undefined) continue;
    if (value !== null && (typeof value !== 'string' || value.length > 256)) return refused(unprocessable(field, 'is not a text'));
    set[field] = value;
  }
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
  const attributes = typeof verified === 'boolean' ? { attributes: withSaga(account.value.attributes, { verified }) } : {};
  if (Object.keys({ ...proof, ...attributes }).length > 0) {
    const update = { id: account.value.id, by: who.account, ...proof, ...attributes };
    const updated = await bus.request(accountsUpdate, accountsUpdate.subject({ tenant: who.tenant }), update, { timeoutMs: TIMEOUT_MS });
    if (!updated.ok) return failure(updated.failure);
  }
  const written = await store.write(who, 'change', [{ op: 'update', target: { id: account.value.id }, set }]);
  return written.ok ? show(store, request, account.value.id) : failure(written.failure);
}

/** Whether the caller may decide who logs in as this account: not where it has rights in other protocols that he has not. */
async function mayDecide({ who }: Request, account: Account, bus: Bus): Promise<boolean> {
  if (account.id === who.account) return true;
  const caller = await accountOf(bus, who.tenant, who.account);
  return caller.ok && !ranksElsewhere(account.roles, caller.value?.roles ?? {}, 'saga');
}

/** The account stays, disabled, so that its name and its id are never given again; everything else goes. */
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
  who: Acting,
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
export async function removeParents(store: Store, who: Acting, parents: readonly Element[]): Promise<Outcome<unknown>> {
  for (const { id } of parents) {
    const removed = await store.write(who, 'delete', [
      {
        op: 'delete',
        target: {
          where: {
            all: [
              { test: 'equal', path: ['type'], value: TYPES.property },
              { test: 'equal', path: ['attributes', 'parent_id'], value: id },
            ],
          },
        },
      },
      { op: 'delete', target: { id } },
    ]);
    if (!removed.ok && removed.failure.code !== 'not-found') return removed;
  }
  return done(undefined);
}
