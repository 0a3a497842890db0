import { accountsKeysChanged, accountsRevoked } from '@polyedge/contracts/bus/accounts';
import { gooduncleFrames } from '@polyedge/contracts/bus/frames';
import { publishConnections } from '@polyedge/edge-kit/driver/connections-report';
import { Driver } from '@polyedge/edge-kit/driver/driver';
import { reportFeeds } from '@polyedge/edge-kit/driver/feed-metrics';
import { publishFrames } from '@polyedge/edge-kit/driver/frames-report';
import { originsOf } from '@polyedge/edge-kit/edge-settings';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { limits } from '@polyedge/edge-kit/limits';
import { Heartbeat } from '@polyedge/edge-kit/transport/heartbeat';
import { wsFraming } from '@polyedge/edge-kit/transport/ws-frames';
import { httpOptions, WsListener } from '@polyedge/edge-kit/transport/ws-listener';
import { type Clock, systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { clientServer, closePort, drainPort, openPort } from '@polyedge/service-kit/client-server';
import { reserveHealth } from '@polyedge/service-kit/health';
import type { Running } from '@polyedge/service-kit/lifecycle';
import { openIdOf } from '@polyedge/service-kit/open-id';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { Verifier } from '@polyedge/service-kit/tokens';
import type { GoodUncleSettings } from './config.ts';
import { report } from './metrics.ts';
import { BEAT, isKeepAlive } from './protocol/codec.ts';
import { framesOf } from './protocol/frames.ts';
import { goodUncleProtocol } from './protocol/protocol.ts';
import { findScope } from './scope.ts';
import { openTopicsFile, readTopicsFile } from './topics-file.ts';

/** A running gooduncle-edge; `port` is the one it listens on. */
export interface GoodUncleEdge extends Running {
  readonly port: number;
}

const KEEP_ALIVES_PER_SECOND = 30;
const SUBPROTOCOL = 'gooduncle.v1';

/** Throws `CannotStart`. */
export async function checkSettings(config: Config<GoodUncleSettings>): Promise<void> {
  certificateOf(config);
  openIdOf(config);
  await readTopicsFile(config.topics);
}

/**
 * Starts the edge. It borrows the bus and closes everything else. All time-outs of sockets are on the clock. Throws `CannotStart` if the port
 * or the topic rules cannot be used.
 */
export async function startGoodUncleEdge(
  config: Config<GoodUncleSettings>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready' | 'instance'>,
  bus: Bus,
  clock: Clock = systemClock,
): Promise<GoodUncleEdge> {
  const { log, metrics } = context;
  const topics = await openTopicsFile(config.topics, log);
  const scope = findScope(bus, config.tenant, config.scope);
  const verifier = new Verifier({ bus, log, openId: openIdOf(config) });
  const feed = openFeeds({ bus, onThrown: (err) => log.error('a watcher of changes failed', { err }) });
  const wheel = new Wheel(clock);
  const framing = wsFraming();

  const perSocket = limits({
    maxFrameBytes: config.maxFrameBytes,
    // The session limits requests and answers `slow down`; this only bounds the cost of a flood.
    framesPerSecond: Math.max(5000, 20 * config.requestsPerSecond),
    bytesPerSecond: 16 * config.maxFrameBytes,
    maxInFlight: 256,
    // Two in addition to the client's own: revocations, and their repetition.
    maxSubscriptions: config.maxSubscriptions + 2,
    maxBufferedBytes: config.maxBufferedBytes,
    stalledMs: config.stalledMs,
    authenticateMs: 0,
    // The heartbeat detects silent clients, and this protocol has no pings.
    idleMs: 0,
    pingIntervalMs: 0,
    closeTimeoutMs: 1000,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
  });
  const protocol = goodUncleProtocol({
    tenant: config.tenant,
    scope: () => scope.current,
    topics: () => topics.current,
    instance: context.instance,
    requestsPerSecond: config.requestsPerSecond,
    requestBurst: config.requestBurst,
    maxSubscriptions: config.maxSubscriptions,
    redact: config.redact,
    onDowngrade: config.onDowngrade,
  });
  const driver = new Driver({
    protocol,
    framing,
    bus,
    feed,
    limits: perSocket,
    verify: (token) => verifier.verify(token),
    sharedChannels: [accountsRevoked, accountsKeysChanged],
    requestTimeoutMs: config.requestTimeoutMs,
    log,
    wheel,
  });
  const heartbeat = new Heartbeat({
    beat: framing.pack(BEAT),
    periodMs: config.heartbeatMs,
    idleMs: config.idleMs,
    idleClose: { code: 4408, reason: 'keep-alive timeout' },
    always: config.heartbeatAlways,
    isKeepAlive,
    keepAlivesPerSecond: KEEP_ALIVES_PER_SECOND,
    clock,
  });

  const app = clientServer({ config, http: httpOptions(perSocket), spans: bus.spans });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: { code: 404, message: 'this is a WebSocket endpoint' } }));
  reserveHealth(app, context.ready);
  const origins = originsOf(config.allowedOrigins);
  const path = config.path;
  const listener = new WsListener({
    server: app.server,
    routes: [
      {
        path: new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`),
        accepts: 'both',
        selectProtocol: ({ offered }) => (offered.includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined),
        driver: heartbeat.around(driver),
      },
    ],
    limits: perSocket,
    trustProxy: config.trustProxy,
    ...(origins === undefined ? {} : { origins }),
  });
  report(metrics, driver, heartbeat, topics);
  reportFeeds(metrics, 'gooduncle', feed);
  const connectionReports = publishConnections({
    bus,
    log,
    service: 'gooduncle-edge',
    instance: context.instance,
    drivers: { gooduncle: driver },
  });
  const frameReports = publishFrames(bus, gooduncleFrames, (change) => framesOf(change, topics.current, scope.current));

  verifier.start();
  const port = await openPort(app, config, log);

  return {
    port,
    ready: () => {
      if (bus.status !== 'connected') return 'NATS is not connected';
      return scope.current === '' ? 'the scope of the tenant is not known yet' : verifier.ready();
    },
    drain: async () => {
      listener.stopAccepting();
      frameReports.leave();
      await drainPort(app, driver.drain());
    },
    stop: async () => {
      listener.close();
      connectionReports.unsubscribe();
      await frameReports.stop();
      heartbeat.stop();
      topics.close();
      scope.close();
      await closePort(app);
      driver.stop();
      feed.close();
      verifier.stop();
    },
  };
}
