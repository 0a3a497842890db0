/**
 * WebSocket handshakes for one edge: path, origin, sub-protocol, credential, limits. Attached to the `upgrade` event of an HTTP server
 * (fastify's `app.server`), so the edge's HTTP routes share the port; `guardHttp` has already refused what is no RFC 6455 handshake.
 * Nothing of a handshake is logged or echoed except what the edge selected.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { clientAddress } from '@polyedge/service-kit/client-address';
import { BODY_MS } from '@polyedge/service-kit/http-guard';
import { STATUS_CODES } from '@polyedge/service-kit/node-http';
import { WebSocketServer, type Server as WsServer } from 'ws';
import type { Limits } from '../limits.ts';
import { ConnectionCounts } from './connection-counts.ts';
import type { ConnectionHost } from './connection-host.ts';
import { verify } from './verify.ts';
import type { WireHandler } from './wire.ts';
import type { WsPacket } from './ws-frames.ts';
import { type Accepts, ClosingWebSocket, JoinedWrites, WsWire, type WsWireOptions } from './ws-wire.ts';

/** A handshake as the edge sees it. */
export interface Handshake {
  /** Without the query. */
  readonly path: string;
  /** The last value of a repeated name. */
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  /** The protocols of `Sec-WebSocket-Protocol`, in order. */
  readonly offered: readonly string[];
  readonly address: string;
}

/** A response instead of an upgrade; the body is JSON. */
export interface Rejection {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One protocol on this port. `D` is the driver, for whatever frames its protocol has. */
export interface WsRoute {
  /** Tested against the path without the query. The first matching route is used. */
  readonly path: RegExp;
  readonly accepts: Accepts;
  /** The sub-protocol to select, or undefined for none. Never one that carries a token. */
  selectProtocol?(handshake: Handshake): string | undefined;
  /** The access token of the handshake; undefined if the protocol carries none there or the client sent none. */
  credentialFrom?(handshake: Handshake): string | undefined;
  /**
   * `after`: the upgrade succeeds, and the session receives the outcome and refuses in its own way. `before` (default): a bad credential is
   * answered by `reject` without an upgrade.
   */
  readonly verify?: 'before' | 'after';
  /** The edge's own check, made before the credential is verified. */
  check?(handshake: Handshake): Rejection | undefined;
  readonly driver: WsDriver;
}

/** A driver of any protocol whose frames are text, bytes or both. */
export type WsDriver = Omit<ConnectionHost<never, WsPacket>, 'open'> & {
  open(
    ...parameters: Parameters<ConnectionHost<never, WsPacket>['open']>
  ): WireHandler<string> | WireHandler<Uint8Array> | WireHandler<string | Uint8Array>;
};

export interface WsListenerOptions {
  readonly server: Server;
  readonly routes: readonly WsRoute[];
  readonly limits: Limits;
  /**
   * Origins (scheme, host, port) that browsers may connect from, compared exactly. Undefined: any, since no cookie authenticates anything
   * here.
   */
  readonly origins?: readonly string[];
  /** Whether the last `X-Forwarded-For` entry is the client's address: only behind a proxy that sets it. */
  readonly trustProxy?: boolean;
  /** Builds the response of a refusal; default `{ "error": { "code", "message" } }`. */
  reject?(status: number, message: string): Rejection;
}

/** Counters of the listener; numbers only. */
export interface WsListenerCounts {
  upgraded: number;
  rejected: number;
}

/** Settings for `http.createServer` (fastify's `http` option) that bound a handshake before our code runs. */
export function httpOptions(limits: Limits) {
  return {
    requestTimeout: BODY_MS,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.handshakeTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, limits.handshakeTimeoutMs),
    keepAliveTimeout: 60_000,
    noDelay: true,
    insecureHTTPParser: false,
  } as const;
}

export class WsListener {
  readonly counts: WsListenerCounts = { upgraded: 0, rejected: 0 };
  readonly #options: WsListenerOptions;
  readonly #byRoute = new Map<WsRoute, Gate>();
  readonly #joined = new JoinedWrites();
  readonly #connections = new ConnectionCounts();
  #closed = false;
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => this.#upgrade(request, socket, head);

