/** The revocations in force. Bounded by what graph-store sends: those younger than the longest token lifetime. */
import type { Revocation } from '@polyedge/contracts/bus/accounts';
import type { Principal } from '@polyedge/contracts/principal';
import { revokes } from '@polyedge/contracts/token-claims';

/** A revocation received as an event is kept at least this long, even if a replica's list does not have it yet. */
const FRESH_MS = 120_000;

interface RevokedAccount {
  readonly revocation: Revocation;
  readonly heardAt: number;
}

export class Revocations {
  /** Indexed by account. */
  #byAccount = new Map<string, RevokedAccount[]>();

  /** Returns true if it was new. `now` in milliseconds on any one clock. */
  add(revocation: Revocation, now: number): boolean {
    const known = this.#byAccount.get(revocation.account) ?? [];
    if (known.some((one) => same(one.revocation, revocation))) return false;
    this.#byAccount.set(revocation.account, [...known, { revocation, heardAt: now }]);
    return true;
  }

  /** Replaces the list; revocations that are not in it are no longer in force, unless recently received. Returns the new ones. */
  replace(list: readonly Revocation[], now: number): readonly Revocation[] {
    const added = list.filter((revocation) => this.add(revocation, now));
    const listed = new Set(list.map(name));
    const kept = new Map<string, RevokedAccount[]>();
    for (const [account, known] of this.#byAccount) {
      const still = known.filter((one) => listed.has(name(one.revocation)) || now - one.heardAt < FRESH_MS);
      if (still.length > 0) kept.set(account, still);
    }
    this.#byAccount = kept;
    return added;
  }

  revoked(principal: Principal): boolean {
    return this.#byAccount.get(principal.account)?.some((known) => revokes(known.revocation, principal)) === true;
  }
}

const name = (revocation: Revocation): string => JSON.stringify([revocation.account, revocation.before, revocation.session ?? null]);
const same = (one: Revocation, other: Revocation): boolean =>
  one.account === other.account && one.before === other.before && one.session === other.session;
