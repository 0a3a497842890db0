/** Saga's data in an account: roles are stored there and not in the graph, where writers of other protocols could change them. */
import type { JsonObject } from '@polyedge/query/json';
import { isObject } from '@polyedge/saga/elements';

/** The attributes of an account with Saga's part changed. */
export function withSaga(attributes: JsonObject, change: JsonObject): JsonObject {
  const { saga } = attributes;
  return { ...attributes, saga: { ...(isObject(saga) ? saga : {}), ...change } };
}
