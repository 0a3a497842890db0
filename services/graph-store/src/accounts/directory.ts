/** The directory: accounts, logins, tokens and their revocation. */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { CHANGED_MEANWHILE } from '@polyedge/contracts/account-change';
import type { Account, FailedLogins as FailedLoginsOf, Revocation, TokenSet } from '@polyedge/contracts/bus/accounts';
import { SYSTEM_SCOPE, SYSTEM_TENANT } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { claimsOf, TOKEN_ALGORITHM, TOKEN_TYPE } from '@polyedge/contracts/token-claims';
import { usernameKey } from '@polyedge/contracts/username';
import type { HashQueue } from '@polyedge/service-kit/hash-queue';
import { networkOf } from '@polyedge/service-kit/network';
import { SignJWT } from 'jose/jwt/sign';
import type { Executor } from '../executor/executor.ts';
import { newCuid } from '../postgres/batch.ts';
import type { Queries } from '../postgres/pool.ts';
import { ELEMENT_COLUMNS, type ElementRow, toElement } from '../postgres/rows.ts';
import { type AccountReads, AccountWrites } from './account-writes.ts';
import { ACCOUNT_TYPE, accountAttributes, toAccount, USERNAME_KEY } from './accounts.ts';
import type { AuthVertices } from './auth-vertices.ts';
import type { FailedLogins } from './failed-logins.ts';
import type { Keys } from './keys.ts';
import type { StoredPasswords } from './stored-passwords.ts';

const REFRESH_TOKEN_BYTES = 32;
/** The most accounts with failed logins that are listed. */
const MAX_FAILED = 1000;
/**
 * For protocols that specify it: how long a used refresh token gets its successor again, if that was not used, since a client may not have received it
 * (Saga protocol page, 1.4).
 */
const REFRESH_AGAIN_MS: Readonly<Record<string, number>> = { saga: 60_000 };

export interface DirectoryOptions {
  readonly sql: Queries;
  readonly executor: Executor;
  readonly keys: Keys;
  /** The operator's secret, from which the successors of refresh tokens are derived. */
  readonly secret: string;
  readonly vertices: AuthVertices;
  readonly failedLogins: FailedLogins;
  readonly hashes: HashQueue;
  readonly passwords: StoredPasswords;
  /** Lifetime of an access token by protocol. */
  readonly accessMs: (protocol: string) => number;
  readonly refreshMs: number;
  readonly onRevoked: (revocation: Revocation) => void;
  /** When the caller stops waiting, on the clock of `performance.now()`. Default: never. */
  readonly deadline?: number;
}

/** The protocol, application and client address of a request for tokens. */
export interface LoginContext {
  readonly protocol: string;
  readonly app: string;
  readonly address: string;
}

export interface NewAccount {
  readonly tenant: string;
  readonly username: string;
  readonly proof?: string;
  readonly roles: Account['roles'];
  readonly defaultScope: string;
  readonly scopes?: readonly string[];
  readonly attributes?: Account['attributes'];
  readonly by: string;
}

