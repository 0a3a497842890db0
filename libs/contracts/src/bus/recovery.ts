/** How replicas of saga-edge hand over the sessions of clients that reconnect to another one (Socket.IO's connection state recovery). */
import { defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

const Pid = T.String({ minLength: 1, maxLength: 64 });
const Tag = T.String({ minLength: 1, maxLength: 64 });

/** The state that a session is resumed from: the client's token, and the rooms it had joined. */
export const SagaSessionState = T.Object({
  token: T.String({ maxLength: 16_384 }),
  rooms: T.Array(
    T.Object({ base: T.String({ maxLength: 64 }), id: T.Optional(T.String({ maxLength: 512 })), since: T.Integer({ minimum: 0 }) }),
    { maxItems: 100_000 },
  ),
});
export type SagaSessionState = Static<typeof SagaSessionState>;

export const sagaSought = defineSignal({
  address: 'pe.sig.saga.sought.v1',
  summary: 'A client reconnected to the replica `edge` with a session that this replica does not have.',
  body: T.Object({ pid: Pid, edge: Tag }),
});

export const sagaHandedOver = defineSignal({
  address: 'pe.sig.saga.handed-over.v1.{edge}',
  summary: 'The replica that had the session hands it to the one that requested it, and deletes it.',
  body: T.Object({ pid: Pid, sid: T.String({ maxLength: 64 }), state: SagaSessionState }),
});
