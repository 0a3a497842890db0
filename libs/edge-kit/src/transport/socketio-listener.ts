/**
 * Socket.IO for one edge: path, transports, namespaces, origins, limits. Attached to an HTTP server (fastify's `app.server`), so the edge's
 * HTTP routes share the port. `@fastify/websocket` must not be registered on that server, because it answers every upgrade.
 *
 * The library keeps no rooms, no adapter and no acknowledgement callbacks: interests of the feed serve as rooms, so any number of replicas
 * serve one population, and acknowledgement numbers travel as data. Polling needs sticky sessions, since a poll reaches only its own
 * process.
 */
import type { EventEmitter } from 'node:events';
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket as TcpSocket } from 'node:net';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { clientAddress } from '@polyedge/service-kit/client-address';
import { type HttpRejection, refuseUpgrade } from '@polyedge/service-kit/http-guard';
import { Server, type ServerOptions, type Socket } from 'socket.io';
import { Encoder } from 'socket.io-parser';
import { WebSocketServer, type ServerOptions as WsServerOptions } from 'ws';
import type { Limits } from '../limits.ts';
import { type Wheel, WheelTimer } from '../wheel.ts';
import { ConnectionCounts } from './connection-counts.ts';
import type { ConnectionHost } from './connection-host.ts';
import { boundConnection } from './socketio-bounds.ts';
import { MessageDecoder, type SocketIoPacket, type SocketIoRaw } from './socketio-packets.ts';
import type { Recovery, SocketData } from './socketio-recovery.ts';
import { SharedWrites, SocketIoWire } from './socketio-wire.ts';
import { verify } from './verify.ts';

/** A driver of any protocol over Socket.IO. */
export type SocketIoDriver = Pick<ConnectionHost<SocketIoRaw, SocketIoPacket>, 'verify' | 'open' | 'wheel'>;

/** The request of a socket to join a namespace. */
export interface SocketIoHandshake {
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  /** The client's `auth` object. */
  readonly auth: Readonly<Record<string, unknown>>;
  readonly address: string;
}

export interface SocketIoNamespace {
  readonly name: string;
  /** Without one, sockets may join but are ignored: the library always has `/`. */
  readonly driver?: SocketIoDriver;
  /**
   * Extracts the access token of the handshake; the session receives the outcome of verifying it. Undefined: the protocol carries none
   * there.
   */
  credentialFrom?(handshake: SocketIoHandshake): string | undefined;
}

export interface SocketIoListenerOptions {
  readonly server: HttpServer;
  readonly limits: Limits;
  readonly namespaces: readonly SocketIoNamespace[];
  /** Without the trailing slash; default `/socket.io`. */
  readonly path?: string;
  /** Default both. */
  readonly transports?: readonly ('polling' | 'websocket')[];
  /** Whether clients of Socket.IO 2 are accepted. */
  readonly allowEIO3?: boolean;
  /** Whether the library's browser bundle is served. Default no. */
  readonly serveClient?: boolean;
  /** Origins that browsers may connect from. Undefined: any, since no cookie authenticates anything. */
  readonly origins?: readonly string[] | undefined;
  /** Whether the last `X-Forwarded-For` entry is the client's address. */
  readonly trustProxy?: boolean;
  /**
   * Heartbeat; the library's defaults are 25,000 and 20,000. It replaces `idleMs` and `pingIntervalMs` of the limits, which should be 0.
   */
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  /** Lets clients resume the session of a lost connection. One namespace only. */
  readonly recovery?: Recovery;
  /** A connection that has been without a namespace for this time is closed; default 45,000. */
  readonly connectTimeoutMs?: number;
}

/** Counters of the listener; numbers only. */
export interface SocketIoCounts {
  connected: number;
  rejected: number;
}

/** WebSockets of the library with our time-out for the closing handshake: its own is 30 s. */
const closingWithin = (closeTimeout: number) =>
  class extends WebSocketServer {
    constructor(options: WsServerOptions) {
      // Missing from the types of the library.
      const bounded = { ...options, closeTimeout };
      super(bounded);
    }
  };

