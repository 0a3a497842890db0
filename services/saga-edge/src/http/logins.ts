/** Registration, login and tokens (Saga protocol page, 1.4). */
import { createHash, randomBytes } from 'node:crypto';
import { sagaRolesOf } from '@polyedge/contracts/administrators';
import {
  type Account,
  accountsCreate,
  accountsDelete,
  accountsLogin,
  accountsRefresh,
  type TokenSet,
} from '@polyedge/contracts/bus/accounts';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { both, equal, isObject, ofType, TYPES, textsOf } from '@polyedge/saga/elements';
import { INVALID_TOKEN, type SagaError, sagaError, toError, UNVERIFIED, unprocessable } from '@polyedge/saga/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Author } from '@polyedge/session/questions';
import { withSaga } from '../protocol/account.ts';
import type { RoleCache } from '../roles.ts';
import { EMAIL_KEY, emailAttributes, nameInUse, usersWithEmail } from './emails.ts';
import { problemOfFields } from './fields.ts';
import { failure, ok, type Reply, refused } from './reply.ts';
import type { Request } from './server.ts';
import type { Store } from './store.ts';

export interface UserRoutes {
  readonly bus: Bus;
  readonly store: Store;
  readonly roles: RoleCache;
  readonly allowUnverified: boolean;
}

const TIMEOUT_MS = 10_000;
const USERNAME = /^[A-Za-z0-9_.@-]{1,64}$/;
const BAD_LOGIN = sagaError(401, 'Invalid username or password');
/** How long the answer to a refresh is repeated to a client that has not received it. */
const GRACE_MS = 60_000;
const MAX_GRACE = 10_000;

// Clients with plain passwords and clients that hash them share one directory.
export const proofOf = (password: string): string => createHash('sha256').update(password, 'utf8').digest('hex');

type Made = { readonly ok: true; readonly account: Account; readonly password: string } | { readonly ok: false; readonly error: SagaError };

/** Creates an account with the default roles, and its vertex. Without a password it cannot log in with one. */
export async function makeUser(request: Request, { bus, store, roles, allowUnverified }: UserRoutes, trusted: boolean): Promise<Made> {
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
  const wrong = problemOfFields(body, trusted ? ['verified', 'test_data'] : []);
  if (wrong !== undefined) return { ok: false, error: wrong };
  const { tenant } = request.who;
  const wanted = { username, email: typeof email === 'string' ? email : undefined };
  const taken = await nameInUse({ bus, store }, tenant, wanted);
  if (!taken.ok) return { ok: false, error: toError(taken.failure) };
  if (taken.value !== undefined) return bad(taken.value, 'is taken');
  const defaults = roles
    .of(tenant)
    .filter(({ scope }) => scope === 'user-default')
    .map(({ title }) => title);
  const verified = trusted ? body.verified !== false : allowUnverified;
  // A user without a password still gets tokens at registration: with a random password.
  const secret = typeof password === 'string' ? password : randomBytes(24).toString('base64url');
  const made = await bus.request(
    accountsCreate,
    accountsCreate.subject({ tenant }),
    {
      username,
      proof: proofOf(secret),
      roles: {},
      attributes: withSaga({}, { roles: defaults, verified }),
      // One directory serves all protocols: with the organization's scope, every registered user could read and write everything through
      // HIRO.
      defaultScope: `own_${randomBytes(12).toString('hex')}`,
      by: request.who.account === '' ? 'saga-edge' : request.who.account,
      address: request.address.slice(0, 128),
    },
    { timeoutMs: TIMEOUT_MS },
  );
  if (!made.ok) {
    return made.failure.code === 'conflict' ? bad('username', 'is taken') : { ok: false, error: toError(made.failure) };
  }
  const account = made.value;
  const written = await store.write(authorOf(account), 'register', [
    {
      op: 'update',
      target: { id: account.id },
      ifMissing: {
        type: TYPES.user,
        attributes: {
          username,
          ...(typeof email === 'string' ? emailAttributes(email) : {}),
          ...(typeof displayname === 'string' ? { displayname } : {}),
          verified,
          roles: defaults,
          tags: textsOf(body.tags),
          ...(test_data === true && trusted ? { test_data } : {}),
        },
      },
      unique: [EMAIL_KEY],
    },
  ]);
  if (!written.ok && written.failure.code !== 'conflict') return { ok: false, error: toError(written.failure) };
  const late = written.ok ? await nameInUse({ bus, store }, tenant, wanted, account.id) : done('email' as const);
  if (late.ok && late.value === undefined) return { ok: true, account, password: secret };
  await takeBack({ bus, store }, account);
  return late.ok ? bad(late.value ?? 'email', 'is taken') : { ok: false, error: toError(late.failure) };
}

