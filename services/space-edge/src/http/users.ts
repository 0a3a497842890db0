/** `/users…`: log in, look around, change. A user changes only himself, an ADMIN everybody (SPACE 1.2 let any user change any other). */
import type { Account } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import { hasForeignRoles } from '@polyedge/contracts/principal';
import type { FastifyInstance } from 'fastify';
import { got, type RestAnswer, type Result, refuse, refused } from '../protocol/answer.ts';
import { SPACE } from '../protocol/event.ts';
import { directoryPage, type Fields, fieldsOf, paginated, textField, wordField } from '../protocol/fields.ts';
import { USER_ROLES, type UserRole } from '../protocol/permissions.ts';
import { type Accounts, newKey, userRole } from '../store/accounts/accounts.ts';
import type { Organizations } from '../store/accounts/organizations.ts';
import { type RestCall, serve } from './call.ts';
import { ChangeableUsers, type User } from './changeable-users.ts';

export interface UserRoutesOptions {
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  /** Whether anybody may create a user, or only an ADMIN. */
  readonly openRegistration: boolean;
}

const USERNAME = { min: 3, max: 30 } as const;
const PASSWORD = { min: 5, max: 200 } as const;
/** A USER has to know whom he looks for. */
const MIN_SEARCH = 4;

export function userRoutes(app: FastifyInstance, options: UserRoutesOptions): void {
  const users = new ChangeableUsers(options.accounts);
  entryRoutes(app, options);
  readingRoutes(app, options, users);
  changingRoutes(app, options, users);
}

/** To log in, and to create a user. */
function entryRoutes(app: FastifyInstance, options: UserRoutesOptions): void {
  const { accounts } = options;

  serve(app, 'POST', '/users/authenticate', async ({ body, address }) => {
    const fields = fieldsOf(body);
    const username = textField(fields, 'username', { required: true, min: 1, max: 512 });
    const password = textField(fields, 'password', { required: true, min: 1, max: 1000 });
    if (!username.ok) return username.answer;
    if (!password.ok) return password.answer;
    const account = await accounts.login(username.value ?? '', password.value ?? '', address);
    if (!account.ok) {
      return account.failure.code === 'unauthenticated'
        ? refuse(401, 'INVALID DATA: Invalid credentials').answer
        : refused(account.failure).answer;
    }
    const key = await settled(account.value, options);
    if (!key.ok) return key.answer;
    return { status: 200, body: { username: account.value.username, apiKey: key.value, role: userRole(account.value) }, headers: NO_STORE };
  });

  serve(app, 'POST', '/users', async ({ caller, body, address }) => {
    const read = newUser(fieldsOf(body));
    if (!read.ok) return read.answer;
    const byAdmin = caller?.kind === 'user' && caller.role === 'ADMIN';
    if (!options.openRegistration && !byAdmin) return refuse(403, 'PERMISSION ERROR: Only ADMIN users can create users').answer;
    const { username, password, role = 'USER' } = read.value;
    if (role === 'ADMIN' && !byAdmin) return refuse(403, 'PERMISSION ERROR: Only admins can create other admins.').answer;
    const created = await accounts.create(
      username,
      password,
      role,
      caller?.kind === 'user' ? caller.account.id : 'anonymous',
      address.slice(0, 128),
    );
    if (!created.ok) return created.failure.code === 'conflict' ? nameTaken(username) : refused(created.failure).answer;
    const key = await settled(created.value, options);
    if (!key.ok) return key.answer;
    // A USER sees no more of a user whom he made than of any other.
    const seen = caller === undefined || byAdmin ? { ...shownUser(created.value), apiKey: key.value } : unseenUser(created.value);
    return { status: 201, body: seen, headers: NO_STORE };
  });
}

