/** The owners of a state: a watch of one of these ids receives its changes. */
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { own } from '@polyedge/query/own-properties';
import { MAX_OWNERS } from './limits.ts';

/**
 * The owners of a state: its own id first, then
 * - an edge's two ends;
 * - a Saga property's parent (`parent_id`);
 * - a Saga message's sender and recipients (Saga protocol page, 5.3: `sender_id`, `user_ids`, `bot_ids`, and the older `user_id`, `bot_id`).
 *
 * Without duplicates, at most 256; further ids in an attribute are ignored.
 */
export function owners(state: Pick<Element, 'id' | 'kind' | 'type' | 'attributes' | 'out' | 'in'>): string[] {
  if (state.kind === 'edge') return distinct([state.id, state.out, state.in]);
  switch (state.type) {
    case 'saga/Property':
      return distinct([state.id, own(state.attributes, 'parent_id')]);
    case 'saga/Message':
      return distinct([state.id, ...participants(state.attributes)]);
    default:
      return [state.id];
  }
}

/** The owners of a change: those of the states before and after, so that a watch of an old owner sees that the element left. */
export function ownersOfChange(before: Element | undefined, after: Element): string[] {
  const found = owners(after);
  if (before === undefined || (before.attributes === after.attributes && before.type === after.type)) return found;
  for (const owner of owners(before)) if (!found.includes(owner)) found.push(owner);
  return found;
}

function* participants(message: JsonObject): Generator<Json | undefined> {
  yield own(message, 'sender_id');
  yield own(message, 'user_id');
  yield own(message, 'bot_id');
  for (const name of ['user_ids', 'bot_ids']) {
    const ids = own(message, name);
    if (Array.isArray(ids)) yield* ids;
  }
}

function distinct(ids: readonly (Json | undefined)[]): string[] {
  const found = new Set<string>();
  for (const id of ids) {
    if (typeof id === 'string' && id !== '' && found.size < MAX_OWNERS) found.add(id);
  }
  return [...found];
}
