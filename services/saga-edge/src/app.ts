import { accountsChanged } from '@polyedge/contracts/bus/accounts';
import { sagaFrames } from '@polyedge/contracts/bus/frames';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
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
import { SocketIoListener } from '@polyedge/edge-kit/transport/socketio-listener';
import { socketIoFraming } from '@polyedge/edge-kit/transport/socketio-packets';
import { httpOptions } from '@polyedge/edge-kit/transport/ws-listener';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { closePort, drainPort, openPort } from '@polyedge/service-kit/client-server';
import { reserveHealth } from '@polyedge/service-kit/health';
import type { Running } from '@polyedge/service-kit/lifecycle';
import { openIdOf } from '@polyedge/service-kit/open-id';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { Verifier } from '@polyedge/service-kit/tokens';
import type { SagaServiceSettings } from './config.ts';
import { botRoutes, messageRoutes, testDataRoutes } from './http/bots.ts';
import { npmRoutes } from './http/npm-packages.ts';
import { propertyRoutes } from './http/properties.ts';
import { requestRoutes, runRoutes } from './http/requests.ts';
import { roleRoutes } from './http/roles.ts';
import { runnableRoutes } from './http/runnables.ts';
import { schemaRoutes } from './http/schemas.ts';
import { createHttpServer, tokenOf } from './http/server.ts';
import { storageRoutes } from './http/storages.ts';
import { Store } from './http/store.ts';
import { tagRoutes } from './http/tags.ts';
import { userRoutes } from './http/users.ts';
import { framesOf } from './protocol/frames.ts';
import { sagaProtocol } from './protocol/protocol.ts';
import { openRecovery } from './recovery.ts';
import { answerReports } from './reports.ts';
import { RoleCache } from './roles.ts';
import { Runners } from './runners.ts';

/** A running saga-edge; `port` is the one it listens on. */
export interface SagaEdge extends Running {
  readonly port: number;
}

/** A join of a user or bot watches in four views and listens to signals. */
const SUBSCRIPTIONS_PER_JOIN = 5;

/** Throws `CannotStart`. */
export function checkSettings(config: Config<SagaServiceSettings>): void {
  certificateOf(config);
  openIdOf(config);
}

