/**
 * Rules of all our HTTP servers, applied before any route, listener or library sees a request: which requests become WebSockets, the form
 * of a request target, which ambiguous requests are rejected, and how long a body may take.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { countCalls } from './http-calls.ts';
import { STATUS_CODES } from './node-http.ts';

/** Time-out of a request body without a valid token; also the `requestTimeout` of servers that allow no longer ones. */
export const BODY_MS = 60_000;

export interface GuardOptions {
  /**
   * Whether a request may take up to the server's `requestTimeout` after `bodyMs` has passed, because it has a valid token. Default: never.
   */
  mayTakeLong?(request: IncomingMessage): Promise<boolean>;
  readonly bodyMs?: number;
}

/** Call it after all listeners for requests and upgrades are attached, before `listen`. */
export function guardHttp(server: Server, options: GuardOptions = {}): void {
  const onRequest = server.listeners('request');
  const onUpgrade = server.listeners('upgrade');
  /** The last response in progress on each connection. */
  const answers = new WeakMap<Socket, ServerResponse>();
  server.removeAllListeners('request').removeAllListeners('upgrade');
  countCalls(server);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answers.set(request.socket, response);
    toOriginForm(request);
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      response.writeHead(refusal.status, headersOf(refusal)).end(bodyOf(refusal));
      return;
    }
    boundBody(request, response, options);
    for (const listener of onRequest) Reflect.apply(listener, server, [request, response]);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (onUpgrade.length === 0 || !isHandshake(request)) {
      afterAnswer(answers.get(socket), socket, () => ignoreUpgrade(server, request, socket, head));
      return;
    }
    toOriginForm(request);
    const refusal = refusalOf(request) ?? handshakeRefusalOf(request);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    // Libraries look for this one word; clients may offer several (RFC 9110 7.8).
    request.headers.upgrade = 'websocket';
    for (const listener of onUpgrade) Reflect.apply(listener, server, [request, socket, head]);
  });
}

/** Runs a callback once the previous response was sent; the parser of what follows would not know of it. */
function afterAnswer(before: ServerResponse | undefined, socket: Socket, then: () => void): void {
  if (before === undefined || before.closed) {
    then();
    return;
  }
  // No other listener exists meanwhile.
  const lost = (): void => void socket.destroy();
  socket.on('error', lost);
  before.once('close', () => {
    socket.off('error', lost);
    then();
  });
}

/**
 * An unsupported `Upgrade` is ignored (RFC 9110 7.8): Java's HttpClient and `curl --http2` offer `h2c` with ordinary requests. The request
 * is fed to a new parser on the same connection, without the offer. Node's own mechanism (`shouldUpgradeCallback`, 24.9) loses the bytes
 * after such a request, for example a pipelined one.
 */
function ignoreUpgrade(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  if (socket.destroyed || !socket.writable) return;
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]];
    const lower = name.toLowerCase();
    if (lower === 'connection') lines.push(`${name}: ${withoutOffer(value)}`);
    else if (lower !== 'upgrade') lines.push(`${name}: ${value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  // The previous response may have left a keep-alive time-out.
  socket.setTimeout(0);
  server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket);
}

const withoutOffer = (connection: string): string =>
  connection
    .split(',')
    .filter((option) => option.trim().toLowerCase() !== 'upgrade')
    .join(',');

const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;

/** `GET http://host/path` is `GET /path` with that `Host` (RFC 9112 3.2.2). */
function toOriginForm(request: IncomingMessage): void {
  const { url = '/' } = request;
  const absolute = url.startsWith('/') ? null : ABSOLUTE.exec(url);
  if (absolute === null) return;
  const [whole, host = ''] = absolute;
  const rest = url.slice(whole.length);
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = host;
}

/** Whether the request is a WebSocket handshake. */
const isHandshake = ({ headers: { upgrade = '' } }: IncomingMessage): boolean =>
  upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');

/** A response that rejects a request. */
export interface HttpRejection {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const unclear = (message: string): HttpRejection => ({ status: 400, message });

/** RFC 9110 7.2: a host, which may be empty, and perhaps a port. */
const HOST = /^(?:\[[\da-f:.]+\]|[^\s/?#@\\:[\]]*)(?::\d*)?$/i;

/**
 * Why a request is rejected: proxies and servers could interpret it differently (RFC 9112 3.2). Node does not require `Host` for upgrades.
 * A target has no fragment; routers end the path at its `#`, and rules that look at the whole target do not.
 */
function refusalOf({ url = '/', rawHeaders, headers, httpVersion }: IncomingMessage): HttpRejection | undefined {
  if (url.includes('#')) return unclear('the target of a request has no fragment');
  const hosts = countHosts(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return unclear('a request has one Host');
  return HOST.test(headers.host ?? '') ? undefined : unclear('the Host of the request is none');
}

/** The requirements of RFC 6455 4.1 before the key. */
function handshakeRefusalOf({ headers, method, httpVersion }: IncomingMessage): HttpRejection | undefined {
  if (httpVersion !== '1.1') return unclear('a WebSocket handshake needs HTTP/1.1');
  if (method !== 'GET') return { status: 405, message: 'a WebSocket handshake is a GET', headers: { Allow: 'GET' } };
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    return unclear('a WebSocket handshake has no body');
  }
  if (headers['sec-websocket-version'] === '13') return undefined;
  return { status: 426, message: 'the version of the WebSocket protocol is 13', headers: { 'Sec-WebSocket-Version': '13' } };
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') count += 1;
  return count;
}

const bodyOf = ({ status, message }: HttpRejection): string => JSON.stringify({ error: { code: status, message } });

const headersOf = (refusal: HttpRejection): Readonly<Record<string, string>> => ({
  ...refusal.headers,
  Connection: 'close',
  'Content-Type': 'application/json; charset=utf-8',
  'Content-Length': String(Buffer.byteLength(bodyOf(refusal))),
});

/** Rejects a handshake and closes its connection. */
export function refuseUpgrade(socket: Socket, refusal: HttpRejection): void {
  const headers = Object.entries(headersOf(refusal)).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end([`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`, ...headers, '', bodyOf(refusal)].join('\r\n'));
}

/** Cuts off a body that arrives too slowly, unless it may take long. */
function boundBody(request: IncomingMessage, response: ServerResponse, { mayTakeLong, bodyMs = BODY_MS }: GuardOptions): void {
  const { headers } = request;
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return;
  const timer = setTimeout(() => {
    if (request.complete || request.destroyed) return;
    if (mayTakeLong === undefined) cutOff(request, response);
    else
      mayTakeLong(request).then(
        (may) => (may || request.complete ? undefined : cutOff(request, response)),
        () => cutOff(request, response),
      );
  }, bodyMs);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
}

/** The same response as Node's when a request exceeds `requestTimeout`. */
function cutOff({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.once('finish', () => socket.destroy());
  socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
}
