import type { IncomingMessage, Server } from 'node:http';
import { spaceFrames } from '@polyedge/contracts/bus/frames';
import { spaceTestEvent } from '@polyedge/contracts/bus/space';
import type { PricingEvent } from '@polyedge/contracts/wire/space';
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
import { type SocketIoHandshake, SocketIoListener } from '@polyedge/edge-kit/transport/socketio-listener';
import { type SocketIoPacket, type SocketIoRaw, socketIoFraming } from '@polyedge/edge-kit/transport/socketio-packets';
import { httpOptions } from '@polyedge/edge-kit/transport/ws-listener';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { closePort, drainPort, openPort } from '@polyedge/service-kit/client-server';
import { reserveHealth } from '@polyedge/service-kit/health';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { Verifier } from '@polyedge/service-kit/tokens';
import { PRICING_TYPE, SERVICE_TYPE } from './catalogue/service.ts';
import type { originalSettings, SpaceSettings } from './config.ts';
import { CONTRACT_TYPE } from './contracts/contract.ts';
import { authorize } from './http/call.ts';
import { contractRoutes } from './http/contracts.ts';
import { eventRoutes } from './http/events.ts';
import { featureRoutes } from './http/features.ts';
import { operatingRoutes } from './http/operating.ts';
import { organizationRoutes } from './http/organizations.ts';
import { createHttpServer } from './http/server.ts';
import { serviceRoutes } from './http/services.ts';
import { userRoutes } from './http/users.ts';
import { toEvent } from './protocol/event.ts';
import { ORGANIZATION_TYPE } from './protocol/organization.ts';
import { tokenKey } from './protocol/pricing-token.ts';
import { pricingProtocol } from './protocol/protocol.ts';
import { Accounts } from './store/accounts/accounts.ts';
import { Identity } from './store/accounts/identity.ts';
import { followKeys } from './store/accounts/key-changes.ts';
import { Organizations } from './store/accounts/organizations.ts';
import { Analytics } from './store/analytics.ts';
import { Offering } from './store/catalogue/offering.ts';
import { Pricings } from './store/catalogue/pricings.ts';
import { ServiceChanges } from './store/catalogue/service-changes.ts';
import { Services } from './store/catalogue/services.ts';
import { Contracting } from './store/contracts/contracting.ts';
import { Contracts } from './store/contracts/contracts.ts';
import { Evaluations } from './store/contracts/evaluations.ts';
import { Jobs } from './store/contracts/jobs.ts';
import { SubscriptionCache } from './store/contracts/subscriptions.ts';
import { Following } from './store/following.ts';
import { Graph } from './store/graph.ts';
import { Notes } from './store/notes.ts';
import { USAGE_TYPE } from './usage/levels.ts';

/** A running space-edge; `port` is the one it listens on. */
export interface SpaceEdge extends Running {
  readonly port: number;
}

/** The path of the sockets; the library adds the slash. */
const EVENTS_PATH = '/events';
const NAMESPACE = '/pricings';
/** SPACE's own page is always allowed, whatever the list of origins. */
const OWN_ORIGIN = 'http://localhost:5403';
const SCOPE_RETRY_MS = 500;

/** Throws `CannotStart`. */
export function checkSettings(config: Config<SpaceSettings>): void {
  certificateOf(config);
  refuseOriginalNames(config);
}

