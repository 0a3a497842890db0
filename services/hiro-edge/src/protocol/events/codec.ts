import { type EventsMessage, eventsMessage } from '@polyedge/contracts/wire/hiro';
import type { JsonObject } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import type { DecodedFrame } from '@polyedge/session/session';
import { asObject } from '../parameters.ts';

/** A decoded text frame of events-ws; `nothing` is `{}`, which one generation of the JavaScript client sometimes sent. */
export type EventsFrame = EventsMessage | { readonly type: 'nothing' | 'binary' };

const TYPES: readonly unknown[] = ['token', 'subscribe', 'register', 'unregister', 'clear'];

/** Never throws. */
export function decodeEvents(raw: string | Uint8Array): DecodedFrame<EventsFrame> {
  if (typeof raw !== 'string') return { ok: true, value: { type: 'binary' } };
  let parsed = parseJson(raw);
  // The Python client's `subscribe_scope` encodes twice: a JSON string that holds the message.
  if (parsed.ok && typeof parsed.value === 'string') parsed = parseJson(parsed.value);
  if (!parsed.ok) return { ok: false, problem: `the message ${parsed.problem}` };
  const object = asObject(parsed.value);
  if (object === undefined) return { ok: false, problem: 'a message is a JSON object' };
  if (eventsMessage.test(object)) return { ok: true, value: object };
  if (Object.keys(object).length === 0) return { ok: true, value: { type: 'nothing' } };
  if (!TYPES.includes(object.type)) return { ok: false, problem: 'unknown type of message' };
  return { ok: false, problem: problemOf(object) };
}

/** Why a message of a known type is invalid. */
function problemOf({ type, args }: JsonObject): string {
  if (type === 'subscribe') return 'id is not a text of at most 512 characters';
  const given = asObject(args);
  if (given === undefined) return 'args are missing';
  if (type === 'token') return '_TOKEN is missing, or not a text';
  if (type === 'unregister') return 'filter-id is missing';
  if (given['filter-content'] === undefined || given['filter-content'] === null) return 'filter-content is missing';
  return typeof given['filter-content'] === 'string' ? 'filter-type is not a text' : 'filter-content is not a text';
}
