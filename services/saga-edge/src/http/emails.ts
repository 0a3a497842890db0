/** E-mail addresses, which name a user at a login like his user name does: both are one space of names, and each is one user's. */
import { accountsGet } from '@polyedge/contracts/bus/accounts';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { attribute, both, equal, ofType, TYPES } from '@polyedge/saga/elements';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Store } from './store.ts';

/** The attribute that is unique: addresses that differ in case only are one. */
export const EMAIL_KEY = 'email_key';

const TIMEOUT_MS = 10_000;
const LONGEST_NAME = 512;

const keyOf = (email: string): string => email.normalize('NFC').toLowerCase();

/** What a user's vertex has of an address; `null` and `''` stand for none. */
export const emailAttributes = (email: string | null): Readonly<Record<string, Json>> => ({
  email,
  [EMAIL_KEY]: email === null || email === '' ? null : keyOf(email),
});

/** Whoever has an address; those from before addresses were unique may be several. */
export async function usersWithEmail(store: Store, tenant: string, email: string): Promise<Outcome<readonly Element[]>> {
  const same = { any: [equal(attribute(EMAIL_KEY), keyOf(email)), equal(attribute('email'), email)] };
  const found = await store.query(tenant, { filter: both(ofType(TYPES.user), same), limit: 3 });
  return found.ok ? done(found.value.elements) : found;
}

/**
 * Which of the names that somebody wants is another one's, as user name or as address. Names and addresses are made unique in different places,
 * so they are claimed first and looked at again afterwards: of two who want the same at once, at least one finds the other.
 */
export async function takenName(
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