/** A parser for the library whose decoder passes events on as data. Its encoder is used only for the library's own packets. */
const parser = { Encoder, Decoder: MessageDecoder };

/**
 * An adapter without rooms: the library's would cost two maps and two sets per socket, and interests of the feed replace them. It has the
 * methods that the library calls when sockets connect and disconnect (socket.io 4.8, lib/socket.ts and lib/namespace.ts), and none that
 * broadcast.
 */
class NoRooms {
  init(): void {}
  close(): void {}
  addAll(): void {}
  del(): void {}
  delAll(): void {}
  socketRooms(): undefined {
    return undefined;
  }
}

/** The same, with the methods that session recovery needs. */
const recovering = (recovery: Recovery) =>
  class extends NoRooms {
    persistSession(session: Parameters<Recovery['persist']>[0]): void {
      recovery.persist(session);
    }
    restoreSession(pid: string, offset: string): ReturnType<Recovery['restore']> {
      return recovery.restore(pid, offset);
    }
  };

/** Time to join a namespace. */
const CONNECT_TIMEOUT_MS = 45_000;

/** The query of a session that its client can resume. */
const ASKS_RECOVERY = { recovery: 'true' } as const;

export class SocketIoListener {
  readonly counts: SocketIoCounts = { connected: 0, rejected: 0 };
  readonly #options: SocketIoListenerOptions;
  readonly #io: Server;
  readonly #shared = new SharedWrites();
  readonly #connectionCounts = new ConnectionCounts();
  /** Of the clients: the first request is released, and a client may join again after it has left. */
  readonly #addresses = new WeakMap<Socket['conn'], string>();
  #closed = false;

