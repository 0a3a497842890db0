/** The identity of a socket (Saga protocol page, 1.2): its token, its account with the roles, and its user's vertex. */
import { sagaRolesOf } from '@polyedge/contracts/administrators';
import { type Account, accountsChanged, accountsGet } from '@polyedge/contracts/bus/accounts';
import { graphGet } from '@polyedge/contracts/bus/graph';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { isObject, TYPES } from '@polyedge/saga/elements';
import { INVALID_TOKEN, MISSING_USER, type SagaError, toError, tokenError, UNVERIFIED } from '@polyedge/saga/errors';
import { type ParsedPost, refuse } from '@polyedge/saga/work';
import type { Output } from '@polyedge/session/output';
import { type Authenticate, authenticate, type CallQuestion, call, type Question, write } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { SagaOut } from './codec.ts';
import { type Action, allows, permissionsOf, type Role } from './permissions.ts';
import type { SagaSettings } from './session-settings.ts';

export class Identity {
  readonly #settings: SagaSettings;
  readonly #out: Output<SagaOut>;
  #principal: Principal | undefined;
  #roles: readonly string[] = [];

  constructor(settings: SagaSettings, out: Output<SagaOut>) {
    this.#settings = settings;
    this.#out = out;
  }

  get principal(): Principal | undefined {
    return this.#principal;
  }

  /** The roles of its tenant. */
  get knownRoles(): readonly Role[] {
    return this.#principal === undefined ? [] : this.#settings.rolesOf(this.#principal.tenant);
  }

  /** Verifies an access token. */
  *verify(accessToken: string | undefined): Task<Authenticate, ParsedPost<Principal>> {
    if (accessToken === undefined) return refuse(INVALID_TOKEN);
    const verified = yield* authenticate(accessToken, { adopt: true });
    if (verified.ok) return verified;
    const { code, detail } = verified.failure;
    return refuse(code === 'unauthenticated' ? tokenError(detail) : toError(verified.failure));
  }

  /** Adopts a principal. Changes of its account are subscribed to before it is read, so that none is missed. */
  adopt(principal: Principal): void {
    this.#principal = principal;
    this.#out.effect({ do: 'listen', id: 'accounts', subject: accountsChanged.subject({ tenant: principal.tenant }) });
  }

  /**
   * Reads the account and its roles.
   * @returns the reason if the account is rejected; a failure if it could not be read
   */
  *readAccount({ account: id, tenant }: Principal): Task<CallQuestion, Outcome<SagaError | undefined>> {
    const read = yield* call(accountsGet, { tenant }, { ids: [id] }, { unordered: true });
    if (!read.ok) return read;
    const [account] = read.value.accounts;
    const problem = problemOf(account);
    if (account !== undefined && problem === undefined && this.#principal?.account === id) this.#roles = sagaRolesOf(account);
    return done(problem);
  }

  /**
   * Finds the user's vertex; for accounts created through another protocol it is created now.
   * @returns the reason if the user is rejected
   */
  *findUser({ account, tenant, username }: Principal): Task<Question, SagaError | undefined> {
    const found = yield* call(graphGet, { tenant }, { ids: [account], includeDeleted: true }, { unordered: true });
    if (!found.ok) return toError(found.failure);
    const [user] = found.value.elements;
    if (user?.deleted === true) return MISSING_USER;
    if (user !== null && user !== undefined) return undefined;
    const attributes = { username, verified: true, roles: [...this.#roles], tags: [] };
    // It may exist by now; without it, only its own properties cannot be written.
    yield* write('register', [{ op: 'update', target: { id: account }, ifMissing: { type: TYPES.user, attributes } }]);
    return undefined;
  }

  may(action: Action, path: string): boolean {
    const principal = this.#principal;
    if (principal === undefined) return false;
    const permissions = permissionsOf(this.knownRoles, this.#roles);
    return allows(permissions, { path, action, self: this.#settings.selfAccess ? principal.account : undefined });
  }
}

function problemOf(account: Account | undefined): SagaError | undefined {
  if (account === undefined || account.disabled) return MISSING_USER;
  const { saga } = account.attributes;
  return isObject(saga) && saga.verified === false ? UNVERIFIED : undefined;
}
