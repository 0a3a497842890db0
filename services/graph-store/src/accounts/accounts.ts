/** Accounts as elements of the system scope: a user's data in the directory, without secrets. */
import type { Account } from '@polyedge/contracts/bus/accounts';
import type { Element } from '@polyedge/contracts/element';
import { usernameKey } from '@polyedge/contracts/username';
import type { Json, JsonObject } from '@polyedge/query/json';

export { ACCOUNT_TYPE } from '../core/account-vertex.ts';

/** The attribute that makes a user name unique regardless of case. */
export const USERNAME_KEY = 'usernameKey';

export function accountAttributes(account: Omit<Account, 'id'>): JsonObject {
  const { tenant, username, roles, defaultScope, scopes, disabled, attributes } = account;
  return { tenant, username, [USERNAME_KEY]: usernameKey(username), roles, defaultScope, scopes, disabled, attributes };
}

/** Converts an element of the system scope to an account. */
export function toAccount({ id, version, attributes: stored }: Element): Account {
  return {
    id,
    tenant: text(stored.tenant),
    username: text(stored.username),
    roles: Object.fromEntries(Object.entries(object(stored.roles)).map(([protocol, roles]) => [protocol, texts(roles)])),
    defaultScope: text(stored.defaultScope),
    scopes: texts(stored.scopes),
    disabled: stored.disabled === true,
    attributes: object(stored.attributes),
    version,
  };
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const texts = (value: Json | undefined): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
const object = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
