/** Messages as bytes and text (Good Uncle: sending and receiving messages). */

import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import type { DecodedFrame } from '@polyedge/session/session';
import { badRequest, type ErrorResponse, problem } from './problems.ts';

/** A JSON message: its value, and its text for the echo. */
export interface Frame {
  readonly payload: Json;
  readonly text: string;
  /** Why the JSON cannot be a request; it is answered. */
  readonly unfit?: ErrorResponse;
}

/** Maximum depth of a request: less than in other protocols. */
const MAX_REQUEST_DEPTH = 32;

const decoder = new TextDecoder('utf-8');

/** The keep-alive in both directions: the character of the original's example. */
export const BEAT = '`';

/** Any single character, even a digit, or an empty message: only a keep-alive, never answered. */
export function isKeepAlive(raw: string | Uint8Array): boolean {
  if (typeof raw !== 'string') return raw.byteLength <= 4 && isKeepAlive(decoder.decode(raw));
  return raw.length < 2 || (raw.length === 2 && (raw.codePointAt(0) ?? 0) > 0xffff);
}

/** The scalar members of a value of any depth, which the echo may use. */
function scalarsOf(read: unknown): Json {
  if (typeof read !== 'object' || read === null) return null;
  // It was parsed, so whatever is not an object is a scalar.
  return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, typeof value === 'object' ? null : (value as Json)]));
}

/** Binary messages are treated as text, because libraries send them by accident. Never throws; the session ignores what is not JSON. */
export function decode(raw: string | Uint8Array): DecodedFrame<Frame> {
  const text = typeof raw === 'string' ? raw : decoder.decode(raw);
  if (isKeepAlive(text)) return { ok: false, problem: 'keep-alive' };
  const parsed = parseJson(text, MAX_REQUEST_DEPTH);
  if (parsed.ok) return { ok: true, value: { payload: parsed.value, text } };
  if (parsed.reason === 'syntax') {
    return { ok: false, problem: text.includes('[object Object]') ? 'an object that was not made JSON' : 'not JSON' };
  }
  const wrong =
    parsed.reason === 'depth'
      ? problem('too deep', null, { expected: MAX_REQUEST_DEPTH })
      : problem('value', null, { message: `the request ${parsed.problem}` });
  return { ok: true, value: { payload: scalarsOf(parsed.read), text, unfit: badRequest(wrong) } };
}
