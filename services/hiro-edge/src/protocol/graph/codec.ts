import { type FrameId, frameId, type GraphRequest, graphRequest, MAX_ID_CHARACTERS } from '@polyedge/contracts/wire/hiro';
import type { JsonObject } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import type { DecodedFrame } from '@polyedge/session/session';
import { asObject } from '../parameters.ts';

/** A decoded text frame of graph-ws. */
export type GraphFrame =
  | { readonly kind: 'request'; readonly request: GraphRequest }
  /** `{}`: one generation of the JavaScript client sent it after every request. */
  | { readonly kind: 'nothing' }
  /** A binary message, which HIRO does not use. */
  | { readonly kind: 'binary' }
  /** Invalid, but with an id for the response. */
  | { readonly kind: 'malformed'; readonly id: FrameId; readonly problem: string };

/** Never throws. */
export function decodeGraph(raw: string | Uint8Array): DecodedFrame<GraphFrame> {
  if (typeof raw !== 'string') return { ok: true, value: { kind: 'binary' } };
  const parsed = parseJson(raw);
  if (!parsed.ok) return answerable(parsed.read, `the frame ${parsed.problem}`);
  const object = asObject(parsed.value);
  if (object === undefined) return { ok: false, problem: 'a frame is a JSON object' };
  if (graphRequest.test(object)) return { ok: true, value: { kind: 'request', request: object } };
  if (Object.keys(object).length === 0) return { ok: true, value: { kind: 'nothing' } };
  const id = Object.hasOwn(object, 'id') ? object.id : undefined;
  if (!frameId.test(id))
    return { ok: false, problem: `id is missing, or it is no number and no text of at most ${MAX_ID_CHARACTERS} characters` };
  return answerable(object, problemOf(object));
}

/** The id is kept whenever it can be read, because clients wait without a time-out for the response. */
function answerable(frame: unknown, problem: string): DecodedFrame<GraphFrame> {
  const id = typeof frame === 'object' && frame !== null && 'id' in frame ? frame.id : undefined;
  return frameId.test(id) ? { ok: true, value: { kind: 'malformed', id, problem } } : { ok: false, problem };
}

/** Why a request whose id can be read is invalid. */
function problemOf({ type, _TOKEN: token, headers }: JsonObject): string {
  if (type === undefined || type === null || type === '') return 'type is missing';
  if (typeof type !== 'string') return 'type is not a text';
  if (type.length > 64) return 'unknown type';
  if (token !== undefined && token !== null && typeof token !== 'string') return '_TOKEN is not a text';
  if (headers !== undefined && headers !== null && asObject(headers) === undefined) return 'headers are not an object';
  return '_TOKEN is too long';
}
