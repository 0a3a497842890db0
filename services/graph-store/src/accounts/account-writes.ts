/** Writes of accounts, through the executor: accounts have versions and changes like all elements. */
import { randomBytes } from 'node:crypto';
import { CHANGED_MEANWHILE } from '@polyedge/contracts/account-change';
import type { Account } from '@polyedge/contracts/bus/accounts';
import type { MutationOutcome, MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { type Element, SYSTEM_SCOPE, SYSTEM_TENANT } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Executor } from '../executor/executor.ts';
import { otherAdministrators } from './last-administrator.ts';

const WRITE_MS = 10_000;
/** How often a change is decided again because what it was decided from has changed. */
const ATTEMPTS = 10;

/** Reads that a decision is made from. */
export interface AccountReads {
  byId(id: string): Promise<Account | undefined>;
  /** The accounts of an organization after an id, by id; empty at the end. */
  page(tenant: string, after: string): Promise<readonly Account[]>;
}

/** A change of an account that may take somebody's rights. */
export interface Taking {
  /** The account as it was read. */
  readonly before: Account;
  /** The version that the caller had read, if it says so: when the account has another one, nothing is done. */
  readonly version: number | undefined;
  readonly operation: Extract<Operation, { op: 'update' | 'delete' }>;
  /** What the account is then; undefined if it is deleted. */
  after(account: Account): Account | undefined;
}

export class AccountWrites {
  readonly #executor: Executor;
  readonly #deadline: number;

  /** @param deadline when the caller stops waiting, on the clock of `performance.now()` */
  constructor(executor: Executor, deadline: number) {
    this.#executor = executor;
    this.#deadline = deadline;
  }

  /** Writes a change only if each protocol keeps an administrator, else `not-allowed`. */
  async take(by: string, { before, version, operation, after }: Taking, reads: AccountReads): Promise<Outcome<Element>> {
    const { id, tenant } = before;
    for (let account = before, left = ATTEMPTS; ; left -= 1) {
      const others = await otherAdministrators(account, after(account), (last) => reads.page(tenant, last));
      if (!others.ok) return others;
      const known = version ?? account.version;
      const written = await this.write(by, [{ ...operation, ...(known === undefined ? {} : { version: known }) }, ...others.value]);
      if (written.ok || written.failure.detail !== CHANGED_MEANWHILE || left <= 1) return written;
      const again = await reads.byId(id);
      if (again === undefined) return failed('not-found');
      if (version !== undefined && again.version !== version) return written;
      account = again;
    }
  }

  /**
   * The first operation is the change of an account; the others require something of other accounts.
   * @returns `conflict` with the detail `version` if an account is not as it was read
   */
  async write(by: string, operations: readonly [Operation, ...Operation[]]): Promise<Outcome<Element>> {
    const request: MutationRequest = {
      operationId: operationId(Date.now(), randomBytes(10)),
      by,
      app: 'graph-store',
      origin: { protocol: 'accounts', way: 'job', operation: operations[0].op },
      operations: [...operations],
    };
    const answered = await this.#executor.submit({
      tenant: SYSTEM_TENANT,
      defaultScope: SYSTEM_SCOPE,
      requests: [request],
      bytes: 1000,
      deadline: Math.min(performance.now() + WRITE_MS, this.#deadline),
      trusted: true,
    });
    if (!answered.ok) return answered;
    const outcome: MutationOutcome | undefined = answered.value.outcomes[0];
    if (outcome === undefined) return failed('internal');
    if (outcome.ok) {
      const element = outcome.value.operations[0]?.elements[0];
      return element === undefined ? failed('internal') : done(element);
    }
    const { failure, operation = 0 } = outcome;
    // The executor names the operation.
    const wasChanged = failure.code === 'conflict' && failure.detail === `operations/0: ${CHANGED_MEANWHILE}`;
    const othersWere = operation > 0 && (failure.code === 'conflict' || failure.code === 'not-found');
    return wasChanged || othersWere ? failed('conflict', CHANGED_MEANWHILE) : { ok: false, failure };
  }
}