function readingRoutes(app: FastifyInstance, { accounts }: UserRoutesOptions, users: ChangeableUsers): void {
  asUser(app, 'GET', '/users/me', async ({ account, role }) => ({ status: 200, body: { username: account.username, role } }));

  asUser(app, 'GET', '/users', async (user, { query }) => {
    const page = directoryPage(query);
    if (!page.ok) return page.answer;
    const q = typeof query.q === 'string' ? query.q : '';
    if (user.role !== 'ADMIN' && q.length < MIN_SEARCH) {
      return refuse(
        403,
        `PERMISSION ERROR: Only admins can retrieve the full user list without providing at least ${MIN_SEARCH} characters in the search query`,
      ).answer;
    }
    const all = await accounts.all();
    if (!all.ok) return refused(all.failure).answer;
    const found = all.value
      .filter(({ username }) => username.toLowerCase().includes(q.toLowerCase()))
      .sort((one, other) => (one.username < other.username ? -1 : 1));
    const { offset, limit } = page.value;
    const chosen = found.slice(offset, offset + limit);
    const data = await withKeys(chosen, (account) => user.role === 'ADMIN' || account.id === user.account.id);
    return data.ok ? { status: 200, body: { data: data.value, pagination: paginated(offset, limit, found.length) } } : data.answer;
  });

  asUser(app, 'GET', '/users/:username', async (user, { params }) => {
    const account = await users.known(params.username);
    if (!account.ok) return account.answer;
    const data = await withKeys([account.value], ({ id }) => user.role === 'ADMIN' || id === user.account.id);
    return data.ok ? { status: 200, body: data.value[0] } : data.answer;
  });

  async function withKeys(some: readonly Account[], visible: (account: Account) => boolean): Promise<Result<Record<string, unknown>[]>> {
    const keys = await accounts.keys(
      'account',
      some.filter(visible).map(({ id }) => id),
    );
    if (!keys.ok) return refused(keys.failure);
    return got(
      some.map((account) => {
        if (!visible(account)) return unseenUser(account);
        const apiKey = keys.value.find(({ owner }) => owner.id === account.id)?.key;
        return { ...shownUser(account), ...(apiKey === undefined ? {} : { apiKey }) };
      }),
    );
  }
}

function changingRoutes(app: FastifyInstance, { accounts, organizations }: UserRoutesOptions, users: ChangeableUsers): void {
  asUser(app, 'PUT', '/users/:username', async (user, { params, body }) => {
    const fields = fieldsOf(body);
    const username = textField(fields, 'username', USERNAME);
    const password = passwordField(fields, false);
    const role = wordField(fields, 'role', USER_ROLES);
    if (!username.ok) return username.answer;
    if (!password.ok) return password.answer;
    if (!role.ok) return role.answer;
    const decide = async (): Promise<Result<Account>> => {
      const account = await users.changeable(user, params.username, role.value, 'update');
      if (!account.ok) return account;
      const asLogin = username.value !== undefined || password.value !== undefined;
      if (asLogin && account.value.id !== user.account.id && hasForeignRoles(account.value.roles, user.account.roles, SPACE)) {
        return refuse(403, 'PERMISSION ERROR: This user has rights elsewhere that you do not have');
      }
      return account;
    };
    const updated = await users.decided(decide, (account) => {
      const change = {
        ...(username.value === undefined || username.value === account.username ? {} : { username: username.value }),
        ...(password.value === undefined ? {} : { password: password.value }),
        ...(role.value === undefined ? {} : { role: role.value }),
      };
      return accounts.update(account, change, user.account.id);
    });
    return updated.ok ? changed(updated.value, username.value ?? '') : updated.answer;
  });

  asUser(app, 'PUT', '/users/:username/role', async (user, { params, body }) => {
    const role = wordField(fieldsOf(body), 'role', USER_ROLES);
    if (!role.ok) return role.answer;
    if (role.value === undefined) return refuse(422, 'The role field is required').answer;
    const given = role.value;
    const updated = await users.decided(
      () => users.changeable(user, params.username, given, 'role'),
      (account) => accounts.update(account, { role: given }, user.account.id),
    );
    return updated.ok ? changed(updated.value, '') : updated.answer;
  });

  asUser(app, 'PUT', '/users/:username/api-key', async (user, { params }) => {
    const account = await users.changeable(user, params.username, undefined, 'key');
    if (!account.ok) return account.answer;
    const key = await accounts.addKey(keyOf(account.value), 'replace');
    return key.ok ? { status: 200, body: { apiKey: key.value.key }, headers: NO_STORE } : refused(key.failure).answer;
  });

  asUser(app, 'DELETE', '/users/:username', async (user, { params }) => {
    const decide = () => users.changeable(user, params.username, undefined, 'delete');
    // An ADMIN becomes a USER first: the last one stays, and then nothing of his may be given away.
    const demoted = await users.decided(decide, async (account) =>
      userRole(account) === 'ADMIN' ? await accounts.update(account, { role: 'USER' }, user.account.id) : done(account),
    );
    if (!demoted.ok) return demoted.answer;
    if (!demoted.value.ok) return refused(demoted.value.failure).answer;
    const { id } = demoted.value.value;
    const left = await organizations.letGo(id, user.account.id);
    if (!left.ok) return left.answer;
    const deleted = await users.decided(decide, (account) => accounts.delete(account, user.account.id));
    if (!deleted.ok) return deleted.answer;
    const { value: outcome } = deleted;
    if (!outcome.ok && outcome.failure.code !== 'not-found') return refused(outcome.failure).answer;
    // What he got meanwhile. Whoever gives him something from now on finds that he is gone.
    const late = await organizations.letGo(id, user.account.id);
    return late.ok ? { status: 204 } : late.answer;
  });
}

