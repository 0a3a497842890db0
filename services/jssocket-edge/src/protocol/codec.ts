/** JSSocket's envelope `{ "type", "data" }` (jssocket.py, 2198bac38): text and binary messages are parsed alike; the contents stay source text. */
import { type JsonSource, readObject, stringOf } from './json-source.ts';
import type { Problem } from './problems.ts';

/** One event of a client or a core. `type` is empty for a value that cannot be an event's name (null, a number, a boolean). */
export interface Envelope {
  readonly type: string;
  /** Undefined if the event has none. */
  readonly data: JsonSource | undefined;
}

/** An outgoing frame: its JSON, and whether it is a text or a binary message. */
export interface Outgoing {
  readonly as: 'text' | 'binary';
  readonly json: string;
}

type DecodedEvent = { readonly ok: true; readonly value: Envelope } | { readonly ok: false; readonly problem: Problem };

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses one message. Never throws. */
export function decodeEvent(raw: string | Uint8Array): DecodedEvent {
  const text = typeof raw === 'string' ? raw : textOf(raw);
  if (text === undefined) return { ok: false, problem: 'not UTF-8' };
  const members = readObject(text);
  if (members === undefined) return { ok: false, problem: 'not a JSON object' };
  // The last of two equal keys counts.
  const type = members.findLast(({ key }) => key === 'type')?.value;
  const data = members.findLast(({ key }) => key === 'data')?.value;
  if (type === undefined) return { ok: false, problem: 'an event without a type' };
  if (type.kind === 'object' || type.kind === 'array') return { ok: false, problem: 'the type of an event is a string' };
  return { ok: true, value: { type: type.kind === 'string' ? stringOf(type) : '', data } };
}

export function encodeFrame(frame: Outgoing): string | Uint8Array {
  return frame.as === 'text' ? frame.json : Buffer.from(frame.json);
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
