/** How replicas of saga-edge hand over sessions of clients that come back on another one (Socket.IO's connection state recovery). */
import { defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

const Pid = T.String({ minLength: 1, maxLength: 64 });
const Tag = T.String({ minLength: 1, maxLength: 64 });

/** What a session can be gone on with from: who it was, and what it had joined since when. */
export const SagaParting = T.Object({
  token: T.String({ maxLength: 16_384 }),
  rooms: T.Array(
    T.Object({ base: T.String({ maxLength: 64 }), id: T.Optional(T.String({ maxLength: 512 })), since: T.Integer({ minimum: 0 }) }),
    { maxItems: 100_000 },
  ),
});
export type SagaParting = Static<typeof SagaParting>;

export const sagaSought = defineSignal({
  address: 'pe.sig.saga.sought.v1',
  summary: 'A client has come to the replica `edge` and names a session that this one does not know.',
  body: T.Object({ pid: Pid, edge: Tag }),
});

export const sagaHandedOver = defineSignal({
  address: 'pe.sig.saga.handed-over.v1.{edge}',
  summary: 'The replica that had the session gives it to the one that seeks it, and forgets it.',
  body: T.Object({ pid: Pid, sid: T.String({ maxLength: 64 }), state: SagaParting }),
});