/** A route that takes users only. */
function asUser(
  app: FastifyInstance,
  method: 'GET' | 'PUT' | 'DELETE',
  path: string,
  handle: (user: User, call: RestCall) => Promise<RestAnswer>,
): void {
  serve(app, method, path, async (call) =>
    call.caller?.kind === 'user' ? handle(call.caller, call) : refuse(403, 'This operation requires a user API key').answer,
  );
}

const NO_STORE = { 'cache-control': 'no-store' } as const;

const keyOf = ({ id }: Account) => ({ key: newKey('usr'), owner: { kind: 'account' as const, id }, scope: 'USER' });

/** A user of SPACE has a key and a default organization; one that came another way gets them at the first login. */
async function settled(account: Account, { accounts, organizations }: UserRoutesOptions): Promise<Result<string>> {
  const key = await accounts.addKey(keyOf(account), 'if-none');
  if (!key.ok) return refused(key.failure);
  const organization = await organizations.ensureDefault(account);
  return organization.ok ? got(key.value.key) : organization;
}

const unseenUser = ({ id, username }: Account): Record<string, unknown> => ({ id, username });

const shownUser = (account: Account): Record<string, unknown> => ({ id: account.id, username: account.username, role: userRole(account) });

function changed(outcome: Awaited<ReturnType<Accounts['update']>>, username: string): RestAnswer {
  if (outcome.ok) return { status: 200, body: shownUser(outcome.value) };
  return outcome.failure.code === 'conflict' ? nameTaken(username) : refused(outcome.failure).answer;
}

/** 404, as clients of SPACE expect it. */
const nameTaken = (username: string): RestAnswer =>
  refuse(404, `There is already a user with the username ${username} that you are trying to set`).answer;

function newUser(fields: Fields): Result<{ readonly username: string; readonly password: string; readonly role: UserRole | undefined }> {
  const username = textField(fields, 'username', { ...USERNAME, required: true });
  if (!username.ok) return username;
  const password = passwordField(fields, true);
  if (!password.ok) return password;
  const role = wordField(fields, 'role', USER_ROLES);
  return role.ok ? got({ username: username.value ?? '', password: password.value ?? '', role: role.value }) : role;
}

function passwordField(fields: Fields, required: boolean): Result<string | undefined> {
  const password = textField(fields, 'password', { ...PASSWORD, required });
  return password.ok && password.value !== undefined && /\s/.test(password.value)
    ? refuse(422, 'The password field must not contain whitespace')
    : password;
}
