import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { jssocketFrames } from '@polyedge/contracts/bus/frames';
import { jssocketAsked, jssocketCores, jssocketNotifiedAll, jssocketNotifiedGroup, jssocketTold } from '@polyedge/contracts/bus/jssocket';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { publishConnections } from '@polyedge/edge-kit/driver/connections-report';
import { Driver, type DriverOptions } from '@polyedge/edge-kit/driver/driver';
import { reportDriver } from '@polyedge/edge-kit/driver/driver-metrics';
import { publishFrames } from '@polyedge/edge-kit/driver/frames-report';
import { originsOf } from '@polyedge/edge-kit/edge-settings';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { type Limits, limits } from '@polyedge/edge-kit/limits';
import { Flusher } from '@polyedge/edge-kit/transport/outbox';
import { type WsPacket, wsFraming } from '@polyedge/edge-kit/transport/ws-frames';
import { httpOptions, WsListener } from '@polyedge/edge-kit/transport/ws-listener';
import { type Clock, systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import { clientAddress } from '@polyedge/service-kit/client-address';
import { drainCalls } from '@polyedge/service-kit/http-calls';
import { guardHttp } from '@polyedge/service-kit/http-guard';
import { CannotStart, type Running } from '@polyedge/service-kit/lifecycle';
import { closeListeners, opened, openListeners } from '@polyedge/service-kit/listeners';
import { createServer } from '@polyedge/service-kit/node-http';
import type { ServiceContext } from '@polyedge/service-kit/service';
import type { Config } from '@polyedge/service-kit/settings';
import { certificateOf } from '@polyedge/service-kit/tls';
import { startBridge } from './bridge.ts';
import { type BridgeRule, notificationsOf, parseBridge } from './bridge-rules.ts';
import type { JssocketConfig } from './config.ts';
import { httpAnswers, type LegacyAdmin } from './http/answers.ts';
import { acceptHandshakes, takeSecret } from './http/handshakes.ts';
import { LiveCores } from './live-cores.ts';
import { packOnce } from './pack-once.ts';
import type { Envelope, Outgoing } from './protocol/codec.ts';
import { jssocketProtocol } from './protocol/protocol.ts';
import { Rotation } from './protocol/rotation.ts';
import type { JssocketCounts } from './protocol/session-settings.ts';
import { RoutedSubscriptions } from './routed-subscriptions.ts';
import { authOf, DEFAULT_AUTH, DEFAULT_SECRET, readAuth, ServerSecret } from './server-secret.ts';

/** A running jssocket-edge; `port` is the one it listens on. */
export interface JssocketEdge extends Running {
  readonly port: number;
}

type JssocketDriver = Driver<string | Uint8Array, Envelope, Outgoing, WsPacket>;

const FAILURES_WINDOW_MS = 60_000;

/** Throws `CannotStart`. */
export async function checkSettings(config: Config<JssocketConfig>): Promise<void> {
  certificateOf(config);
  readBridge(config.bridge);
  await readSecret(config);
}

/**
 * Starts the edge. Uses the given bus and closes everything else. All time-outs of sockets are on the clock. Throws `CannotStart` for
 * problems that the operator can fix.
 */
export async function startJssocketEdge(
  config: Config<JssocketConfig>,
  context: Pick<ServiceContext, 'log' | 'metrics' | 'ready' | 'instance'> & { terminate(): void },
  bus: Bus,
  clock: Clock = systemClock,
): Promise<JssocketEdge> {
  const { log, metrics } = context;
  const { tenant } = config;
  const tag = context.instance.slice(0, 8);
  const rules = readBridge(config.bridge);
  const secret = new ServerSecret(
    await readSecret(config, log),
    { maxFailures: config.maxAuthFailures, windowMs: FAILURES_WINDOW_MS },
    clock,
  );

  const wheel = new Wheel(clock);
  const flusher = new Flusher();
  const rotation = new Rotation();
  const routing = new RoutedSubscriptions({ bus, tenant, tag, coresChanged: () => liveCores.announce() });
  const liveCores: LiveCores = new LiveCores({ bus, wheel, tenant, tag, rotation, cores: () => routing.cores });
  const feed = rules.length === 0 ? undefined : openFeeds({ bus, onThrown: (err) => log.error('the bridge failed', { err }) });

  const counts: JssocketCounts = { asked: 0, askedAgain: 0, abandoned: 0, swallowed: 0, denied: 0, ignored: 0 };
  const { publicMayNotify, onlyOwnGroup, callbackOnDenial, maxPerUser, maxPublic, pingIntervalMs, recheckMs } = config;
  const ofSession = {
    tenant,
    tag,
    rotation,
    counts,
    policy: { publicMayNotify, onlyOwnGroup, callbackOnDenial, maxPerUser, maxPublic },
    pingIntervalMs,
    recheckMs,
    note: (sentence: string, connection: string) => log.warn(`an event was ignored: ${sentence}`, { conn: connection }),
  };
  const ofDriver = {
    framing: packOnce(wsFraming()),
    bus,
    subscriptions: routing,
    verify: (credential: string, address: string) => verifySecret(secret, credential, address),
    sharedChannels: [jssocketTold, jssocketAsked, jssocketCores, jssocketNotifiedAll, jssocketNotifiedGroup],
    log,
    wheel,
    flusher,
  } satisfies Partial<DriverOptions<string | Uint8Array, Envelope, Outgoing, WsPacket>>;
  const clients: JssocketDriver = new Driver({
    ...ofDriver,
    limits: limitsOf(config, { maxFrameBytes: config.maxFrameBytes, framesPerSecond: config.maxFramesPerSecond }),
    protocol: jssocketProtocol({ ...ofSession, trusted: false, pongTimeoutMs: config.pongTimeoutMs }),
  });
  const trusted: JssocketDriver = new Driver({
    ...ofDriver,
    limits: limitsOf(config, { maxFrameBytes: config.maxTrustedFrameBytes, framesPerSecond: config.maxTrustedFramesPerSecond }),
    // A core that receives a close frame never reconnects.
    slowClient: { do: 'drop' },
    protocol: jssocketProtocol({ ...ofSession, trusted: true, pongTimeoutMs: config.trustedPongTimeoutMs }),
  });

  const server = createHttpServer(config, clients.limits, httpAnswers({ ready: context.ready, legacy: legacyOf(config, secret, context) }));
  const doors = { clients: createServer(), trusted: createServer() };
  const endHandshakes = acceptHandshakes({ server, doors, secret, trustProxy: config.trustProxy, logForwarded: config.logForwarded, log });
  const path = config.strictPath === undefined ? /^/ : new RegExp(`^${config.strictPath.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`);
  const origins = originsOf(config.allowedOrigins);
  const { trustProxy } = config;
  const listeners = [
    new WsListener({
      server: doors.clients,
      routes: [{ path, accepts: 'both', driver: clients }],
      limits: clients.limits,
      trustProxy,
      ...(origins === undefined ? {} : { origins }),
    }),
    new WsListener({ server: doors.trusted, routes: [{ path, accepts: 'both', driver: trusted }], limits: trusted.limits, trustProxy }),
  ];
  const bridge =
    feed === undefined
      ? undefined
      : startBridge({ rules, tenant, feed, wheel, log, notify: (group, payload) => routing.notifyHere(group, payload) });

  reportDriver(metrics, { edge: 'jssocket', api: 'clients' }, clients);
  reportDriver(metrics, { edge: 'jssocket', api: 'trusted' }, trusted);
  const connectionReports = publishConnections({
    bus,
    log,
    service: 'jssocket-edge',
    instance: context.instance,
    drivers: { clients, trusted },
  });
  // A notification is sent as it is, without an envelope.
  const frameReports = publishFrames(bus, jssocketFrames, (change) =>
    (change.tenant === tenant ? notificationsOf(rules, change) : []).map(({ group, payload }) => ({
      to: `members of the group ${group}`,
      text: payload,
    })),
  );
  metrics.countersOf('jssocket', 'Events counted by the sessions of JSSocket.', counts);
  metrics.countersOf('jssocket_secrets', 'Checked secrets of cores and publishers.', secret.counts);
  metrics.gauge('jssocket_cores', 'Available cores of all edges.', () => rotation.size);

  guardHttp(server);
  const { address, port } = await listen(server, config);
  // The original's text, which scripts wait for.
  log.info(`server listening on ${address}:${port}`, { port });

  return {
    port,
    ready: () => {
      if (bus.status !== 'connected') return 'NATS is not connected';
      return bridge === undefined || bridge.begun ? true : 'the bridge has not received from the graph yet';
    },
    drain: async () => {
      for (const listener of listeners) listener.stopAccepting();
      frameReports.leave();
      liveCores.stop();
      await drainCalls(server, Promise.all([clients.drain(), trusted.drain()]));
    },
    stop: async () => {
      connectionReports.unsubscribe();
      await frameReports.stop();
      for (const listener of listeners) listener.close();
      endHandshakes();
      server.closeAllConnections();
      await Promise.all([new Promise((resolve) => server.close(resolve)), closeListeners(server)]);
      bridge?.stop();
      feed?.close();
      clients.stop();
      trusted.stop();
      liveCores.stop();
      routing.stop();
    },
  };
}

function limitsOf(config: Config<JssocketConfig>, own: Pick<Limits, 'maxFrameBytes' | 'framesPerSecond'>): Limits {
  return limits({
    ...own,
    bytesPerSecond: 8 * own.maxFrameBytes,
    maxBufferedBytes: config.maxBufferedBytes,
    stalledMs: config.stalledMs,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    // The session sends the pings itself, because the effect of a missed pong depends on the kind of connection.
    authenticateMs: 0,
    idleMs: 0,
    pingIntervalMs: 0,
  });
}

/** The hash of the secret. The publicly known default secret is for trials only, and without `log` there is no warning of it. */
async function readSecret(config: Config<JssocketConfig>, log?: ServiceContext['log']): Promise<string> {
  const hash = readAuth(config.auth);
  if (hash === undefined) throw new CannotStart('the secret of cores and publishers is not the hex of a bcrypt hash');
  if (config.auth !== DEFAULT_AUTH && !(await isDefault(hash))) return hash;
  if (config.mode === 'production') {
    throw new CannotStart(
      'JSSOCKET_AUTH (or SOCKET_AUTH) is the hash of the publicly known default secret; set another one ("jssocket hash" generates it).',
    );
  }
  log?.warn('INSECURE: the secret of cores and publishers is the publicly known default; anyone can notify and relabel every client');
  return hash;
}

/** Whether a hash is another hash of the publicly known default secret. */
async function isDefault(hash: string): Promise<boolean> {
  const probe = new ServerSecret(hash, { maxFailures: 1, windowMs: 1 }, systemClock);
  return (await probe.check(Buffer.from(DEFAULT_SECRET), '')) === 'right';
}

/** Verifies the secret of a `server_connect`, counting failures by address. */
async function verifySecret(check: ServerSecret, secret: string, address: string): Promise<Outcome<Principal>> {
  const verdict = await check.check(Buffer.from(secret), address);
  return verdict === 'right' ? done(CORE) : failed(verdict === 'busy' ? 'busy' : 'unauthenticated');
}

/** Cores have no account: they are identified by the secret alone. */
const CORE: Principal = {
  account: 'jaseci',
  tenant: '',
  username: 'jaseci',
  app: 'jaseci',
  roles: {},
  defaultScope: '',
  scopes: [],
  session: '',
  issuedAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
};

function readBridge(file: string | undefined): readonly BridgeRule[] {
  if (file === undefined) return [];
  const parsed = parseBridge(readFile(file, 'POLYEDGE_JSSOCKET_BRIDGE'));
  if (!parsed.ok) throw new CannotStart(`POLYEDGE_JSSOCKET_BRIDGE: ${parsed.problem}`);
  return parsed.rules;
}

function readFile(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new CannotStart(`${variable} names a file that cannot be read: ${path}`);
  }
}

function legacyOf(config: Config<JssocketConfig>, secret: ServerSecret, { terminate }: { terminate(): void }): LegacyAdmin | undefined {
  if (!config.legacyAdmin) return undefined;
  return {
    verdict: async (request) => {
      const given = takeSecret(request);
      return given === undefined ? 'wrong' : secret.check(given, clientAddress(request, config.trustProxy), () => request.socket.destroyed);
    },
    hash: (pass) => authOf(Buffer.from(pass, 'latin1')),
    terminate,
  };
}

function createHttpServer(config: Config<JssocketConfig>, own: Limits, answers: ReturnType<typeof httpAnswers>): Server {
  const certificate = certificateOf(config);
  const http = httpOptions(own);
  return certificate === undefined ? createServer(http, answers) : createTlsServer({ ...http, ...certificate }, answers);
}

async function listen(server: Server, { host, port }: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
  try {
    await openListeners(server, { host, port }, (at) => opened(server, at));
  } catch (error) {
    throw new CannotStart(`port ${port} cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
  }
  // Listening on TCP, so the address is not a pipe's name.
  return server.address() as AddressInfo;
}