export type AccountChange = Partial<Pick<Account, 'roles' | 'defaultScope' | 'scopes' | 'disabled' | 'attributes'>> & {
  readonly id: string;
  /** Fails if the account has another version. */
  readonly version?: number;
  readonly username?: string;
  readonly proof?: string;
  readonly by: string;
};

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #writes: AccountWrites;
  readonly #reads: AccountReads = {
    byId: (id) => this.#byId(id),
    page: (tenant, after) => this.get(tenant, { after }),
  };

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#writes = new AccountWrites(options.executor, options.deadline ?? Number.POSITIVE_INFINITY);
  }

  /** A copy for a caller with this deadline, on the clock of `performance.now()`. */
  before(deadline: number): Directory {
    return new Directory({ ...this.#options, deadline });
  }

  /** For the first statement of a change only: once begun, a change is completed even if its caller has stopped waiting. */
  get #first(): Queries {
    return this.#options.sql.before(this.#options.deadline ?? Number.POSITIVE_INFINITY);
  }

  async login(username: string, proof: string, context: LoginContext): Promise<Outcome<TokenSet>> {
    const { failedLogins, passwords, deadline = Number.POSITIVE_INFINITY } = this.#options;
    const { address } = context;
    const waitMs = failedLogins.knownWaitMs(username, address);
    if (waitMs > 0) return limited(waitMs);
    let since = 0;
    const tried = await this.#inTurn(usernameKey(username), address, async (): Promise<Outcome<Account>> => {
      const waitMs = await failedLogins.count(username, address, deadline);
      if (waitMs > 0) return limited(waitMs);
      since = Date.now();
      const account = await this.#byUsername(username);
      if (!(await passwords.verify(proof, account?.id)) || account === undefined || account.disabled)
        return failed('unauthenticated', 'the user name or the password is wrong');
      await failedLogins.recordSuccess(username, address);
      return done(account);
    });
    if (!tried.ok) return tried;
    const refreshToken = randomBytes(REFRESH_TOKEN_BYTES).toString('base64url');
    return this.#issue(tried.value, randomBytes(12).toString('base64url'), context, { refreshToken, since });
  }

  /** Runs work that needs a hash in its turn, or not at all if its caller has stopped waiting. */
  async #inTurn<T>(account: string, address: string, work: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const { hashes, deadline = Number.POSITIVE_INFINITY } = this.#options;
    const outcome = await hashes.run({ address: networkOf(address), account, deadline }, work);
    return outcome === 'busy' || outcome === 'expired' ? failed(outcome) : outcome;
  }

  /**
   * Exchanges a refresh token. Its successor is derived from it, so it can be given again while `REFRESH_AGAIN_MS` allows. After that, one that was
   * used before may be stolen: the whole login is revoked.
   */
  async refresh(refreshToken: string, context: LoginContext): Promise<Outcome<TokenSet>> {
    const { sql, secret } = this.#options;
    const hash = hashOf(refreshToken);
    const next = createHmac('sha256', secret).update(`refresh\0${refreshToken}`).digest('base64url');
    const now = Date.now();
    const againMs = REFRESH_AGAIN_MS[context.protocol];
    const usedSince = againMs === undefined ? Number.MAX_SAFE_INTEGER : now - againMs;
    const [used] = await this.#first<{ login: string; account: string }[]>`
      update refresh_token set used_on = coalesce(used_on, ${now}::bigint) where hash = ${hash} and expires_on > ${now}
        and (used_on is null or protocol = ${context.protocol} and used_on > ${usedSince}
          and not exists (select 1 from refresh_token successor where successor.hash = ${hashOf(next)} and successor.used_on is not null))
      returning login, account`;
    if (used === undefined) {
      const [known] = await sql<
        { login: string; account: string }[]
      >`select login, account from refresh_token where hash = ${hash} and used_on is not null`;
      if (known !== undefined) await this.#revoke(known.account, known.login);
      return failed('unauthenticated', 'the refresh token is not valid');
    }
    const account = await this.#byId(used.account);
    if (account === undefined || account.disabled) return failed('unauthenticated', 'the refresh token is not valid');
    return this.#issue(account, used.login, context, { refreshToken: next, since: now });
  }

  /** Revokes the login of a refresh token. The result does not reveal whether there was one. */
  async revokeToken(refreshToken: string): Promise<Outcome<object>> {
    const [known] = await this.#first<{ login: string; account: string }[]>`
      select login, account from refresh_token where hash = ${hashOf(refreshToken)}`;
    if (known !== undefined) await this.#revoke(known.account, known.login);
    return done({});
  }

  async revokeAccount(account: string): Promise<Outcome<object>> {
    if ((await this.#byId(account)) === undefined) return failed('not-found');
    await this.#revoke(account, '');
    return done({});
  }

  /** @param address the client's, if known */
  async create(account: NewAccount, address = ''): Promise<Outcome<Account>> {
    const { tenant, username, proof, roles, defaultScope, scopes = [], attributes = {}, by } = account;
    if (tenant === SYSTEM_TENANT) return failed('invalid', "the tenant's name is reserved");
    const hashed = await this.#hash(usernameKey(username), proof, address);
    if (!hashed.ok) return hashed;
    const hash = hashed.value;
    // The form of ids that HIRO's clients expect.
    const id = `${newCuid()}_${newCuid()}`;
    // Saved first, so that an existing account always has its password, even if this process dies in between.
    if (hash !== undefined) await this.#options.passwords.save(id, hash);
    const stored = accountAttributes({ tenant, username, roles, defaultScope, scopes: [...scopes], disabled: false, attributes });
    const written = await this.#writes.write(by, [
      { op: 'create', type: ACCOUNT_TYPE, id, scope: SYSTEM_SCOPE, attributes: stored, unique: [USERNAME_KEY] },
    ]);
    if (!written.ok) {
      if (written.failure.code !== 'unavailable') await this.#options.passwords.remove(id);
      return written.failure.code === 'conflict' ? failed('conflict', 'the user name is taken') : written;
    }
    const made = toAccount(written.value);
    await this.#options.vertices.createRoles(tenant, made.roles.hiro ?? []);
    return done(made);
  }

  /** The stored form of a proof; undefined without one. */
  async #hash(account: string, proof: string | undefined, address: string): Promise<Outcome<string | undefined>> {
    if (proof === undefined) return done(undefined);
    return await this.#inTurn(account, address, async () => done(await this.#options.passwords.hash(proof)));
  }

  /** Changes an account. `not-allowed` if a protocol had no administrator then. */
  async update(tenant: string, { id, version, username, proof, by, ...change }: AccountChange, address = ''): Promise<Outcome<Account>> {
    const before = await this.#byId(id);
    if (before === undefined || before.tenant !== tenant) return failed('not-found');
    const hashed = await this.#hash(usernameKey(before.username), proof, address);
    if (!hashed.ok) return hashed;
    const hash = hashed.value;
    const named = username === undefined ? {} : { username, [USERNAME_KEY]: usernameKey(username) };
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const operation = { op: 'update' as const, target: { id }, set: { ...named, ...given }, unique: [USERNAME_KEY] };
    const mayTakeRights = change.roles !== undefined || change.disabled === true || change.attributes !== undefined;
    const written = mayTakeRights
      ? await this.#writes.take(by, { before, version, operation, after: (account) => ({ ...account, ...given }) }, this.#reads)
      : await this.#writes.write(by, [{ ...operation, ...(version === undefined ? {} : { version }) }]);
    if (!written.ok) {
      const { code, detail } = written.failure;
      return code === 'conflict' && detail !== CHANGED_MEANWHILE ? failed('conflict', 'the user name is taken') : written;
    }
    if (hash !== undefined) await this.#options.passwords.save(id, hash);
    // A token's claims must stay true until it expires, so tokens with outdated claims are revoked now.
    const affectsTokens =
      hash !== undefined ||
      change.roles !== undefined ||
      change.scopes !== undefined ||
      change.defaultScope !== undefined ||
      change.disabled === true;
    if (affectsTokens) await this.#revoke(id, '');
    const made = toAccount(written.value);
    if (change.roles !== undefined) await this.#options.vertices.createRoles(tenant, made.roles.hiro ?? []);
    return done(made);
  }

  /** Deletes an account and all its secrets. `not-allowed` if a protocol had no administrator then. */
  async delete(
    tenant: string,
    { id, version, by }: { readonly id: string; readonly version?: number; readonly by: string },
  ): Promise<Outcome<object>> {
    const { sql } = this.#options;
    const before = await this.#byId(id);
    if (before === undefined || before.tenant !== tenant) return failed('not-found');
    const written = await this.#writes.take(
      by,
      { before, version, operation: { op: 'delete', target: { id } }, after: () => undefined },
      this.#reads,
    );
    if (!written.ok) return written;
    await this.#options.passwords.remove(id);
    await sql`delete from api_key where tenant = ${tenant} and owner_kind = 'account' and owner = ${id}`;
    await this.#options.vertices.forget(tenant, id);
    await this.#revoke(id, '');
    return done({});
  }

  async get(
    tenant: string,
    wanted: {
      readonly ids?: readonly string[];
      readonly username?: string;
      readonly text?: string;
      readonly limit?: number;
      readonly after?: string;
    },
  ): Promise<Account[]> {
    const sql = this.#first;
    const { ids, username, text, limit = 1000, after = '' } = wanted;
    const condition =
      ids !== undefined
        ? sql`id in (select value collate "C" from json_array_elements_text(${JSON.stringify(ids)}::json))`
        : username !== undefined
          ? sql`attributes @> ${JSON.stringify({ [USERNAME_KEY]: usernameKey(username) })}::jsonb`
          : sql`id > ${after}`;
    const named = text === undefined ? sql`true` : sql`strpos(attributes ->> ${USERNAME_KEY}, ${usernameKey(text)}) > 0`;
    const rows = await sql<ElementRow[]>`
      select ${sql.unsafe(ELEMENT_COLUMNS)} from element where tenant = ${SYSTEM_TENANT} and type = ${ACCOUNT_TYPE} and not deleted
        and attributes ->> 'tenant' = ${tenant} and ${condition} and ${named} order by id limit ${limit}`;
    return rows.map((row) => toAccount(toElement(row)));
  }

  /**
   * @param forget an account whose failed logins are forgotten first
   * @param ids the only accounts to look at; undefined: all
   */
  async failedLogins(
    tenant: string,
    forget: string | undefined,
    ids: readonly string[] | undefined,
  ): Promise<Outcome<{ readonly accounts: FailedLoginsOf[] }>> {
    const { failedLogins, deadline = Number.POSITIVE_INFINITY } = this.#options;
    if (forget !== undefined) {
      const [account] = await this.get(tenant, { ids: [forget] });
      if (account === undefined) return failed('not-found', 'there is no such account');
      await failedLogins.forget(account.username);
    }
    const accounts: FailedLoginsOf[] = [];
    for (let after = ''; accounts.length < MAX_FAILED; ) {
      const page = await this.get(tenant, ids === undefined ? { after } : { ids });
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.id;
      const counted = await failedLogins.of(
        page.map(({ username }) => username),
        deadline,
      );
      for (const { id, username } of page) {
        const count = counted.get(username);
        if (count !== undefined) accounts.push({ account: id, ...count });
      }
      if (ids !== undefined) break;
    }
    return done({ accounts: accounts.slice(0, MAX_FAILED) });
  }

  /** The revocations that may apply to tokens that have not expired. */
  async revocations(): Promise<Revocation[]> {
    const rows = await this.#options.sql<
      { account: string; login: string; before: number }[]
    >`select account, login, before from revocation`;
    return rows.map(({ account, login, before }) => ({ account, before, ...(login === '' ? {} : { session: login }) }));
  }

  /** Deletes expired revocations, tokens and failed logins. */
  async sweep(longestMs: number): Promise<void> {
    const { sql, failedLogins } = this.#options;
    await sql`delete from revocation where before < ${Date.now() - longestMs}`;
    await sql`delete from refresh_token where expires_on < ${Date.now()}`;
    await failedLogins.sweep();
  }

  /** @param since when the account was read: a revocation since then means that the account changed. A login may wait long for its turn. */
  async #issue(
    account: Account,
    login: string,
    { protocol, app }: LoginContext,
    { refreshToken, since }: { readonly refreshToken: string; readonly since: number },
  ): Promise<Outcome<TokenSet>> {
    const { sql, keys, accessMs, refreshMs } = this.#options;
    const issuedAt = Date.now();
    const expiresAt = issuedAt + accessMs(protocol);
    await sql`insert into refresh_token (hash, login, account, protocol, app, expires_on)
      values (${hashOf(refreshToken)}, ${login}, ${account.id}, ${protocol}, ${app}, ${issuedAt + refreshMs}) on conflict (hash) do nothing`;
    // Checked after the new refresh token is stored: a revocation is either seen here or deletes that token.
    const [revoked] = await sql`
      select 1 from revocation where account = ${account.id} and login in ('', ${login}) and before >= ${since}`;
    if (revoked !== undefined) {
      await sql`delete from refresh_token where login = ${login}`;
      return failed('unauthenticated', 'the account was changed meanwhile');
    }
    const claims = claimsOf({ account, session: login, app, protocol, id: randomBytes(9).toString('base64url'), issuedAt, expiresAt });
    const accessToken = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: keys.signing.kid, typ: TOKEN_TYPE })
      .sign(keys.signing.key);
    return done({ accessToken, expiresAt, refreshToken, account });
  }

  async #revoke(account: string, login: string): Promise<void> {
    const { sql, onRevoked } = this.#options;
    // Includes tokens issued in this millisecond.
    const before = Date.now() + 1;
    if (login === '') await sql`delete from refresh_token where account = ${account}`;
    else await sql`delete from refresh_token where login = ${login}`;
    await sql`insert into revocation (account, login, before) values (${account}, ${login}, ${before})
      on conflict (account, login) do update set before = greatest(revocation.before, excluded.before)`;
    onRevoked({ account, before, ...(login === '' ? {} : { session: login }) });
  }

  async #byUsername(username: string): Promise<Account | undefined> {
    const rows = await this.#options.sql<ElementRow[]>`
      select ${this.#options.sql.unsafe(ELEMENT_COLUMNS)} from element where tenant = ${SYSTEM_TENANT} and type = ${ACCOUNT_TYPE} and not deleted
        and attributes @> ${JSON.stringify({ [USERNAME_KEY]: usernameKey(username) })}::jsonb limit 1`;
    return rows[0] === undefined ? undefined : toAccount(toElement(rows[0]));
  }

  async #byId(id: string): Promise<Account | undefined> {
    const rows = await this.#first<ElementRow[]>`
      select ${this.#options.sql.unsafe(ELEMENT_COLUMNS)} from element where tenant = ${SYSTEM_TENANT} and type = ${ACCOUNT_TYPE} and id = ${id} and not deleted`;
    return rows[0] === undefined ? undefined : toAccount(toElement(rows[0]));
  }
}

const limited = (waitMs: number): Outcome<never> => ({
  ok: false,
  failure: { code: 'limited', detail: 'too many failed logins', retryAfterMs: waitMs },
});

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
