/** Users whom somebody changes or deletes: whether he may, and what was decided is written to the account that it was decided about. */
import { LAST_ADMINISTRATOR, untilUnchanged } from '@polyedge/contracts/account-change';
import type { Account } from '@polyedge/contracts/bus/accounts';
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { got, type Result, refuse, refused } from '../protocol/answer.ts';
import type { UserRole } from '../protocol/permissions.ts';
import { type Accounts, userRole } from '../store/accounts/accounts.ts';
import type { Caller } from '../store/accounts/identity.ts';

const LAST_ADMIN = 'PERMISSION ERROR: There must always be at least one ADMIN user in the system.';
/** What a USER is told when he tries what only an ADMIN may, in SPACE's words. `promote`: to give somebody the role ADMIN. */
const TEXTS = {
  update: {
    promote: 'Only admins can change roles to admin.',
    admin: 'Only admins can update admin users.',
    other: 'You can only change your own user.',
  },
  role: {
    promote: 'Only admins can assign the role ADMIN.',
    admin: 'Only admins can update admin users.',
    other: 'Only admins can change roles for other users.',
  },
  key: {
    promote: '',
    admin: 'Only admins can regenerate API keys for other users.',
    other: 'Only admins can regenerate API keys for other users.',
  },
  delete: { promote: '', admin: 'Only admins can delete admin users.', other: 'You can only delete your own user.' },
} as const;

/** The caller of a route that takes users only. */
export type User = Extract<Caller, { kind: 'user' }>;

export class ChangeableUsers {
  readonly #accounts: Accounts;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /** The user with this name. */
  async known(username: string | undefined): Promise<Result<Account>> {
    const found = await this.#accounts.byName(username ?? '');
    if (!found.ok) return refused(found.failure);
    return found.value === undefined ? refuse(404, 'INVALID DATA: User not found') : got(found.value);
  }

  /**
   * The user of a path, if the caller may change him. Permission is looked at first, as in SPACE.
   * @param role what he would have then
   */
  async changeable(
    { account: caller, role: callerRole }: User,
    username: string | undefined,
    role: UserRole | undefined,
    change: keyof typeof TEXTS,
  ): Promise<Result<Account>> {
    const { promote, admin, other } = TEXTS[change];
    if (callerRole !== 'ADMIN' && role === 'ADMIN') return refuse(403, `PERMISSION ERROR: ${promote}`);
    // SPACE looks at the names before it looks for the user.
    if (callerRole !== 'ADMIN' && change === 'role' && username !== caller.username) return refuse(403, `PERMISSION ERROR: ${other}`);
    const found = await this.known(username);
    if (!found.ok) return found;
    const current = userRole(found.value);
    if (callerRole !== 'ADMIN' && current === 'ADMIN') return refuse(403, `PERMISSION ERROR: ${admin}`);
    if (callerRole !== 'ADMIN' && found.value.id !== caller.id) return refuse(403, `PERMISSION ERROR: ${other}`);
    return found;
  }

  /** Writes what was decided about an account, and decides again when it was changed meanwhile. */
  async decided<T>(decide: () => Promise<Result<Account>>, write: (account: Account) => Promise<Outcome<T>>): Promise<Result<Outcome<T>>> {
    const refusals: Result<never>[] = [];
    const outcome = await untilUnchanged(async () => {
      const account = await decide();
      if (account.ok) return await write(account.value);
      refusals.push(account);
      return failed('not-allowed');
    });
    const isLast = !outcome.ok && outcome.failure.code === 'not-allowed' && outcome.failure.detail === LAST_ADMINISTRATOR;
    return refusals[0] ?? (isLast ? refuse(403, LAST_ADMIN) : got(outcome));
  }
}
