/** What Saga keeps in an account: roles live there and not in the graph, where another protocol's writers could change them. */
import type { JsonObject } from '@polyedge/query/json';
import { isObject } from '@polyedge/saga/elements';

/** The attributes of an account with Saga's part changed. */
export function withSaga(attributes: JsonObject, change: JsonObject): JsonObject {
  const { saga } = attributes;
  return { ...attributes, saga: { ...(isObject(saga) ? saga : {}), ...change } };
}