/** Composes the whole edge, top to bottom. Uses the given bus and closes everything else. Throws `CannotStart` if the port is taken. */
export async function startSagaEdge(
  config: Config<SagaServiceSettings>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready' | 'instance'>,
  bus: Bus,
): Promise<SagaEdge> {
  const { log, metrics } = context;
  const verifier = new Verifier({ bus, log, openId: openIdOf(config) });
  const roles = new RoleCache(bus, log);
  // Roles are looked up synchronously, so they are loaded before a token of their tenant is accepted.
  const verify = async (token: string): Promise<Outcome<Principal>> => {
    const verified = await verifier.verify(token);
    if (!verified.ok || roles.knows(verified.value.tenant)) return verified;
    // It may be revoked meanwhile.
    if (await roles.know(verified.value.tenant)) return await verifier.verify(token);
    return { ok: false, failure: { code: 'unavailable', detail: 'the roles could not be read' } };
  };
  const feed = openFeeds({ bus, onThrown: (err) => log.error('a watcher of changes failed', { err }) });
  const wheel = new Wheel(systemClock);
  const { maxJoins, maxWaiting, authTimeoutMs, selfAccess, disconnectOnTokenExpiry, requestTimeoutMs, allowUnverified } = config;

  const perSocket = limits({
    maxFrameBytes: config.maxFrameBytes,
    framesPerSecond: config.maxFramesPerSecond,
    bytesPerSecond: 8 * config.maxFrameBytes,
    maxInFlight: config.maxInFlight,
    maxSubscriptions: maxJoins * SUBSCRIPTIONS_PER_JOIN + 10,
    maxBufferedBytes: config.maxBufferedBytes,
    // The session sends `unauthorized` first, and Engine.IO has its own heartbeat.
    authenticateMs: 0,
    idleMs: 0,
    pingIntervalMs: 0,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
  });
  const protocol = sagaProtocol({
    authTimeoutMs,
    selfAccess,
    disconnectOnTokenExpiry,
    maxJoins,
    maxWaiting,
    maxInFlight: config.maxInFlight,
    legacyMessages: config.legacyMessagesEvent,
    rolesOf: (tenant) => roles.of(tenant),
  });
  const framing = socketIoFraming();
  const driver = new Driver({
    protocol,
    framing,
    bus,
    feed,
    limits: perSocket,
    verify,
    sharedChannels: [accountsChanged, sagaSignal],
    // Without Socket.IO's disconnect packet, after which JavaScript clients would not reconnect by themselves.
    slowClient: { do: 'drop' },
    requestTimeoutMs,
    log,
    wheel,
    flusher: new Flusher(),
  });
  const revocations = verifier.onRevoked((revocation) => driver.revoke(revocation));

  const origins = originsOf(config.allowedOrigins);
  const store = new Store(bus, new RestTasks({ bus, wheel, requestTimeoutMs }));
  const runners = new Runners(bus);
  const serving = { config, http: httpOptions(perSocket), origins, bus, store, roles, log, verify };
  const { app, routes } = await createHttpServer(serving);
  userRoutes(routes, { bus, store, roles, allowUnverified });
  botRoutes(routes, store);
  tagRoutes(routes, store);
  propertyRoutes(routes, store);
  messageRoutes(routes, store);
  roleRoutes(routes, roles);
  runnableRoutes(routes, store);
  schemaRoutes(routes, store);
  npmRoutes(routes, store, bus);
  runRoutes(routes, { bus, store });
  storageRoutes(routes, store);
  await requestRoutes(app, { bus, store }, serving);
  testDataRoutes(routes, { bus, store });
  reserveHealth(app, context.ready, () => runners.notices());
  const recovering = config.recoveryMs === 0 ? undefined : openRecovery({ bus, verify, keepMs: config.recoveryMs, requestTimeoutMs });
  const listener = new SocketIoListener({
    server: app.server,
    limits: perSocket,
    namespaces: [{ name: '/', driver }],
    allowEIO3: true,
    ...(recovering === undefined ? {} : { recovery: recovering.recovery }),
    origins,
    trustProxy: config.trustProxy,
    pingIntervalMs: config.pingIntervalMs,
    pingTimeoutMs: config.pingTimeoutMs,
    connectTimeoutMs: 10_000,
  });
  reportDriver(metrics, { edge: 'saga' }, driver);
  reportFeeds(metrics, 'saga', feed);
  metrics.countersOf('edge_socketio', 'What the Socket.IO listener counts.', listener.counts, { edge: 'saga' });

  const connectionReports = publishConnections({ bus, log, service: 'saga-edge', instance: context.instance, drivers: { saga: driver } });

  const frameReports = publishFrames(bus, sagaFrames, (change) =>
    framesOf(change).map(({ to, packet }) => ({ to, text: `4${framing.pack(packet).text}` })),
  );

  verifier.start();
  roles.start();
  const reports = answerReports(bus, store);
  const port = await openPort(app, config, log, {
    mayTakeLong: async (request) => {
      const token = tokenOf(request);
      return token !== undefined && (await verify(token)).ok;
    },
  });

  return {
    port,
    ready: () => (bus.status === 'connected' ? verifier.ready() : 'NATS is not connected'),
    drain: async () => {
      listener.stopAccepting();
      reports.leave();
      frameReports.leave();
      await drainPort(app, driver.drain());
    },
    stop: async () => {
      await reports.stop();
      await frameReports.stop();
      connectionReports.unsubscribe();
      listener.close();
      recovering?.close();
      revocations.unsubscribe();
      await closePort(app);
      driver.stop();
      runners.close();
      roles.stop();
      feed.close();
      verifier.stop();
    },
  };
}
