/** Messages as bytes and text (Good Uncle: sending and receiving messages). */

import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { badRequest, type ErrorResponse, problem } from './problems.ts';

/** A message that is JSON: its value, and the text itself for the echo. */
export interface Frame {
  readonly payload: Json;
  readonly text: string;
  /** Why it cannot be a request, though it is JSON: it gets an answer. */
  readonly unfit?: ErrorResponse;
}

type DecodedFrame = { readonly ok: true; readonly value: Frame } | { readonly ok: false; readonly problem: string };

/** Levels of one request: fewer than the other protocols take. */
const MAX_REQUEST_DEPTH = 32;

const decoder = new TextDecoder('utf-8');

/** The beat in both directions: the character of the original's example. */
export const BEAT = '`';

/** One character, whichever, also a digit, or nothing: life, and never answered. */
export function isKeepAlive(raw: string | Uint8Array): boolean {
  if (typeof raw !== 'string') return raw.byteLength <= 4 && isKeepAlive(decoder.decode(raw));
  return raw.length < 2 || (raw.length === 2 && (raw.codePointAt(0) ?? 0) > 0xffff);
}

/** What the echo of a request may look at, of a value of any depth. */
function scalarsOf(read: unknown): Json {
  if (typeof read !== 'object' || read === null) return null;
  // It came out of JSON.parse, so what is no object is a scalar.
  return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, typeof value === 'object' ? null : (value as Json)]));
}

/** Binary messages are taken for text: libraries send them by accident. Never throws; what is not JSON is ignored by the session. */
export function decode(raw: string | Uint8Array): DecodedFrame {
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
