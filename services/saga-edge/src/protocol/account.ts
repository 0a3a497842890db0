/** Saga's data in an account: roles are stored there and not in the graph, where writers of other protocols could change them. */
import type { Account } from '@polyedge/contracts/bus/accounts';
import type { JsonObject } from '@polyedge/query/json';
import { isObject, textsOf } from '@polyedge/saga/elements';

/** Ids or titles of an account's roles: those assigned through Saga, else those of its token (the first administrator's). */
export function roleNamesOf({ attributes, roles }: Pick<Account, 'attributes' | 'roles'>): readonly string[] {
  const { saga } = attributes;
  return isObject(saga) && Array.isArray(saga.roles) ? textsOf(saga.roles) : (roles.saga ?? []);
}

/** The attributes of an account with Saga's part changed. */
export function withSaga(attributes: JsonObject, change: JsonObject): JsonObject {
  const { saga } = attributes;
  return { ...attributes, saga: { ...(isObject(saga) ? saga : {}), ...change } };
}
