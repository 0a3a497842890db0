/** E-mail addresses, which identify a user at login like user names do: both share one namespace, and each belongs to one user. */
import { accountsGet } from '@polyedge/contracts/bus/accounts';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, ofType, TYPES } from '@polyedge/saga/elements';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Store } from './store.ts';

/** The unique attribute: addresses that differ only in case are equal. */
export const EMAIL_KEY = 'email_key';

const TIMEOUT_MS = 10_000;
const LONGEST_NAME = 512;

const keyOf = (email: string): string => email.normalize('NFC').toLowerCase();

/** A user's attributes for an address; `null` and `''` mean none. */
export const emailAttributes = (email: string | null): Readonly<Record<string, Json>> => ({
  email,
  [EMAIL_KEY]: email === null || email === '' ? null : keyOf(email),
});

/** The users with an address; there may be several from before addresses were unique. */
export async function usersWithEmail(store: Store, tenant: string, email: string): Promise<Outcome<readonly Element[]>> {
  const same = { any: [equal(attribute(EMAIL_KEY), keyOf(email)), equal(attribute('email'), email)] };
  const found = await store.query(tenant, { filter: both(ofType(TYPES.user), same), limit: 3 });
  return found.ok ? done(found.value.elements) : found;
}

/**
 * The requested names that belong to another user, as user name or as address. The two are made unique in different places, so they are
 * claimed first and checked again afterwards: of two concurrent callers, at least one finds the other.
 */
export async function nameInUse(
  { bus, store }: { readonly bus: Bus; readonly store: Store },
  tenant: string,
  wanted: { readonly username: string; readonly email: string | undefined },
  own?: string,
): Promise<Outcome<'username' | 'email' | undefined>> {
  const { username, email } = wanted;
  const isOther = ({ id }: { readonly id: string }): boolean => id !== own;
  if (email !== undefined && email !== '') {
    const users = await usersWithEmail(store, tenant, email);
    if (!users.ok) return users;
    if (users.value.some(isOther)) return done('email');
    if (keyOf(email) !== keyOf(username) && email.length <= LONGEST_NAME) {
      const named = await bus.request(accountsGet, accountsGet.subject({ tenant }), { username: email }, { timeoutMs: TIMEOUT_MS });
      if (!named.ok) return named;
      if (named.value.accounts.some(isOther)) return done('email');
    }
  }
  if (!username.includes('@')) return done(undefined);
  const users = await usersWithEmail(store, tenant, username);
  if (!users.ok) return users;
  return done(users.value.some(isOther) ? 'username' : undefined);
}
