/**
 * How clients of each protocol see a change: the console sends the request to an edge of that protocol, which answers with its own
 * translation.
 */
import { defineRequest } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** Maximum length of a frame in characters; longer ones are cut. */
export const MAX_FRAME_CHARACTERS = 64 * 1024;
const MAX_FRAMES = 32;

/** A frame as it is on the wire, and who receives it. */
export const ShownFrame = T.Object({
  to: T.String({ maxLength: 256 }),
  text: T.String({ maxLength: MAX_FRAME_CHARACTERS }),
  /** The frame was cut. */
  cut: T.Optional(T.Boolean()),
});
export type ShownFrame = Static<typeof ShownFrame>;

const parts = {
  request: T.Object({ epoch: T.String(), seq: T.Integer({ minimum: 1 }) }),
  reply: T.Object({ frames: T.Array(ShownFrame, { maxItems: MAX_FRAMES }) }),
  errors: ['not-found', 'lost'],
} as const;
const summary = (protocol: string) =>
  `The frames that clients of ${protocol} receive for a change of the tenant, each with its recipients; empty if they receive nothing.`;

export const hiroFrames = defineRequest({ address: 'pe.cmd.hiro.frames.v1.{tenant}', summary: summary('HIRO'), ...parts });
export const sagaFrames = defineRequest({ address: 'pe.cmd.saga.frames.v1.{tenant}', summary: summary('Saga'), ...parts });
export const spaceFrames = defineRequest({ address: 'pe.cmd.space.frames.v1.{tenant}', summary: summary('SPACE'), ...parts });
export const gooduncleFrames = defineRequest({
  address: 'pe.cmd.gooduncle.frames.v1.{tenant}',
  summary: summary('Good Uncle'),
  ...parts,
});
export const jssocketFrames = defineRequest({ address: 'pe.cmd.jssocket.frames.v1.{tenant}', summary: summary('JSSocket'), ...parts });
