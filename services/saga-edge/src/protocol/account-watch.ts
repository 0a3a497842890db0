/**
 * Keeps the rights of an open socket current: its account is read again after it has changed, and its rooms are judged again after the
 * tenant's roles may have changed. Roles are accounts too, so both are announced by `accountsChanged`.
 */
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { isObject } from '@polyedge/saga/elements';
import type { SagaError } from '@polyedge/saga/errors';
import type { Output } from '@polyedge/session/output';
import type { CallQuestion } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { SagaOut } from './codec.ts';
import type { Identity } from './identity.ts';
import type { Role } from './permissions.ts';

/** Delay after a change of any account before rooms are judged again, by when this edge has loaded the roles too. */
const RECHECK_MS = 700;
/** Delay before an account that could not be read is read again. */
const REREAD_MS = 1000;

/** Names of the timers that this class sets. */
export const RECHECK = 'recheck';
export const REREAD = 'reread';

export class AccountWatch {
  readonly #identity: Identity;
  readonly #out: Output<SagaOut>;
  /** Number of changes of the socket's own account. */
  #changes = 0;
  #rereading = false;
  /** `again`: an account has changed since the timer was set, perhaps too shortly before it for the roles to be loaded by then. */
  #recheck: 'none' | 'due' | 'again' = 'none';
  /** The tenant's roles by which rooms were last judged. */
  #judged: readonly Role[] | undefined;

  constructor(identity: Identity, out: Output<SagaOut>) {
    this.#identity = identity;
    this.#out = out;
  }

  /**
   * An account of the tenant has changed.
   * @returns whether `reread` must run
   */
  changed(body: unknown): boolean {
    if (this.#recheck === 'none') this.#set();
    else this.#recheck = 'again';
    if (!isObject(body) || body.id !== this.#identity.principal?.account) return false;
    this.#changes += 1;
    return this.#begin();
  }

  /**
   * The timer `RECHECK` has fired. It is set again if something has changed meanwhile, so that a stream of changes delays nothing.
   * @returns whether the roles have changed since the last call
   */
  rechecked(): boolean {
    if (this.#recheck === 'again') this.#set();
    else this.#recheck = 'none';
    const { knownRoles } = this.#identity;
    const isNew = knownRoles !== this.#judged;
    this.#judged = knownRoles;
    return isNew;
  }

  /**
   * The timer `REREAD` has fired.
   * @returns whether `reread` must run
   */
  retry(): boolean {
    this.#changes += 1;
    return this.#begin();
  }

  /** Reads the account until it has not changed meanwhile. */
  *read(principal: Principal): Task<CallQuestion, Outcome<SagaError | undefined>> {
    for (;;) {
      const change = this.#changes;
      const account = yield* this.#identity.readAccount(principal);
      if (!account.ok || account.value !== undefined || change === this.#changes) return account;
    }
  }

  /** Reads the socket's account again. @returns the reason if the account is rejected */
  *reread(): Task<CallQuestion, SagaError | undefined> {
    for (;;) {
      const { principal } = this.#identity;
      const account = principal === undefined ? done(undefined) : yield* this.read(principal);
      // The socket has another identity by now.
      if (principal !== this.#identity.principal) continue;
      this.#rereading = false;
      if (account.ok) return account.value;
      this.#out.effect({ do: 'set-timer', name: REREAD, ms: REREAD_MS });
      return undefined;
    }
  }

  #begin(): boolean {
    if (this.#rereading) return false;
    this.#rereading = true;
    return true;
  }

  #set(): void {
    this.#recheck = 'due';
    this.#out.effect({ do: 'set-timer', name: RECHECK, ms: RECHECK_MS });
  }
}