/** Deletes an account that was just created and never used, so that its names are free again. */
async function takeBack({ bus, store }: Pick<UserRoutes, 'bus' | 'store'>, account: Account): Promise<void> {
  const { tenant, id } = account;
  await store.write(authorOf(account), 'register', [{ op: 'delete', target: { where: both(ofType(TYPES.user), equal(['id'], id)) } }]);
  await bus.request(accountsDelete, accountsDelete.subject({ tenant }), { id, by: 'saga-edge' }, { timeoutMs: TIMEOUT_MS });
}

export const authorOf = ({ tenant, defaultScope, id }: Account): Author => ({ tenant, defaultScope, account: id, app: 'saga' });

export const problemOfPassword = (password: Json | undefined): string | undefined =>
  password === undefined || password === null || (typeof password === 'string' && password.length >= 8 && password.length <= 200)
    ? undefined
    : 'is not 8 to 200 characters long';

export function tokensOf({ address }: Request, { bus }: UserRoutes, username: string, password: string): Promise<Outcome<TokenSet>> {
  const session = { protocol: 'saga', app: 'saga', address: address.slice(0, 128) };
  const body = { username, proof: proofOf(password), ...session };
  return bus.request(accountsLogin, accountsLogin.subject({}), body, { timeoutMs: TIMEOUT_MS });
}

export async function register(request: Request, options: UserRoutes): Promise<Reply> {
  const made = await makeUser(request, options, false);
  if (!made.ok) return refused(made.error);
  if (!options.allowUnverified) return ok({ ok: 1 });
  const { id, username } = made.account;
  const tokens = await tokensOf(request, options, username, made.password);
  if (!tokens.ok) return failure(tokens.failure);
  const email = isObject(request.body) && typeof request.body.email === 'string' ? { email: request.body.email } : {};
  const { accessToken, refreshToken } = tokens.value;
  return ok({ _id: id, username, ...email, accessToken, refreshToken });
}

/** The same answer for an unknown user and a wrong password. The user name may be the e-mail. */
export async function login(request: Request, options: UserRoutes): Promise<Reply> {
  const { username, password } = isObject(request.body) ? request.body : {};
  if (typeof username !== 'string' || username === '' || username.length > 512) return refused(unprocessable('username', 'is missing'));
  if (typeof password !== 'string' || password === '') return refused(unprocessable('password', 'is missing'));
  let tokens = await tokensOf(request, options, username, password);
  if (!tokens.ok && tokens.failure.code === 'unauthenticated' && username.includes('@')) {
    const named = await nameByEmail(request, options.store, username);
    // For an unknown address, a name that cannot exist: the answer takes as long.
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
  const found = await usersWithEmail(store, who.tenant, email);
  if (!found.ok || found.value.length !== 1) return undefined;
  const name = found.value[0]?.attributes.username;
  return typeof name === 'string' ? name : undefined;
}

/** Accounts created through another protocol get their vertex at their first login. */
async function ensureVertex(store: Store, account: Account): Promise<Outcome<unknown>> {
  const found = await store.many(account.tenant, [account.id]);
  if (!found.ok || found.value.length > 0) return found;
  const attributes = { username: account.username, verified: true, roles: [...sagaRolesOf(account)], tags: [] };
  return store.write(authorOf(account), 'register', [
    { op: 'update', target: { id: account.id }, ifMissing: { type: TYPES.user, attributes } },
  ]);
}

export async function refresh(request: Request, { bus }: UserRoutes, refreshed: Refreshed): Promise<Reply> {
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

/** Answers to refreshes of the last minute, for clients whose connection broke before they arrived. In this process only. */
export class Refreshed {
  readonly #kept = new Map<string, { readonly until: number; readonly tokens: Outcome<TokenSet> }>();

  get(token: string): Outcome<TokenSet> | undefined {
    const kept = this.#kept.get(proofOf(token));
    return kept !== undefined && kept.until > performance.now() ? kept.tokens : undefined;
  }

  keep(token: string, tokens: Outcome<TokenSet>): void {
    const key = proofOf(token);
    if (this.#kept.has(key)) return;
    for (const [old, { until }] of this.#kept) {
      if (until > performance.now() && this.#kept.size < MAX_GRACE) break;
      this.#kept.delete(old);
    }
    this.#kept.set(key, { until: performance.now() + GRACE_MS, tokens });
  }

  forget(token: string): void {
    this.#kept.delete(proofOf(token));
    for (const [key, { tokens }] of this.#kept) if (tokens.ok && tokens.value.refreshToken === token) this.#kept.delete(key);
  }
}
