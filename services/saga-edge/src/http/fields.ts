/** Fields that bodies of several resources have. */
import type { Json, JsonObject } from '@polyedge/query/json';
import { type SagaError, unprocessable } from '@polyedge/saga/errors';

/** Tags of one resource, and characters of a tag. */
export const MAX_TAGS = 200;
export const MAX_TAG = 128;

export const isTag = (value: Json | undefined): value is string => typeof value === 'string' && value !== '' && value.length <= MAX_TAG;

/**
 * The error of a body whose `tags` are no tags, or that has something else in a field for true or false; null is no value.
 * @param booleans the names of these fields
 */
export function problemOfFields(body: JsonObject, booleans: readonly string[]): SagaError | undefined {
  const { tags } = body;
  const isList = Array.isArray(tags) && tags.every(isTag);
  if (tags !== undefined && tags !== null && !isList) return unprocessable('tags', `is not a list of texts of 1 to ${MAX_TAG} characters`);
  if (isList && tags.length > MAX_TAGS) return unprocessable('tags', `has more than ${MAX_TAGS} entries`);
  const wrong = booleans.find((name) => body[name] !== undefined && body[name] !== null && typeof body[name] !== 'boolean');
  return wrong === undefined ? undefined : unprocessable(wrong, 'is not true or false');
}
