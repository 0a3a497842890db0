/** Blobs: the content of a vertex in chunks (HIRO WS API, getcontent), and what REST needs to know before it streams one. */
import { graphHistory, graphReadChunk } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Parameters } from './parameters.ts';
import { includesDeleted, withElement } from './reading.ts';
import { answer, ask, fail, type Step } from './step.ts';
import { toVertex } from './vertex.ts';
import { visibleTo } from './visibility.ts';

/** The attribute in which the store keeps which content a vertex has. */
export const CONTENT_ID = 'ogit/_c-id';
/** Bytes in one frame: a multiple of 3, so that the texts may also be joined before they are decoded. */
const FRAME_BYTES = 192 * 1024;
/** Changes looked at for an earlier content. */
const MAX_VERSIONS = 1000;

/** `getcontent`. */
export function getContent(parameters: Parameters, who: Principal): Step {
  return withContent(parameters, who, (content) => chunks(content, 0, Buffer.alloc(0), who));
}

/** The id of a content that the caller may read: the vertex has it, or had it. */
export function withContent(parameters: Parameters, who: Principal, then: (content: string) => Step): Step {
  const wanted = parameters.text('contentId');
  return withElement(parameters.text('ogit/_id'), includesDeleted(parameters), who, (element) => {
    const present = contentOf(element);
    if (wanted === undefined || wanted === present) return present === undefined ? fail('not-found', 'there is no content') : then(present);
    const question = { elements: [element.id], limit: MAX_VERSIONS, visible: visibleTo(who) };
    return ask(graphHistory, { tenant: who.tenant }, question, ({ changes }) =>
      changes.some(({ state }) => state !== undefined && contentOf(state) === wanted)
        ? then(wanted)
        : fail('not-found', 'there is no such content'),
    );
  });
}

/** `/{id}/meta`: the system attributes of a vertex. */
export function meta(parameters: Parameters, who: Principal): Step {
  return withElement(parameters.text('ogit/_id'), includesDeleted(parameters), who, (element) =>
    answer(Object.fromEntries(Object.entries(toVertex(element)).filter(([name]) => name.startsWith('ogit/_')))),
  );
}

/** Chunks of the store are cut anew into frames; what is left over begins the next one. */
function chunks(content: string, index: number, left: Buffer, who: Principal): Step {
  return ask(graphReadChunk, { tenant: who.tenant }, { content, index }, (chunk) => {
    let bytes = Buffer.concat([left, Buffer.from(chunk.data, 'base64')]);
    const last = index + 1 >= chunk.chunks;
    const data: string[] = [];
    while (bytes.length > FRAME_BYTES || (last && bytes.length > 0)) {
      data.push(bytes.subarray(0, FRAME_BYTES).toString('base64'));
      bytes = bytes.subarray(FRAME_BYTES);
    }
    if (!last) return { next: 'content', data, rest: () => chunks(content, index + 1, bytes, who) };
    return { next: 'content', data: data.length === 0 ? [''] : data };
  });
}

function contentOf({ attributes }: Element): string | undefined {
  const value = attributes[CONTENT_ID];
  return typeof value === 'string' ? value : undefined;
}
