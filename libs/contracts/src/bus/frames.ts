/** What a change looks like to clients of each protocol: the console asks an edge of that protocol, whose own translation answers. */
import { defineRequest } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** Characters of one frame that are told; what is longer is cut. */
export const MAX_FRAME_TOLD = 64 * 1024;
const MAX_FRAMES_TOLD = 32;

/** A frame as it is on the wire, and who receives it. */
export const ShownFrame = T.Object({
  to: T.String({ maxLength: 256 }),
  text: T.String({ maxLength: MAX_FRAME_TOLD }),
  /** It is longer than is told. */
  cut: T.Optional(T.Boolean()),
});
export type ShownFrame = Static<typeof ShownFrame>;

const parts = {
  request: T.Object({ epoch: T.String(), seq: T.Integer({ minimum: 1 }) }),
  reply: T.Object({ frames: T.Array(ShownFrame, { maxItems: MAX_FRAMES_TOLD }) }),
  errors: ['not-found', 'lost'],
} as const;
const summary = (protocol: string) =>
  `The frames that clients of ${protocol} get for a change of the tenant, each with who gets it; none where they hear nothing of it.`;

export const hiroFrames = defineRequest({ address: 'pe.cmd.hiro.frames.v1.{tenant}', summary: summary('HIRO'), ...parts });
export const sagaFrames = defineRequest({ address: 'pe.cmd.saga.frames.v1.{tenant}', summary: summary('Saga'), ...parts });
export const spaceFrames = defineRequest({ address: 'pe.cmd.space.frames.v1.{tenant}', summary: summary('SPACE'), ...parts });
export const gooduncleFrames = defineRequest({
  address: 'pe.cmd.gooduncle.frames.v1.{tenant}',
  summary: summary('Good Uncle'),
  ...parts,
});
export const jssocketFrames = defineRequest({ address: 'pe.cmd.jssocket.frames.v1.{tenant}', summary: summary('JSSocket'), ...parts });
