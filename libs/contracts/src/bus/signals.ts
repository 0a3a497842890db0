/** Saga's signals: like a property change, but not stored. Only clients that are connected at the time receive one. */
import { defineSignal } from '../channel.ts';
import { JsonSchema } from '../element.ts';
import { type Static, T } from '../schema.ts';

/** (Saga protocol, Websockets: "Signals are sent to /signals".) `parent` is the id of the vertex that the signal belongs to. */
export const SagaSignal = T.Object({
  id: T.String({ maxLength: 64 }),
  parentType: T.Union([T.Literal('user'), T.Literal('bot'), T.Literal('globals')]),
  parent: T.String({ maxLength: 512 }),
  name: T.String({ maxLength: 128 }),
  value: JsonSchema,
  /** What created it: `socket`, `rest`, or a script or job with its id. */
  creator: T.Object({ type: T.String({ maxLength: 32 }), id: T.Optional(T.String({ maxLength: 512 })) }),
  runnableCall: T.Optional(T.String({ maxLength: 512 })),
  /** Milliseconds since 1970. */
  at: T.Integer(),
});
export type SagaSignal = Static<typeof SagaSignal>;

export const sagaSignal = defineSignal({
  address: 'pe.sig.saga.signal.v1.{tenant}.{parent}',
  summary: 'A signal of a user, bot or the globals, for every saga-edge with a client that joined the parent.',
  body: SagaSignal,
});
