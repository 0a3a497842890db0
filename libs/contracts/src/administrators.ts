/** Who administers a protocol: an account that is not disabled and has the role `admin` of it, written in any case. */
import { isObject } from '@polyedge/query/json';
import type { Account } from './bus/accounts.ts';

const ADMINISTRATOR = 'admin';
/** Who administers HIRO administers the console too: it can be without administrators of its own. */
const CONSOLE = 'console';

/** Ids or titles of an account's roles in Saga: those given through Saga, else those of its token (the first administrator's). */
export function sagaRolesOf({ attributes, roles }: Pick<Account, 'attributes' | 'roles'>): readonly string[] {
  const { saga } = attributes;
  if (!isObject(saga) || !Array.isArray(saga.roles)) return roles.saga ?? [];
  return saga.roles.filter((role) => typeof role === 'string');
}

/** The protocols that an account administers, but for the console. */
export function administeredBy(account: Pick<Account, 'attributes' | 'roles' | 'disabled'>): readonly string[] {
  if (account.disabled) return [];
  const roles = Object.entries({ ...account.roles, saga: sagaRolesOf(account) });
  return roles.flatMap(([protocol, names]) =>
    protocol !== CONSOLE && names.some((name) => name.toLowerCase() === ADMINISTRATOR) ? [protocol] : [],
  );
}
