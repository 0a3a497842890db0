import type { FullChange } from '@polyedge/contracts/change';
import type { Principal } from '@polyedge/contracts/principal';
import type { FastifyInstance } from 'fastify';
import type { ProcessStatuses, Sample } from '../live/process-statuses.ts';
import type { Tail } from '../live/tail.ts';
import { maySee } from '../visibility.ts';
import { fieldsOf, sendFailure } from './answer.ts';
import { administratorOf, type SessionOptions } from './session.ts';
import type { Streams } from './streams.ts';

export interface LiveOptions {
  readonly session: SessionOptions;
  readonly streams: Streams;
  readonly statuses: ProcessStatuses;
  readonly tail: Tail;
  /** Monotonic. */
  readonly now: () => number;
  /** Calls back once a second with the newest sample; the returned function unsubscribes. */
  onTick(listener: (sample: Sample) => void): () => void;
}

export function liveRoutes(app: FastifyInstance, options: LiveOptions): void {
  const { session, streams, statuses, tail, now, onTick } = options;
  const running = () => ({ processes: statuses.processes(now()), journals: statuses.journals(now()) });
  app.get('/api/now', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    return streams.begin(reply, who.value, ({ send }) => {
      send('history', { samples: statuses.samples, ...running() });
      return onTick((sample) => send('sample', { sample, ...running() }));
    });
  });
  // For programs that need the status once.
  app.get('/api/status', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    return reply.header('cache-control', 'no-store').send({ sample: statuses.samples.at(-1) ?? null, ...running() });
  });
  app.get('/api/tail', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    const { type, id, protocol, actor } = fieldsOf(request.query);
    return streams.begin(reply, who.value, ({ send }) =>
      tail.read({
        filter: { type, id, protocol, actor },
        maySee: visibleIn(who.value),
        live: (seq) => send('live', { seq }),
        row: (row) => send('change', row),
        skipped: (count) => send('skipped', { count }),
      }),
    );
  });
}

const visibleIn =
  (principal: Principal) =>
  ({ state }: FullChange): boolean =>
    maySee(principal, state.scope);
