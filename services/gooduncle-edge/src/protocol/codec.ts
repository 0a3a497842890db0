/** Messages as bytes and text (Good Uncle: sending and receiving messages). */
import type { Json } from '@polyedge/query/json';

/** A message that is JSON: its value, and the text itself for the echo. */
export interface Frame {
  readonly payload: Json;
  readonly text: string;
}

type Decoded = { readonly ok: true; readonly value: Frame } | { readonly ok: false; readonly problem: string };

const decoder = new TextDecoder('utf-8');

/** The beat in both directions: the character of the original's example. */
export const BEAT = '`';

/** One character, whichever, also a digit, or nothing: life, and never answered. */
export function isKeepAlive(raw: string | Uint8Array): boolean {
  if (typeof raw !== 'string') return raw.byteLength <= 4 && isKeepAlive(decoder.decode(raw));
  return raw.length < 2 || (raw.length === 2 && (raw.codePointAt(0) ?? 0) > 0xffff);
}

/** Binary messages are taken for text: libraries send them by accident. Never throws; what is not JSON is ignored by the session. */
export function decode(raw: string | Uint8Array): Decoded {
  const text = typeof raw === 'string' ? raw : decoder.decode(raw);
  if (isKeepAlive(text)) return { ok: false, problem: 'keep-alive' };
  try {
    // JSON.parse gives JSON; its type says any.
    return { ok: true, value: { payload: JSON.parse(text) as Json, text } };
  } catch {
    return { ok: false, problem: text.includes('[object Object]') ? 'an object that was not made JSON' : 'not JSON' };
  }
}
