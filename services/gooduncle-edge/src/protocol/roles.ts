/** How a session gains and loses roles (Good Uncle: upgrade, downgrade; protocol page 3.1 and 3.2). */
import { accountsKeysChanged, accountsLogin, accountsRevoked, KeySet, Revocation } from '@polyedge/contracts/bus/accounts';
import type { Principal } from '@polyedge/contracts/principal';
import { check } from '@polyedge/contracts/schema';
import { authenticate, call } from '@polyedge/session/questions';
import type { Grant } from './access.ts';
import { ends, grantsOf, isToken, PROTOCOL, principalOfToken, proofOf } from './grants.ts';
import { type ErrorResponse, forbidden, internal, notFound, slowDown, storeRefusal } from './problems.ts';
import type { RequestOfType } from './requests.ts';
import type { RequestContext, SessionOutput } from './session-output.ts';
import type { SessionWork } from './work.ts';

/** The session, as its roles see it. */
export interface RolesHost {
  /** An upgrade is in progress: later requests wait. */
  hold(): void;
  /** The upgrade is complete. */
  resume(): void;
  /** Ends the subscriptions that depend on such a grant. */
  withdraw(takes: (grant: Grant) => boolean): void;
  /** The earliest expiry of a grant that a subscription depends on; Infinity for never. */
  nextExpiry(): number;
}

const MAX_FAILED_UPGRADES = 5;
const FAILED_UPGRADE_MS = 60_000;
const LONGEST_TIMER_MS = 3_600_000;

const revocation = check(Revocation);
const keySet = check(KeySet);

export class SessionRoles {
  readonly #output: SessionOutput;
  readonly #host: RolesHost;
  /** Times of the last failed upgrades. */
  #failedUpgrades: number[] = [];
  #listening = false;

  constructor(output: SessionOutput, host: RolesHost) {
    this.#output = output;
    this.#host = host;
  }

  *upgrade(context: RequestContext, { by, role }: RequestOfType<'upgrade'>): SessionWork {
    this.#failedUpgrades = this.#failedUpgrades.filter((at) => this.#output.at - at < FAILED_UPGRADE_MS);
    if (this.#failedUpgrades.length >= MAX_FAILED_UPGRADES) {
      this.#output.refuse(context, slowDown());
      return;
    }
    this.#host.hold();
    // Before the login, so that no revocation is missed in between.
    this.#listen();
    context.storeAt = this.#output.at;
    if ('token' in by || isToken(by.password)) {
      const verified = yield* authenticate('token' in by ? by.token : by.password, { adopt: false });
      const wrongUser = verified.ok && 'user' in by && verified.value.username !== by.user;
      if (wrongUser || (!verified.ok && verified.failure.code === 'unauthenticated')) this.#upgradeFailed(context);
      else if (verified.ok) this.#upgraded(context, verified.value, verified.value.expiresAt, role);
      else this.#upgradeEnded(context, storeRefusal(verified.failure, this.#output));
      return;
    }
    const login = { username: by.user, proof: proofOf(by.password), protocol: PROTOCOL, app: PROTOCOL, address: this.#output.address };
    const tokens = yield* call(accountsLogin, {}, login, { unordered: true });
    if (!tokens.ok) {
      if (tokens.failure.code === 'unauthenticated') this.#upgradeFailed(context);
      else this.#upgradeEnded(context, storeRefusal(tokens.failure, this.#output));
      return;
    }
    const principal = principalOfToken(tokens.value.accessToken);
    if (principal === undefined) this.#upgradeEnded(context, internal(this.#output.incident('internal')));
    // A login lasts as long as its connection: the original has no expiry.
    else this.#upgraded(context, principal, undefined, role);
  }

  #upgraded(context: RequestContext, principal: Principal, expires: number | undefined, role: string | undefined): void {
    // An edge serves one tenant; accounts of other tenants are rejected.
    if (principal.tenant !== this.#output.settings.tenant) {
      this.#upgradeFailed(context);
      return;
    }
    const given = grantsOf(principal, expires, role);
    if (role !== undefined && given.length === 0) {
      this.#upgradeEnded(context, forbidden('role', 'role'));
      return;
    }
    const added = this.#output.grants.add(given);
    if (added === undefined) {
      this.#upgradeEnded(context, forbidden('limit'));
      return;
    }
    this.#rolesChanged();
    this.#output.answer(context, JSON.stringify({ added, expires: expires ?? null }), {});
    this.#host.resume();
  }

  #upgradeFailed(context: RequestContext): void {
    this.#failedUpgrades.push(this.#output.at);
    this.#upgradeEnded(context, forbidden('credentials'));
  }

  #upgradeEnded(context: RequestContext, why: ErrorResponse): void {
    this.#output.refuse(context, why);
    this.#host.resume();
  }

  downgrade(context: RequestContext, { roles }: RequestOfType<'downgrade'>): void {
    const held = this.#output.grants.roles;
    const removed = roles === undefined ? held : held.filter((role) => roles.includes(role));
    if (roles !== undefined && removed.length === 0) {
      this.#output.refuse(context, notFound('role'));
      return;
    }
    const taken = this.#output.grants.remove(({ role }) => removed.includes(role));
    this.#rolesChanged();
    this.#output.answer(context, JSON.stringify({ removed }), {});
    if (this.#output.settings.onDowngrade === 'revoke') this.#revoke((grant) => taken.includes(grant));
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#output.effect({ do: 'listen', id: 'revoked', subject: accountsRevoked.subject({}) });
    // Repeats revocations that may have been missed.
    this.#output.effect({ do: 'listen', id: 'keys', subject: accountsKeysChanged.subject({}) });
  }

  received(body: unknown): void {
    const revocations = revocation.test(body) ? [body] : keySet.test(body) ? body.revocations : [];
    if (revocations.length > 0) this.#revoke((grant) => revocations.some((one) => ends(one, grant)));
  }

  /** The server withdraws rights: roles are removed, and subscriptions that depend on them end. */
  #revoke(takes: (grant: Grant) => boolean): void {
    if (this.#output.grants.remove(takes).length > 0) this.#rolesChanged();
    this.#host.withdraw(takes);
  }

  #rolesChanged(): void {
    this.#output.rolesState += 1;
    this.setExpiry();
  }

  /** Sets the timer for the next expiry of a grant of the session or of a subscription. */
  setExpiry(): void {
    let next = this.#host.nextExpiry();
    for (const { expires } of this.#output.grants.held) next = Math.min(next, expires ?? next);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#output.effect({ do: 'set-timer', name: 'expiry', ms: Math.min(Math.max(1, next - this.#output.at), LONGEST_TIMER_MS) });
  }

  /** The timer for the expiry of grants has fired. */
  expired(): void {
    this.#revoke(({ expires }) => expires !== undefined && expires <= this.#output.at);
    this.setExpiry();
  }
}
