/**
 * What every HTTP server of ours does alike, before any route, listener or library of a protocol sees a request: which requests become
 * WebSockets, what a request target looks like, what is refused as unclear, and how long a body may take.
 */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { countCalls } from './http-calls.ts';

/** How long the body of a request may take from whoever shows no valid token; also a server's `requestTimeout`, where nobody may take longer. */
export const BODY_MS = 60_000;

export interface GuardOptions {
  /** Whether a request may take as long as the server's `requestTimeout` although `bodyMs` has passed: it shows a valid token. Default: none may. */
  mayTakeLong?(request: IncomingMessage): Promise<boolean>;
  readonly bodyMs?: number;
}

/** Call it when everything hangs on the server that answers requests or upgrades, before `listen`. */
export function guardHttp(server: Server, options: GuardOptions = {}): void {
  const onRequest = server.listeners('request');
  const onUpgrade = server.listeners('upgrade');
  /** The answer that is to be finished last on a connection. */
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

/** Does something when the answer before has left; the parser of what follows would know nothing of it. */
function afterAnswer(before: ServerResponse | undefined, socket: Socket, then: () => void): void {
  if (before === undefined || before.closed) {
    then();
    return;
  }
  // Meanwhile nobody else listens.
  const lost = (): void => void socket.destroy();
  socket.on('error', lost);
  before.once('close', () => {
    socket.off('error', lost);
    then();
  });
}

/**
 * An `Upgrade` that nobody here takes is ignored (RFC 9110 7.8): Java's HttpClient and `curl --http2` offer `h2c` with ordinary requests. The
 * request goes to a new parser, on the same connection, without the offer. Node's own way (`shouldUpgradeCallback`, 24.9) loses what has come behind
 * such a request, which is the next one where a body was not waited for.
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
  // Of an answer before it there may be the time for which an idle connection is kept.
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

/** Whether it asks to become a WebSocket. */
const isHandshake = ({ headers: { upgrade = '' } }: IncomingMessage): boolean =>
  upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');

/** An answer in place of what was asked for. */
export interface HttpRejection {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const unclear = (message: string): HttpRejection => ({ status: 400, message });

/** RFC 9110 7.2: a host, which may be empty, and perhaps a port. */
const HOST = /^(?:\[[\da-f:.]+\]|[^\s/?#@\\:[\]]*)(?::\d*)?$/i;

/** Why a request is not handed on: proxies and servers could read it in different ways (RFC 9112 3.2). Node asks upgrades for no `Host`. */
function refusalOf({ rawHeaders, headers, httpVersion }: IncomingMessage): HttpRejection | undefined {
  const hosts = countHosts(rawHeaders);
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) return unclear('a request has one Host');
  return HOST.test(headers.host ?? '') ? undefined : unclear('the Host of the request is none');
}

/** What RFC 6455 4.1 asks of a handshake before its key. */
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

/** Answers a handshake with a refusal, and ends its connection. */
export function refuseUpgrade(socket: Socket, refusal: HttpRejection): void {
  const headers = Object.entries(headersOf(refusal)).map(([name, value]) => `${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end([`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`, ...headers, '', bodyOf(refusal)].join('\r\n'));
}

/** Cuts off a body that trickles, unless it may take long. */
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

/** As Node does when a request takes longer than `requestTimeout`. */
function cutOff({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.once('finish', () => socket.destroy());
  socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
}