/** Composes the whole edge, top to bottom. Uses the given bus and closes everything else. Throws `CannotStart` if the port is taken. */
export async function startSpaceEdge(
  config: Config<SpaceSettings>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready' | 'instance'>,
  bus: Bus,
): Promise<SpaceEdge> {
  const { log, metrics } = context;
  const { tenant, requestTimeoutMs } = config;
  const feed = openFeeds({ bus, onThrown: (err) => log.error('a watcher of changes failed', { err }) });
  const wheel = new Wheel(systemClock);

  const rest = new RestTasks({ bus, wheel, requestTimeoutMs, feed });
  const graph = new Graph(rest, tenant);
  const accounts = new Accounts(rest, tenant);
  const now = (): number => Date.now();
  const jobs = new Jobs({ graph, now, log });
  const services = new Services({
    graph,
    today: () => new Date().toISOString().slice(0, 10),
    maxYamlBytes: config.maxPricingBytes,
  });
  const changes = new ServiceChanges({ graph, services, jobs });
  const contracts = new Contracts({ graph, now });
  const contracting = new Contracting({ graph, contracts, offering: new Offering(graph), jobs, now });
  const organizations = new Organizations({ graph, accounts, services, contracting });
  const verifier = new Verifier({ bus, log });
  const identity = new Identity({
    ...{ accounts, organizations, tenant, memoryMs: config.keyMemoryMs },
    verify: (token) => verifier.verify(token),
  });

  const following = new Following({ feed, tenant, types: [SERVICE_TYPE, PRICING_TYPE, CONTRACT_TYPE, USAGE_TYPE, ORGANIZATION_TYPE] });
  const pricings = new Pricings({ graph, following });
  const subscriptions = new SubscriptionCache({ contracts, pricings, following, now, maxBytes: config.evaluationCacheBytes });
  const tokens = { key: tokenKey(config.jwtSecret, config.jwtSalt), lifetimeMs: config.jwtExpiration };
  const evaluations = new Evaluations({ contracts, subscriptions, now, tokens });
  const analytics = new Analytics({ graph, now, flushMs: config.analyticsFlushMs });

  const perSocket = limits({
    maxFrameBytes: 1_000_000,
    maxBufferedBytes: config.maxBufferedBytes,
    maxSubscriptions: 2,
    // Most sockets never log in, and Engine.IO has its own heartbeat.
    authenticateMs: 0,
    idleMs: 0,
    pingIntervalMs: 0,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
  });
  const protocol = pricingProtocol({ tenant, requireKey: config.requireKey });
  const framing = socketIoFraming(NAMESPACE);
  const driver = new Driver<SocketIoRaw, unknown, PricingEvent, SocketIoPacket>({
    protocol,
    framing,
    bus,
    feed,
    limits: perSocket,
    verify: (key) => identity.principalOf(key),
    sharedChannels: [spaceTestEvent],
    // Without a disconnect packet: after one, clients do not reconnect by themselves.
    slowClient: { do: 'drop' },
    requestTimeoutMs,
    log,
    wheel,
    flusher: new Flusher(),
  });

  const keyChanges = followKeys({ verifier, following }, (concerns) => {
    identity.changed(concerns);
    driver.revokeWhere(concerns);
  });

  const origins = originsOf(config.allowedOrigins, ';');
  const app = await createHttpServer({
    config,
    http: httpOptions(perSocket),
    spans: bus.spans,
    origins: origins === undefined ? undefined : [...origins, OWN_ORIGIN],
    log,
  });
  // `/events` without its slash is no path of the sockets, so it is 404.
  authorize(app, identity, {
    open: (path) => path.startsWith('/static/pricings/') || path === EVENTS_PATH,
    strictScopes: config.strictScopes,
  });
  eventRoutes(app, { bus, testEvent: config.testEvent });
  const remote = { timeoutMs: config.remoteTimeoutMs, maxBytes: config.maxPricingBytes, allowPrivate: config.remotePrivate };
  contractRoutes(app, { contracts, contracting, organizations });
  serviceRoutes(app, { graph, services, changes, jobs, organizations, remote, staticPricings: config.staticPricings });
  userRoutes(app, { accounts, organizations, openRegistration: config.openRegistration });
  organizationRoutes(app, { organizations, accounts });
  featureRoutes(app, { evaluations, services, pricings });
  operatingRoutes(app, { analytics, notes: new Notes({ graph, now }) });

  const listener = new SocketIoListener({
    server: app.server,
    path: EVENTS_PATH,
    limits: perSocket,
    namespaces: [{ name: NAMESPACE, driver, credentialFrom: keyOf }, { name: '/' }],
    transports: config.transports === 'all' ? ['polling', 'websocket'] : ['websocket'],
    serveClient: true,
    trustProxy: config.trustProxy,
    pingIntervalMs: config.pingIntervalMs,
    pingTimeoutMs: config.pingTimeoutMs,
  });
  reserveHealth(app, context.ready);
  if (config.basePath !== undefined) withoutBasePath(app.server, config.basePath);
  reportDriver(metrics, { edge: 'space' }, driver);
  reportFeeds(metrics, 'space', feed);
  const connectionReports = publishConnections({ bus, log, service: 'space-edge', instance: context.instance, drivers: { space: driver } });

  const frameReports = publishFrames(bus, spaceFrames, (change) => {
    const event = toEvent(change);
    return event === undefined ? [] : [{ to: NAMESPACE, text: `4${framing.pack(protocol.encode(event)).text}` }];
  });

  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  const findScope = async (): Promise<void> => {
    if (!(await graph.findScope()) && !stopped) retry = setTimeout(() => void findScope(), SCOPE_RETRY_MS);
  };
  void findScope();

  verifier.start();
  const port = await openPort(app, config, log);
  jobs.start();

  return {
    port,
    ready: () => {
      if (bus.status !== 'connected') return 'NATS is not connected';
      if (graph.scope === undefined) return `graph-store does not answer, or has no tenant "${tenant}"`;
      // Sockets join an interest that is live already, so they receive what happens right after they connect.
      return following.live ? true : 'the feed is not live';
    },
    drain: async () => {
      listener.stopAccepting();
      frameReports.leave();
      await drainPort(app, driver.drain());
      await analytics.flush();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(retry);
      connectionReports.unsubscribe();
      keyChanges.unsubscribe();
      await frameReports.stop();
      following.close();
      listener.close();
      await closePort(app);
      await analytics.close();
      await jobs.stop();
      driver.stop();
      feed.close();
      verifier.stop();
    },
  };
}

function refuseOriginalNames(config: Config<typeof originalSettings>): void {
  const { originalAdminUser: user, originalAdminPassword: password } = config;
  if (user !== undefined) {
    throw new CannotStart(
      'ADMIN_USER has no effect here: the administrator is POLYEDGE_ADMIN_USERNAME, which graph-store creates on its first start',
    );
  }
  if (password !== undefined) {
    throw new CannotStart('ADMIN_PASSWORD has no effect here: set POLYEDGE_ADMIN_PASSWORD for graph-store before its first start');
  }
}

/** The key of a socket: `auth: { apiKey }`, or the header of REST calls. */
function keyOf({ auth, headers }: SocketIoHandshake): string | undefined {
  const { apiKey } = auth;
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  const header = headers['x-api-key'];
  const key = Array.isArray(header) ? header[0] : header;
  return key === '' ? undefined : key;
}

/** Removes a path prefix before anything else sees it; requests without it pass unchanged. */
function withoutBasePath(server: Server, basePath: string): void {
  const strip = (request: IncomingMessage): void => {
    if (request.url?.startsWith(`${basePath}/`) === true) request.url = request.url.slice(basePath.length);
  };
  server.prependListener('request', strip);
  server.prependListener('upgrade', strip);
}
