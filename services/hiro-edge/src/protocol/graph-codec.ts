import { type FrameId, frameId, type GraphRequest, type GraphResponse, graphRequest } from '@polyedge/contracts/wire/hiro';
import { asObject } from './parameters.ts';

/** What a text frame of graph-ws says. */
export type GraphFrame =
  | { readonly kind: 'request'; readonly request: GraphRequest }
  /** `{}`: one generation of the JavaScript client sent it after every request. */
  | { readonly kind: 'nothing' }
  /** A binary message: no HIRO protocol has any. */
  | { readonly kind: 'binary' }
  /** Unusable, but with an id to answer under. */
  | { readonly kind: 'malformed'; readonly id: FrameId; readonly problem: string };

type Decoded<In> = { readonly ok: true; readonly value: In } | { readonly ok: false; readonly problem: string };

/** Deeper values are refused here, because graph-store refuses them too and they cost stack on the way. */
const MAX_DEPTH = 70;

/** Never throws. */
export function decodeGraph(raw: string | Uint8Array): Decoded<GraphFrame> {
  if (typeof raw !== 'string') return { ok: true, value: { kind: 'binary' } };
  const parsed = parseJson(raw);
  if (!parsed.ok) return parsed;
  const object = asObject(parsed.value);
  if (object === undefined) return { ok: false, problem: 'a frame is a JSON object' };
  if (graphRequest.test(object)) return { ok: true, value: { kind: 'request', request: object } };
  if (Object.keys(object).length === 0) return { ok: true, value: { kind: 'nothing' } };
  const problem = graphRequest.problem(object);
  const id = Object.hasOwn(object, 'id') ? object.id : undefined;
  return frameId.test(id) ? { ok: true, value: { kind: 'malformed', id, problem } } : { ok: false, problem };
}

export const encodeGraph = (frame: GraphResponse): string => JSON.stringify(frame);

/** Text to JSON; a problem never quotes the text. */
export function parseJson(raw: string): Decoded<unknown> {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return { ok: false, problem: 'not JSON' };
  }
  return isDeeper(value, MAX_DEPTH) ? { ok: false, problem: `nested deeper than ${MAX_DEPTH} levels` } : { ok: true, value };
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  for (const member of Object.values(value)) if (isDeeper(member, levels - 1)) return true;
  return false;
}