  constructor(options: SocketIoListenerOptions) {
    this.#options = options;
    const { limits, origins, pingIntervalMs, pingTimeoutMs, recovery } = options;
    const others = options.server.listeners('upgrade');
    this.#io = new Server(options.server, {
      path: options.path ?? '/socket.io',
      transports: [...(options.transports ?? ['polling', 'websocket'])],
      allowEIO3: options.allowEIO3 ?? false,
      serveClient: options.serveClient ?? false,
      maxHttpBufferSize: limits.maxFrameBytes,
      perMessageDeflate: false,
      httpCompression: false,
      connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      ...(pingIntervalMs === undefined ? {} : { pingInterval: pingIntervalMs }),
      ...(pingTimeoutMs === undefined ? {} : { pingTimeout: pingTimeoutMs }),
      cors: { origin: origins === undefined ? '*' : [...origins] },
      parser,
      wsEngine: closingWithin(limits.closeTimeoutMs),
      // `Recovery` checks the time itself.
      ...(recovery === undefined ? {} : { connectionStateRecovery: { skipMiddlewares: true } }),
      // Missing methods are never called.
      adapter: (recovery === undefined ? NoRooms : recovering(recovery)) as unknown as NonNullable<ServerOptions['adapter']>,
      allowRequest: (request, answer) => {
        const problem = this.#problemOf(request);
        if (problem !== undefined) this.counts.rejected += 1;
        answer(problem, problem === undefined);
      },
    });
    this.#io.engine.on('connection', (connection: Socket['conn']) => {
      const address = this.#addressOf(connection.request);
      this.#addresses.set(connection, address);
      this.#connectionCounts.add(address, connection);
      // Time for a polling client to fetch the end; the library's timer is 30 s by default.
      if (connection.transport.name === 'polling') (connection.transport as { closeTimeout?: number }).closeTimeout = limits.closeTimeoutMs;
      forgetUpgrade(connection);
      boundConnection(connection);
    });
    for (const namespace of options.namespaces) this.#serve(namespace);
    this.#screenUpgrades(others);
  }

  /** Number of connections, whatever namespace they joined. */
  get connections(): number {
    return this.#io.engine.clientsCount;
  }

  /** Refuses new connections (403); open ones stay. */
  stopAccepting(): void {
    this.#closed = true;
  }

  /** Closes every connection. The HTTP server stays. */
  close(): void {
    this.#closed = true;
    this.#io.engine.close();
  }

  /**
   * Refuses handshakes by their target before the library sees them: it leaves those for other paths open for a second, and rejects
   * unsupported versions and transports only after it has switched protocols.
   * @param others listeners that were registered before the library's
   */
  #screenUpgrades(others: readonly unknown[]): void {
    const { server } = this.#options;
    const ofLibrary = server.listeners('upgrade').filter((listener) => !others.includes(listener));
    for (const listener of ofLibrary) server.off('upgrade', listener as (...args: unknown[]) => void);
    server.on('upgrade', (request: IncomingMessage, socket: TcpSocket, head: Buffer) => {
      const refusal = this.#refusalOf(request);
      if (refusal === undefined) {
        const before = socket.listeners('close');
        for (const listener of ofLibrary) Reflect.apply(listener, server, [request, socket, head]);
        forgetResponse(socket, before);
      } else {
        this.counts.rejected += 1;
        refuseUpgrade(socket, refusal);
      }
    });
  }

  #refusalOf({ url = '/' }: IncomingMessage): HttpRejection | undefined {
    const { path = '/socket.io', transports = ['websocket'], allowEIO3 = false } = this.#options;
    if (!url.startsWith(`${path}/`)) return { status: 404, message: 'there is nothing under this path' };
    // Parsed like the library does: the last value of a repeated name. The error texts are the library's too.
    const query = Object.fromEntries(new URL(url, 'http://host').searchParams);
    if (query.transport !== 'websocket' || !transports.includes('websocket')) return { status: 400, message: 'Transport unknown' };
    return allowEIO3 || query.EIO === '4' ? undefined : { status: 400, message: 'Unsupported protocol version' };
  }

  #serve(namespace: SocketIoNamespace): void {
    const { driver } = namespace;
    const joined = this.#io.of(namespace.name);
    if (driver === undefined) return;
    joined.on('connection', (socket) => {
      // The library lets a client join again before it has joined: each time would open a session.
      if (isJoinedAlready(socket)) {
        socket.disconnect(true);
        return;
      }
      this.counts.connected += 1;
      const handshake = this.#handshakeOf(socket);
      const token = namespace.credentialFrom?.(handshake);
      // Drops the library's copy of the handshake: it is large and may hold a token.
      forget(socket, this.#options.namespaces.length === 1);
      socket.once('disconnect', (reason) => {
        if (reason === 'client namespace disconnect') this.#endUnlessJoined(socket.client, driver.wheel);
      });
      const recovers = this.#options.recovery !== undefined && handshake.auth.recovery === true;
      const data = socket.data as SocketData;
      const { recovered } = data;
      const wire = new SocketIoWire(socket, this.#shared, this.#options.limits.maxFrameBytes);
      const open = (credential: Outcome<Principal> | undefined): void => {
        if (!socket.connected) return;
        const handler = driver.open(wire, {
          credential,
          path: namespace.name,
          query: recovers ? ASKS_RECOVERY : {},
          address: handshake.address,
          ...(recovered === undefined ? {} : { restored: recovered.restored }),
        });
        if (recovers) this.#mayRecover(socket, wire, () => handler.parting?.());
        wire.attach(handler);
        wire.resume();
      };
      if (recovered !== undefined) {
        open({ ok: true, value: recovered.credential });
        return;
      }
      const outcome = token === undefined ? undefined : verify(driver, token, handshake.address);
      if (!(outcome instanceof Promise)) {
        open(outcome);
        return;
      }
      // Nothing is read from the socket until its credential is verified.
      wire.pause();
      void outcome.then(open);
    });
  }

  /** Closes a connection that has left its last namespace and joins none in time: the library looks only after the start. */
  #endUnlessJoined(client: Socket['client'], wheel: Wheel): void {
    const isIdle = (): boolean => client.conn.readyState === 'open' && namespacesOf(client).nsps.size === 0;
    if (!isIdle()) return;
    const late = new WheelTimer(() => {
      if (isIdle()) client.conn.close();
    });
    wheel.set(late, this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
  }

  #mayRecover(socket: Socket, wire: SocketIoWire, parting: () => unknown): void {
    const data: SocketData = { parting };
    socket.data = data;
    // Missing from the public types.
    const { pid } = socket as unknown as { readonly pid?: string };
    if (pid === undefined) return;
    const ended = this.#options.recovery?.opened(pid, {
      sid: socket.id,
      part: () => {
        const state = parting();
        delete data.parting;
        wire.drop();
        return state;
      },
    });
    if (ended !== undefined) socket.once('disconnect', ended);
  }

  #handshakeOf(socket: Socket): SocketIoHandshake {
    const { query, headers, auth } = socket.handshake;
    const texts: Record<string, string> = Object.create(null);
    for (const [name, value] of Object.entries(query)) {
      const text = Array.isArray(value) ? value.at(-1) : value;
      if (text !== undefined) texts[name] = text;
    }
    return { query: texts, headers, auth, address: this.#addresses.get(socket.conn) ?? '' };
  }

  #problemOf(request: IncomingMessage): string | undefined {
    const { limits, origins } = this.#options;
    if (this.#closed) return 'the server is going away';
    const { origin } = request.headers;
    if (origins !== undefined && origin !== undefined && !origins.includes(origin)) return 'this origin is not allowed';
    if (this.connections >= limits.maxConnections) return 'too many connections';
    if (this.#connectionCounts.from(this.#addressOf(request)) >= limits.maxConnectionsPerAddress) {
      return 'too many connections from this address';
    }
    return undefined;
  }

  #addressOf(request: IncomingMessage): string {
    return clientAddress(request, this.#options.trustProxy === true);
  }
}

