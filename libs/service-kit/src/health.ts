/** `GET /healthz` (the process is alive) and `GET /readyz` (it can serve), on the service's own port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { BODY_MS, guardHttp } from './http-guard.ts';
import { createServer } from './node-http.ts';

/** True, or a sentence that says what is missing. */
export type Readiness = () => true | string;

function answerTo(
  path: string,
  ready: Readiness,
  notices: readonly string[],
):
  | { readonly status: number; readonly body: { readonly status: string; readonly reason?: string; readonly notices?: readonly string[] } }
  | undefined {
  if (path === '/healthz') return { status: 200, body: { status: 'alive' } };
  if (path !== '/readyz') return undefined;
  const state = ready();
  const shown = notices.length === 0 ? {} : { notices };
  return state === true
    ? { status: 200, body: { status: 'ready', ...shown } }
    : { status: 503, body: { status: 'not ready', reason: state } };
}

/**
 * Answers the two paths before any route, hook or rule of the protocol sees the request (as the raw server's first listener). Call it once,
 * before `listen`.
 *
 * @param notices additional lines of `/readyz`
 */
export function reserveHealth(app: FastifyInstance, ready: Readiness, notices: () => readonly string[] = () => []): void {
  const { server } = app;
  const rest = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (answered(request, response, ready, notices())) return;
    for (const listener of rest) Reflect.apply(listener, server, [request, response]);
  });
}

function answered(request: IncomingMessage, response: ServerResponse, ready: Readiness, notices: readonly string[] = []): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  const found = answerTo((request.url ?? '').split('?')[0] ?? '', ready, notices);
  if (found === undefined) return false;
  response.writeHead(found.status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : JSON.stringify(found.body));
  return true;
}

/** A server with only the two paths, for a service without HTTP of its own. Rejects if the port is taken. */
export async function startHealthServer(options: {
  readonly host: string;
  readonly port: number;
  readonly ready: Readiness;
  /** Noteworthy choices of the operator, shown by `/readyz`. */
  readonly notices?: readonly string[];
}): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer({ requestTimeout: BODY_MS }, (request, response) => {
    if (!answered(request, response, options.ready, options.notices)) response.writeHead(404).end();
  });
  guardHttp(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
