/**
 * What every HTTP server of ours does alike, before any route, listener or library of a protocol sees a request: which requests become
 * WebSockets, what a request target looks like, what is refused as unclear, and how long a body may take.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';

/** How long the body of a request may take from whoever shows no valid token. */
const BODY_MS = 60_000;

/**
 * Settings of a server that is guarded. An `Upgrade` to anything but `websocket` is ignored (RFC 9110 7.8): Java's HttpClient and `curl
 * --http2` offer `h2c` with ordinary requests. So is one that `guardHttp` refuses, with an answer like any other. (What is pipelined behind such
 * a request in one segment Node 24.9 does not read; these clients wait for the answer.)
 */
export const guardedHttp = {
  requestTimeout: BODY_MS,
  shouldUpgradeCallback: (request: IncomingMessage): boolean => isHandshake(request) && refusalOf(request) === undefined,
} as const satisfies ServerOptions;

export interface GuardOptions {
  /** Whether a request may take as long as the server's `requestTimeout` although `bodyMs` has passed: it shows a valid token. Default: none may. */
  mayTakeLong?(request: IncomingMessage): Promise<boolean>;
  readonly bodyMs?: number;
}

/** Call it when everything hangs on the server that answers requests or upgrades, before `listen`. The server was made with `guardedHttp`. */
export function guardHttp(
  server: Pick<Server, 'listeners' | 'removeAllListeners' | 'on' | 'prependListener'>,
  options: GuardOptions = {},
): void {
  const rest = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    toOriginForm(request);
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      refuse(response, refusal);
      return;
    }
    boundBody(request, response, options);
    for (const listener of rest) Reflect.apply(listener, server, [request, response]);
  });
  server.prependListener('upgrade', (request: IncomingMessage) => {
    toOriginForm(request);
    // Libraries look for this one word; clients may offer several (RFC 9110 7.8).
    request.headers.upgrade = 'websocket';
  });
}

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

/** Whether it asks to become a WebSocket. Node has seen `Connection: upgrade` where it asks. */
function isHandshake({ headers: { upgrade, connection } }: IncomingMessage): boolean {
  if (upgrade === undefined || connection === undefined || !/\bupgrade\b/i.test(connection)) return false;
  return upgrade.split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');
}

interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const unclear = (message: string): Refusal => ({ status: 400, message });

/** Why a request is not handed on: proxies and servers could read it in different ways. */
function refusalOf(request: IncomingMessage): Refusal | undefined {
  if (countHosts(request.rawHeaders) > 1) return unclear('a request has one Host');
  if (!isHandshake(request)) return undefined;
  const { headers, method, httpVersion } = request;
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

function refuse(response: ServerResponse, { status, message, headers }: Refusal): void {
  const body = JSON.stringify({ error: { code: status, message } });
  response.writeHead(status, {
    ...headers,
    Connection: 'close',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
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
