/** How a session gains and loses roles (Good Uncle: upgrade, downgrade; protocol page 3.1 and 3.2). */
import { accountsKeysChanged, accountsLogin, accountsRevoked, KeySet, Revocation } from '@polyedge/contracts/bus/accounts';
import type { Principal } from '@polyedge/contracts/principal';
import { check } from '@polyedge/contracts/schema';
import { ask, authenticate } from '@polyedge/session/questions';
import type { Grant } from './access.ts';
import { ends, grantsOf, isToken, PROTOCOL, principalOfToken, proofOf } from './grants.ts';
import { forbidden, internal, notFound, type Refusal, slowDown, storeRefusal } from './problems.ts';
import type { Request } from './requests.ts';
import type { Asked, Talk } from './talk.ts';
import type { Work } from './work.ts';

type Of<Type extends Request['type']> = Extract<Request, { type: Type }>;

/** What the rest of the session has to do with its roles. */
export interface RolesHost {
  /** An upgrade is under way: what comes behind it waits. */
  hold(): void;
  /** It is over. */
  goOn(): void;
  /** Ends the subscriptions that were made with such a grant. */
  withdraw(takes: (grant: Grant) => boolean): void;
  /** When the first grant that some subscription was made with ends; Infinity for never. */
  nextExpiry(): number;
}

const MAX_FAILED_UPGRADES = 5;
const FAILED_UPGRADE_MS = 60_000;
const LONGEST_TIMER_MS = 3_600_000;

const revocation = check(Revocation);
const keySet = check(KeySet);

export class Roles {
  readonly #talk: Talk;
  readonly #host: RolesHost;
  /** When upgrades failed, the last few. */
  #failedUpgrades: number[] = [];
  #listening = false;

  constructor(talk: Talk, host: RolesHost) {
    this.#talk = talk;
    this.#host = host;
  }

  *upgrade(asked: Asked, { by, role }: Of<'upgrade'>): Work {
    this.#failedUpgrades = this.#failedUpgrades.filter((at) => this.#talk.at - at < FAILED_UPGRADE_MS);
    if (this.#failedUpgrades.length >= MAX_FAILED_UPGRADES) {
      this.#talk.refuse(asked, slowDown());
      return;
    }
    this.#host.hold();
    // Before the login, so that no revocation can fall between the two.
    this.#listen();
    asked.storeAt = this.#talk.at;
    if ('token' in by || isToken(by.password)) {
      const verified = yield* authenticate('token' in by ? by.token : by.password, { adopt: false });
      const wrongUser = verified.ok && 'user' in by && verified.value.username !== by.user;
      if (wrongUser || (!verified.ok && verified.failure.code === 'unauthenticated')) this.#upgradeFailed(asked);
      else if (verified.ok) this.#upgraded(asked, verified.value, verified.value.expiresAt, role);
      else this.#upgradeEnded(asked, storeRefusal(verified.failure, this.#talk));
      return;
    }
    const login = { username: by.user, proof: proofOf(by.password), protocol: PROTOCOL, app: PROTOCOL, address: this.#talk.address };
    const tokens = yield* ask(accountsLogin, {}, login, { unordered: true });
    if (!tokens.ok) {
      if (tokens.failure.code === 'unauthenticated') this.#upgradeFailed(asked);
      else this.#upgradeEnded(asked, storeRefusal(tokens.failure, this.#talk));
      return;
    }
    const principal = principalOfToken(tokens.value.accessToken);
    if (principal === undefined) this.#upgradeEnded(asked, internal(this.#talk.incident('internal')));
    // A login lasts as long as its connection: the original knows no end of it.
    else this.#upgraded(asked, principal, undefined, role);
  }

  #upgraded(asked: Asked, principal: Principal, expires: number | undefined, role: string | undefined): void {
    // An edge serves one tenant; who belongs to another is nobody here.
    if (principal.tenant !== this.#talk.settings.tenant) {
      this.#upgradeFailed(asked);
      return;
    }
    const given = grantsOf(principal, expires, role);
    if (role !== undefined && given.length === 0) {
      this.#upgradeEnded(asked, forbidden('role', 'role'));
      return;
    }
    const added = this.#talk.grants.add(given);
    if (added === undefined) {
      this.#upgradeEnded(asked, forbidden('limit'));
      return;
    }
    this.#rolesChanged();
    this.#talk.answer(asked, JSON.stringify({ added, expires: expires ?? null }), {});
    this.#host.goOn();
  }

  #upgradeFailed(asked: Asked): void {
    this.#failedUpgrades.push(this.#talk.at);
    this.#upgradeEnded(asked, forbidden('credentials'));
  }

  #upgradeEnded(asked: Asked, why: Refusal): void {
    this.#talk.refuse(asked, why);
    this.#host.goOn();
  }

  downgrade(asked: Asked, { roles }: Of<'downgrade'>): void {
    const held = this.#talk.grants.roles;
    const removed = roles === undefined ? held : held.filter((role) => roles.includes(role));
    if (roles !== undefined && removed.length === 0) {
      this.#talk.refuse(asked, notFound('role'));
      return;
    }
    const taken = this.#talk.grants.remove(({ role }) => removed.includes(role));
    this.#rolesChanged();
    this.#talk.answer(asked, JSON.stringify({ removed }), {});
    if (this.#talk.settings.onDowngrade === 'revoke') this.#revoke((grant) => taken.includes(grant));
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#talk.effect({ do: 'listen', id: 'revoked', subject: accountsRevoked.subject({}) });
    // Says again what may have been missed.
    this.#talk.effect({ do: 'listen', id: 'keys', subject: accountsKeysChanged.subject({}) });
  }

  heard(body: unknown): void {
    const revocations = revocation.test(body) ? [body] : keySet.test(body) ? body.revocations : [];
    if (revocations.length > 0) this.#revoke((grant) => revocations.some((one) => ends(one, grant)));
  }

  /** Rights that the server withdraws: roles go, and subscriptions made with them end. */
  #revoke(takes: (grant: Grant) => boolean): void {
    if (this.#talk.grants.remove(takes).length > 0) this.#rolesChanged();
    this.#host.withdraw(takes);
  }

  #rolesChanged(): void {
    this.#talk.rolesState += 1;
    this.setExpiry();
  }

  /** The next moment at which a grant ends, of the session or of a subscription. */
  setExpiry(): void {
    let next = this.#host.nextExpiry();
    for (const { expires } of this.#talk.grants.held) next = Math.min(next, expires ?? next);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#talk.effect({ do: 'set-timer', name: 'expiry', ms: Math.min(Math.max(1, next - this.#talk.at), LONGEST_TIMER_MS) });
  }

  /** The timer says that some grant is over. */
  expired(): void {
    this.#revoke(({ expires }) => expires !== undefined && expires <= this.#talk.at);
    this.setExpiry();
  }
}
