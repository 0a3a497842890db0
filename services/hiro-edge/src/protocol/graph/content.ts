/** Blobs: the content of a vertex in chunks (HIRO WS API, getcontent), and the metadata that REST needs before it streams one. */
import { graphHistory, graphReadChunk } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { type CallQuestion, call } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import { toVertex } from '../element/vertex.ts';
import { visibleTo } from '../element/visibility.ts';
import type { RequestParameters } from '../parameters.ts';
import { includesDeleted, readElement } from './read-element.ts';
import { answer, type Work } from './work.ts';

/** The attribute with the id of a vertex's content. */
const CONTENT_ID = 'ogit/_c-id';
/** Bytes per frame: a multiple of 3, so that clients may join the base64 texts before decoding. */
const FRAME_BYTES = 192 * 1024;
/** Maximum number of changes searched for an earlier content. */
const MAX_VERSIONS = 1000;

/** `getcontent`. Chunks of the store are split into frames; the rest of a chunk starts the next frame. */
export function* getContent(parameters: RequestParameters, who: Principal): Work {
  const content = yield* contentIdOf(parameters, who);
  if (!content.ok) return content;
  let left = Buffer.alloc(0);
  for (let index = 0; ; index += 1) {
    const chunk = yield* call(graphReadChunk, { tenant: who.tenant }, { content: content.value, index });
    if (!chunk.ok) return chunk;
    left = Buffer.concat([left, Buffer.from(chunk.value.data, 'base64')]);
    const last = index + 1 >= chunk.value.chunks;
    const data: string[] = [];
    while (left.length > FRAME_BYTES || (last && left.length > 0)) {
      data.push(left.subarray(0, FRAME_BYTES).toString('base64'));
      left = left.subarray(FRAME_BYTES);
    }
    if (last) return { ok: true, value: { kind: 'content', data: data.length === 0 ? [''] : data } };
    yield { kind: 'page', page: { kind: 'content', data } };
  }
}

/** The id of a content that the caller may read: the vertex's current content, or an earlier one. */
export function* contentIdOf(parameters: RequestParameters, who: Principal): Task<CallQuestion, Outcome<string>> {
  const wanted = parameters.text('contentId');
  const element = yield* readElement(parameters.text('ogit/_id'), includesDeleted(parameters), who);
  if (!element.ok) return element;
  const present = contentOf(element.value);
  if (wanted === undefined || wanted === present) return present === undefined ? failed('not-found', 'there is no content') : done(present);
  const question = { elements: [element.value.id], limit: MAX_VERSIONS, visible: visibleTo(who) };
  const past = yield* call(graphHistory, { tenant: who.tenant }, question);
  if (!past.ok) return past;
  const had = past.value.changes.some(({ state }) => state !== undefined && contentOf(state) === wanted);
  return had ? done(wanted) : failed('not-found', 'there is no such content');
}

/** `/{id}/meta`: the system attributes of a vertex. */
export function* meta(parameters: RequestParameters, who: Principal): Work {
  const element = yield* readElement(parameters.text('ogit/_id'), includesDeleted(parameters), who);
  if (!element.ok) return element;
  return answer(Object.fromEntries(Object.entries(toVertex(element.value)).filter(([name]) => name.startsWith('ogit/_'))));
}

function contentOf({ attributes }: Element): string | undefined {
  const value = attributes[CONTENT_ID];
  return typeof value === 'string' ? value : undefined;
}
