import { serviceStatus } from '@polyedge/contracts/bus/console';
import { MAIN } from '@polyedge/contracts/journal';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { limits } from '@polyedge/edge-kit/limits';
import { httpOptions } from '@polyedge/edge-kit/transport/ws-listener';
import type { Bus } from '@polyedge/service-kit/bus';
import { answerFailures, clientServer, closePort, drainPort, openPort, takeJson } from '@polyedge/service-kit/client-server';
import { reserveHealth } from '@polyedge/service-kit/health';
import type { Running } from '@polyedge/service-kit/lifecycle';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { Verifier } from '@polyedge/service-kit/tokens';
import { type ConsoleSettings, edgesOf } from './config.ts';
import { docsRoutes } from './docs/routes.ts';
import { adminRoutes } from './http/admin.ts';
import { sendFailure, sendJson } from './http/answer.ts';
import { guardPage } from './http/guard.ts';
import { liveRoutes } from './http/live.ts';
import { sessionRoutes } from './http/session.ts';
import { Streams } from './http/streams.ts';
import { eventText } from './live/event-text.ts';
import { ProcessStatuses } from './live/process-statuses.ts';
import { Tail } from './live/tail.ts';
import { buildPage, pageRoutes } from './page.ts';

/** A running console; `port` is the one it listens on. */
export interface Console extends Running {
  readonly port: number;
}

const MAX_BODY_BYTES = 2 * 1024 * 1024;
const TICK_MS = 1_000;
/** Addresses of the page; all serve the same document. */
const VIEWS = ['tail', 'graph', 'groups', 'connections', 'accounts', 'runnables', 'space', 'try'] as const;

/** Throws `CannotStart`. */
export function checkSettings(config: Config<ConsoleSettings>): void {
  certificateOf(config);
}

/** Composes the whole service, top to bottom. Uses the given bus and closes everything else. Throws `CannotStart` if the port is taken. */
export async function startConsole(
  config: Config<ConsoleSettings>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready'>,
  bus: Bus,
): Promise<Console> {
  const { log, metrics } = context;
  const { tenant, secureCookies } = config;
  const edges = edgesOf(config.edges);
  const page = await buildPage();
  const verifier = new Verifier({ bus, log });
  const statuses = new ProcessStatuses(() => bus.placements?.journalOf(tenant) ?? MAIN);
  const openFeed = () => openFeeds({ bus, onThrown: (err) => log.error('a watcher of changes failed', { err }) });
  const tail = new Tail(openFeed, tenant, () => bus.spans?.current());
  const now = () => performance.now();
  const streams = new Streams({
    max: config.maxStreams,
    isOver: (principal) => principal.expiresAt <= Date.now() || verifier.revoked(principal),
  });

  const heard = bus.subscribe(serviceStatus, serviceStatus.pattern({}), (status, subject) => {
    // NATS lets each service publish under its own name only, so the name in a body is checked against the subject.
    if (subject === serviceStatus.subject({ service: status.service })) statuses.take(status, now());
  });
  const listeners = new Set<(event: string) => void>();
  const ticking = setInterval(() => {
    const sample = statuses.tick(now(), Date.now());
    if (listeners.size > 0) {
      const event = eventText('sample', { sample, ...statuses.view(now()) });
      for (const listener of listeners) listener(event);
    }
    tail.tick();
    streams.sweep();
  }, TICK_MS);

  const app = clientServer({ config, http: httpOptions(limits()), spans: bus.spans, bodyLimit: MAX_BODY_BYTES });
  takeJson(app);
  guardPage(app, edges);
  app.setNotFoundHandler((_request, reply) => sendFailure(reply, { code: 'not-found', detail: 'there is nothing under this path' }));
  answerFailures(app, log, (reply, status, message) => sendJson(reply, status, { error: { code: status, message } }));
  const session = {
    ...{ bus, tenant, secureCookies, edges },
    verify: (token: string) => verifier.verify(token),
    runs: (service: string) => statuses.running(now(), [service]).length > 0,
  };
  sessionRoutes(app, session);
  liveRoutes(app, {
    bus,
    session,
    streams,
    statuses,
    tail,
    now,
    onTick: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  });
  adminRoutes(app, { bus, log, session, now, running: (services) => statuses.running(now(), services) });
  pageRoutes(app, page, VIEWS);
  docsRoutes(app, page.docs);
  reserveHealth(app, context.ready);
  metrics.gauge('console_streams', 'Live streams of pages.', () => streams.size);

  verifier.start();
  const port = await openPort(app, config, log);

  return {
    port,
    ready: () => (bus.status === 'connected' ? verifier.ready() : 'NATS is not connected'),
    drain: async () => {
      streams.close();
      await drainPort(app, Promise.resolve());
    },
    stop: async () => {
      clearInterval(ticking);
      heard.unsubscribe();
      await closePort(app);
      tail.close();
      verifier.stop();
    },
  };
}