  constructor(options: WsListenerOptions) {
    this.#options = options;
    options.server.on('upgrade', this.#onUpgrade);
  }

  get connections(): number {
    return this.#connections.total;
  }

  /** Answers 503 to every handshake from now on; open connections stay. */
  stopAccepting(): void {
    this.#closed = true;
  }

  /** Detaches from the HTTP server. */
  close(): void {
    this.#closed = true;
    this.#options.server.off('upgrade', this.#onUpgrade);
  }

  #upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    duplex.on('error', destroy);
    // The sockets of an HTTP server are TCP or TLS sockets; the type is wider only for other transports.
    const socket = duplex as Socket;
    const handshake = readHandshake(request, this.#options.trustProxy ?? false);
    const taken = this.#route(handshake);
    if ('status' in taken) {
      this.#answer(socket, taken);
      return;
    }
    // Counted from here on, so that handshakes in progress are bounded too.
    this.#connections.add(handshake.address, socket);
    const token = taken.credentialFrom?.(handshake);
    redact(request, token);
    const { address, path } = handshake;
    const coming = { route: taken, path, address, query: withoutToken(handshake.query, token), request, socket, head };
    if (taken.verify === 'after') {
      this.#accept(coming, token, undefined);
      return;
    }
    void this.#verified(taken, token, address).then((credential) => {
      if (credential?.ok === false) this.#answer(socket, this.#rejection(statusOf(credential), 'the credential was refused'));
      else this.#accept(coming, undefined, credential);
    });
  }

  /** The route of a handshake, or its refusal. */
  #route(handshake: Handshake): WsRoute | Rejection {
    const { limits, origins, routes } = this.#options;
    if (this.#closed) return this.#rejection(503, 'the server is going away', { 'Retry-After': '1' });
    const { origin } = handshake.headers;
    if (origins !== undefined && origin !== undefined && !origins.includes(origin)) {
      return this.#rejection(403, 'this origin is not allowed');
    }
    const route = routes.find(({ path }) => path.test(handshake.path));
    if (route === undefined) return this.#rejection(404, 'there is nothing under this path');
    if (this.#connections.total >= limits.maxConnections) return this.#rejection(503, 'too many connections', { 'Retry-After': '5' });
    if (this.#connections.from(handshake.address) >= limits.maxConnectionsPerAddress) {
      return this.#rejection(429, 'too many connections from this address', { 'Retry-After': '5' });
    }
    return route.check?.(handshake) ?? route;
  }

  /** Completes the handshake; if a token is still to be verified, nothing is read from the socket until then. */
  #accept(coming: Coming, token: string | undefined, credential: Outcome<Principal> | undefined): void {
    const { route, path, query, address, request, socket, head } = coming;
    if (socket.destroyed) return;
    const { driver } = route;
    const { server, wires } = this.#gate(route);
    server.handleUpgrade(request, socket, head, (ws) => {
      this.counts.upgraded += 1;
      // Illegal close codes and other breaches of RFC 6455 are reported as `error`; ws answers them and ends the socket itself.
      ws.on('error', ignore);
      const wire = new WsWire(ws, socket, wires);
      const open = (outcome: Outcome<Principal> | undefined): void => {
        if (ws.readyState !== ws.OPEN) return;
        wire.attach(driver.open(wire, { credential: outcome, path, query, address }));
      };
      if (token === undefined) {
        open(credential);
        return;
      }
      const outcome = verify(route.driver, token, address);
      if (!(outcome instanceof Promise)) {
        open(outcome);
        return;
      }
      ws.pause();
      void outcome.then((verified) => {
        open(verified);
        if (ws.readyState === ws.OPEN) ws.resume();
      });
    });
  }

  async #verified(route: WsRoute, token: string | undefined, address: string): Promise<Outcome<Principal> | undefined> {
    return token === undefined ? undefined : verify(route.driver, token, address);
  }

  /** One `ws` server per route, since message limits and sub-protocols belong to it. */
  #gate(route: WsRoute): Gate {
    const known = this.#byRoute.get(route);
    if (known !== undefined) return known;
    const { limits } = route.driver;
    const options = {
      noServer: true,
      WebSocket: ClosingWebSocket,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maxFrameBytes,
      maxFragments: limits.maxFragments,
      closeTimeout: limits.closeTimeoutMs,
      handleProtocols: (offered: Set<string>, request: IncomingMessage): string | false => {
        const handshake = readHandshake(request, this.#options.trustProxy ?? false);
        const chosen = route.selectProtocol?.({ ...handshake, offered: [...offered] });
        return chosen !== undefined && offered.has(chosen) ? chosen : false;
      },
    };
    const server = new WebSocketServer(options);
    server.on('wsClientError', (error: Error, socket: Duplex) => {
      const version = /version/i.test(error.message);
      const method = /method/i.test(error.message);
      // The messages of ws name the header at fault and never quote it.
      const status = method ? 405 : version ? 426 : 400;
      this.#answer(socket, this.#rejection(status, error.message, version ? { 'Sec-WebSocket-Version': '13' } : {}));
    });
    const { driver, accepts } = route;
    const gate = { server, wires: { wheel: driver.wheel, joined: this.#joined, closeTimeoutMs: limits.closeTimeoutMs, accepts } };
    this.#byRoute.set(route, gate);
    return gate;
  }

  #rejection(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Rejection {
    const rejection = this.#options.reject?.(status, message) ?? { status, body: { error: { code: status, message } } };
    return { ...rejection, headers: { ...headers, ...rejection.headers } };
  }

  #answer(socket: Duplex, { status, body, headers = {} }: Rejection): void {
    this.counts.rejected += 1;
    const text = JSON.stringify(body) ?? '';
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'Connection: close',
      'Content-Type: application/json; charset=utf-8',
    ];
    lines.push(`Content-Length: ${Buffer.byteLength(text)}`);
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value.replace(/[\r\n]/g, ' ')}`);
    socket.once('finish', () => socket.destroy());
    socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
  }
}

// Listeners that live as long as their socket are top-level functions: a closure would keep the whole handshake, including the token,
// alive.
function destroy(this: Duplex): void {
  this.destroy();
}

function ignore(): void {}

/** Shared by all handshakes of one route. */
interface Gate {
  readonly server: WsServer<typeof ClosingWebSocket>;
  readonly wires: WsWireOptions;
}

/** An accepted handshake that is not a socket yet. */
interface Coming {
  readonly route: WsRoute;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly address: string;
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

function readHandshake(request: IncomingMessage, trustProxy: boolean): Handshake {
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const query: Record<string, string> = Object.create(null);
  if (mark !== -1) for (const [name, value] of new URLSearchParams(target.slice(mark + 1))) query[name] = value;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((entry) => entry.trim());
  return {
    path: mark === -1 ? target : target.slice(0, mark),
    query,
    headers: request.headers,
    offered: offered.filter((entry) => entry !== ''),
    address: clientAddress(request, trustProxy),
  };
}

/** Removes the token from everything that a log, a trace or an error report might record of the request later. */
function redact(request: IncomingMessage, token: string | undefined): void {
  delete request.headers.authorization;
  delete request.headers.cookie;
  if (token === undefined || token === '') return;
  const clean = (text: string): string => text.replaceAll(token, '***').replaceAll(encodeURIComponent(token), '***');
  if (request.url !== undefined) request.url = clean(request.url);
  for (const [name, value] of Object.entries(request.headers)) {
    // ws still has to parse the list of sub-protocols, so a token in it is replaced by a harmless word of the same grammar.
    if (typeof value === 'string') request.headers[name] = value.replaceAll(token, 'redacted');
  }
  request.rawHeaders = request.rawHeaders.map(clean);
}

function withoutToken(query: Readonly<Record<string, string>>, token: string | undefined): Readonly<Record<string, string>> {
  if (token === undefined || token === '') return query;
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, value.replaceAll(token, '***')]));
}

function statusOf(outcome: Outcome<Principal>): number {
  if (outcome.ok) return 200;
  if (outcome.failure.code === 'not-allowed') return 403;
  return outcome.failure.code === 'unauthenticated' || outcome.failure.code === 'invalid' ? 401 : 503;
}