/** Whether a connection has another socket in the same namespace (socket.io 4.8, lib/client.ts). */
function isJoinedAlready(socket: Socket): boolean {
  const { sockets, nsps } = namespacesOf(socket.client);
  return sockets.size > nsps.size;
}

/** The private sockets of a connection, by their ids and by their namespaces. */
const namespacesOf = (client: Socket['client']) => client as unknown as Record<'sockets' | 'nsps', ReadonlyMap<string, Socket>>;

const FORGOTTEN: Socket['handshake'] = Object.freeze({
  headers: {},
  time: '',
  address: '',
  xdomain: false,
  secure: false,
  issued: 0,
  url: '',
  query: {},
  auth: {},
});

/**
 * Removes the listener with which the library's response to an upgrade waits for the end of the socket (engine.io 6.6, lib/server.ts,
 * `WebSocketResponse`): it holds the request, with its headers and a query that may have a token, as long as the socket is open. Only a
 * middleware that awaits `close` would need it.
 * @param before listeners that are not the library's
 */
function forgetResponse(socket: TcpSocket, before: readonly unknown[]): void {
  for (const listener of socket.listeners('close')) {
    // Those that the library needs have names.
    if (listener.name === '' && !before.includes(listener)) socket.off('close', listener as () => void);
  }
}

/** The same for the listener for errors that may come before the transport has one of its own (`onWebSocket`). */
function forgetUpgrade({ transport }: Socket['conn']): void {
  const { socket } = transport as { readonly socket?: EventEmitter };
  for (const listener of socket?.listeners('error') ?? []) {
    if (listener.name === 'onUpgradeError') socket?.off('error', listener as () => void);
  }
}

/** (socket.io, "Memory usage": the first request may be released. Further namespaces of the same connection would need it.) */
function forget(socket: Socket, only: boolean): void {
  // The types do not allow what the documentation recommends.
  (socket as { handshake: Socket['handshake'] }).handshake = FORGOTTEN;
  if (only) (socket.conn as { request: IncomingMessage | null }).request = null;
}
