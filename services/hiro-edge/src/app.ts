import { hiroFrames } from '@polyedge/contracts/bus/frames';
import { publishConnections } from '@polyedge/edge-kit/driver/connections-report';
import { Driver } from '@polyedge/edge-kit/driver/driver';
import { reportDriver } from '@polyedge/edge-kit/driver/driver-metrics';
import { reportFeeds } from '@polyedge/edge-kit/driver/feed-metrics';
import { publishFrames } from '@polyedge/edge-kit/driver/frames-report';
import { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import { originsOf } from '@polyedge/edge-kit/edge-settings';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { limits } from '@polyedge/edge-kit/limits';
import { Flusher } from '@polyedge/edge-kit/transport/outbox';
import { wsFraming } from '@polyedge/edge-kit/transport/ws-frames';
import { type Handshake, httpOptions, WsListener, type WsRoute } from '@polyedge/edge-kit/transport/ws-listener';
import { type Clock, systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import { JournalGroups } from '@polyedge/journal/groups-over-bus';
import { publishGroups } from '@polyedge/journal/groups-report';
import { JournalRedis, redisJournalUrls } from '@polyedge/journal/journal-redis';
import type { Bus } from '@polyedge/service-kit/bus';
import { closePort, drainPort, openPort } from '@polyedge/service-kit/client-server';
import { reserveHealth } from '@polyedge/service-kit/health';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import { openIdOf } from '@polyedge/service-kit/open-id';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { Verifier } from '@polyedge/service-kit/tokens';
import type { HiroSettings } from './config.ts';
import { adminRoutes } from './http/admin.ts';
import { parseApplications } from './http/applications.ts';
import { authRoutes } from './http/auth.ts';
import { authorizeRoutes, parseRedirects } from './http/authorize.ts';
import { contentRoutes } from './http/content.ts';
import { graphRoutes, principalOf } from './http/graph.ts';
import { meRoutes } from './http/me.ts';
import { createHttpServer } from './http/server.ts';
import { versionRoutes } from './http/version.ts';
import { reportGroups } from './metrics.ts';
import { framesOf } from './protocol/events/frames.ts';
import { MAX_SUBSCRIPTIONS } from './protocol/events/session.ts';
import { type Api, bearerOf, PATHS, selectSubprotocol, tokenOf } from './protocol/handshake.ts';
import { eventsProtocol, graphProtocol } from './protocol/protocol.ts';

/** A running hiro-edge; `port` is the one it listens on. */
export interface HiroEdge extends Running {
  readonly port: number;
}

/** Throws `CannotStart`. */
export function checkSettings(config: Config<HiroSettings>): void {
  certificateOf(config);
  openIdOf(config);
  redirectsOf(config.redirectUris);
  redisJournalUrls(config);
}

/**
 * Composes the whole edge, top to bottom. Uses the given bus and closes everything else. All time-outs of sockets are on the clock. Throws
 * `CannotStart` if the port is taken.
 */
export async function startHiroEdge(
  config: Config<HiroSettings>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready' | 'instance'>,
  bus: Bus,
  clock: Clock = systemClock,
): Promise<HiroEdge> {
  const { log, metrics } = context;
  const redis = new JournalRedis(config, `hiro-edge-${context.instance}`, (sentence) => log.warn(sentence));
  const groups = new JournalGroups(bus, redis, {
    edge: context.instance,
    onOpened: (opened, journal) => reportGroups(metrics, opened, journal),
    offsetMode: config.offsetMode,
    onNote: (sentence, { tenant, name }) => log.warn(sentence, { tenant, id: name }),
  });
  const verifier = new Verifier({ bus, log, openId: openIdOf(config) });
  const verify = (token: string) => verifier.verify(token);
  const feed = openFeeds({ bus, onThrown: (err) => log.error('a watcher of changes failed', { err }) });
  const wheel = new Wheel(clock);
  const flusher = new Flusher();

  const perSocket = limits({
    maxFrameBytes: config.maxFrameBytes,
    framesPerSecond: config.maxFramesPerSecond,
    bytesPerSecond: 8 * config.maxFrameBytes,
    maxInFlight: config.maxInFlight,
    maxSubscriptions: MAX_SUBSCRIPTIONS,
    maxBufferedBytes: config.maxBufferedBytes,
    // A socket without a token is refused on opening.
    authenticateMs: 0,
    idleMs: config.idleMs,
    pingIntervalMs: config.pingIntervalMs,
    confirmMs: config.confirmMs,
    sweepMs: Math.min(1000, config.pingIntervalMs / 4),
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
  });
  const { maxInFlight, tokenGraceMs, validation: names, requestTimeoutMs } = config;
  const shared = { framing: wsFraming(), bus, feed, limits: perSocket, verify, requestTimeoutMs, log, wheel, flusher };
  const graph = new Driver({ ...shared, protocol: graphProtocol({ maxInFlight, tokenGraceMs, names }) });
  const neverPong = new Set(config.writtenApplications?.split(',').map((name) => name.trim()));
  const events = new Driver({
    ...shared,
    protocol: eventsProtocol({ tokenGraceMs }),
    groups,
    neverPongs: ({ app: application }) => neverPong.has(application),
  });
  const revocations = verifier.onRevoked((revocation) => {
    graph.revoke(revocation);
    events.revoke(revocation);
  });

  const origins = originsOf(config.allowedOrigins);
  const style = { status888: Number(config.status888) };
  const app = await createHttpServer({
    config,
    http: httpOptions(perSocket),
    spans: bus.spans,
    origins,
    style,
    log,
  });
  const rest = new RestTasks({ bus, wheel, requestTimeoutMs });
  versionRoutes(app);
  const redirects = redirectsOf(config.redirectUris);
  const auth = { bus, rest, style, verify, applications: parseApplications(config.applications ?? ''), redirects };
  authRoutes(app, auth);
  authorizeRoutes(app, auth);
  meRoutes(app, auth);
  const graphHttp = { rest, requestTimeoutMs, style, names, verify };
  adminRoutes(app, { bus, groups, style, verify });
  contentRoutes(app, graphHttp);
  graphRoutes(app, graphHttp);
  reserveHealth(app, context.ready);
  const listener = new WsListener({
    server: app.server,
    routes: [route('graph', graph), route('events', events)],
    limits: perSocket,
    trustProxy: config.trustProxy,
    ...(origins === undefined ? {} : { origins }),
  });
  reportDriver(metrics, { edge: 'hiro', api: 'graph-ws' }, graph);
  reportDriver(metrics, { edge: 'hiro', api: 'events-ws' }, events);
  reportFeeds(metrics, 'hiro', feed);
  const frameReports = publishFrames(bus, hiroFrames, framesOf);
  const groupReports = publishGroups(bus, groups, context.instance);
  const connectionReports = publishConnections({
    bus,
    log,
    service: 'hiro-edge',
    instance: context.instance,
    drivers: { 'graph-ws': graph, 'events-ws': events },
  });

  verifier.start();
  const port = await openPort(app, config, log, {
    mayTakeLong: async ({ headers }) => (await principalOf(bearerOf(headers.authorization), { verify })).ok,
  });

  return {
    port,
    ready: () => (bus.status === 'connected' ? verifier.ready() : 'NATS is not connected'),
    drain: async () => {
      listener.stopAccepting();
      frameReports.leave();
      await drainPort(app, Promise.all([graph.drain(), events.drain()]));
    },
    stop: async () => {
      listener.close();
      revocations.unsubscribe();
      connectionReports.unsubscribe();
      groupReports.unsubscribe();
      await frameReports.stop();
      await closePort(app);
      graph.stop();
      events.stop();
      await groups.close();
      feed.close();
      verifier.stop();
    },
  };
}

function redirectsOf(text: string | undefined): ReadonlySet<string> {
  try {
    return parseRedirects(text ?? '');
  } catch (error) {
    throw new CannotStart(`HIRO_REDIRECT_URIS: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function route(api: Api, driver: WsRoute['driver']): WsRoute {
  return {
    path: PATHS[api],
    // Binary messages are accepted so that the session can close with 1003.
    accepts: 'both',
    selectProtocol: ({ offered }: Handshake) => selectSubprotocol(api, offered),
    credentialFrom: ({ offered, headers }: Handshake) => tokenOf(offered, headers.authorization),
    // The refusal must be sent as a frame: two clients loop on an HTTP 401.
    verify: 'after',
    driver,
  };
}
