import { graphHistory } from '@polyedge/contracts/bus/graph';
import { type FullChange, isFull } from '@polyedge/contracts/change';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyInstance } from 'fastify';
import { eventText } from '../live/event-text.ts';
import type { ProcessStatuses } from '../live/process-statuses.ts';
import { fits, rowOf, type Tail } from '../live/tail.ts';
import { maySee, visibleTo } from '../visibility.ts';
import { fieldsOf, sendFailure, TIMEOUT_MS } from './answer.ts';
import { administratorOf, type SessionOptions } from './session.ts';
import type { Streams } from './streams.ts';

/** What a page shows of the changes that came while it was away. */
const MAX_MISSED = 500;

export interface LiveOptions {
  readonly bus: Bus;
  readonly session: SessionOptions;
  readonly streams: Streams;
  readonly statuses: ProcessStatuses;
  readonly tail: Tail;
  /** Monotonic. */
  readonly now: () => number;
  /** Calls back once a second with the event of the newest sample; the returned function unsubscribes. */
  onTick(listener: (event: string) => void): () => void;
}

export function liveRoutes(app: FastifyInstance, options: LiveOptions): void {
  const { bus, session, streams, statuses, tail, now, onTick } = options;
  app.get('/api/now', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    return streams.begin(reply, who.value, ({ send }) => {
      send(eventText('history', { samples: statuses.samples, ...statuses.view(now()) }));
      return onTick(send);
    });
  });
  // For programs that need the status once.
  app.get('/api/status', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    return reply.header('cache-control', 'no-store').send({ sample: statuses.samples.at(-1) ?? null, ...statuses.view(now()) });
  });
  app.get('/api/tail', async (request, reply) => {
    const who = await administratorOf(request, session);
    if (!who.ok) return sendFailure(reply, who.failure);
    const { type, id, protocol, actor, since } = fieldsOf(request.query);
    const filter = { type, id, protocol, actor };
    let known = since === undefined || !/^\d{1,15}$/.test(since) ? undefined : Number(since);
    return streams.begin(reply, who.value, ({ send }) => {
      const catchUp = async (seq: number) => {
        for (const change of await missed(bus, who.value, seq)) if (fits(change, filter)) send(eventText('change', rowOf(change)));
      };
      return tail.read({
        filter,
        maySee: visibleIn(who.value),
        live: (seq) => {
          send(eventText('live', { seq }));
          // From now on it hears everything. What it has not heard yet is already committed; some of it may come twice.
          if (known !== undefined) void catchUp(known);
          known = Math.max(known ?? 0, seq);
        },
        change: (seq, event) => {
          known = Math.max(known ?? 0, seq);
          send(event);
        },
        skipped: (count) => send(eventText('skipped', { count })),
      });
    });
  });
}

/** The newest changes after a seq, oldest first; none if the store does not answer: the tail goes on without them. */
async function missed(bus: Bus, who: Principal, afterSeq: number): Promise<readonly FullChange[]> {
  const { tenant } = who;
  const asked = { afterSeq, order: 'desc', limit: MAX_MISSED, visible: visibleTo(who) } as const;
  const found = await bus.request(graphHistory, graphHistory.subject({ tenant }), asked, { timeoutMs: TIMEOUT_MS });
  return found.ok ? found.value.changes.filter(isFull).reverse() : [];
}

const visibleIn =
  (principal: Principal) =>
  ({ state }: FullChange): boolean =>
    maySee(principal, state.scope);
