import { readOut } from '@polyedge/edge-kit/read-out';
import type { Log } from '@polyedge/service-kit/log';
import type { listenerTls } from '@polyedge/service-kit/tls';
import Fastify, { type FastifyInstance } from 'fastify';
import { parseJson } from '../protocol/graph-codec.ts';
import { PATHS } from '../protocol/handshake.ts';
import { type FailureStyle, sendFailure, sendJson } from './answer.ts';

export interface HttpServerOptions {
  readonly http: Readonly<Record<string, unknown>>;
  readonly tls: ReturnType<typeof listenerTls>;
  readonly maxBodyBytes: number;
  readonly trustProxy: boolean;
  /** Origins that browsers may call from; undefined: any. */
  readonly origins: readonly string[] | undefined;
  readonly style: FailureStyle;
  readonly log: Log;
}

/** A body that is not what its content type says: a mistake of the client, answered with 400. */
class Unreadable extends Error {
  readonly statusCode = 400;
}

/** The HTTP side without its routes: bodies, CORS, errors in HIRO's form. Requests are not logged: some carry tokens. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { style, log, origins } = options;
  const app = Fastify({
    http: options.http,
    ...options.tls,
    bodyLimit: options.maxBodyBytes,
    trustProxy: options.trustProxy,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: true },
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });
  // Whatever the content type says, everything else is JSON or nothing.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const text = String(body);
    if (text.trim() === '') return done(null, undefined);
    const parsed = parseJson(text);
    if (parsed.ok) done(null, parsed.value);
    else done(new Unreadable(`the body is ${parsed.problem}`));
  });

  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers;
    if (origin !== undefined && (origins === undefined || origins.includes(origin))) {
      reply.header('access-control-allow-origin', origins === undefined ? '*' : origin);
      if (origins !== undefined) reply.header('vary', 'Origin');
      reply.header('access-control-expose-headers', 'Retry-After');
    }
    if (request.method === 'OPTIONS') {
      reply.header('access-control-allow-methods', 'GET, POST, PUT, DELETE, OPTIONS');
      reply.header('access-control-allow-headers', 'Authorization, Content-Type, On-Behalf-Token');
      reply.header('access-control-max-age', '86400');
      await reply.code(204).send();
    } else if (request.method === 'GET' && Object.values(PATHS).some((path) => path.test(request.url.split('?')[0] ?? ''))) {
      // An upgrade never gets here: it is an event of its own.
      reply.header('upgrade', 'websocket');
      await sendJson(reply, 426, { error: { code: 426, message: 'this is a WebSocket endpoint' } });
    }
  });

  app.setNotFoundHandler((_request, reply) => sendFailure(reply, style, { code: 'not-found', detail: 'there is nothing under this path' }));

  app.setErrorHandler(async (error: Error & { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) {
      await readOut(request.raw);
      return sendFailure(reply, style, { code: 'too-large' });
    }
    // Fastify's own sentences, and ours, about a request that cannot be read; they never quote it.
    if (status >= 400 && status < 500) return sendJson(reply, status, { error: { code: status, message: error.message } });
    log.error('a REST call failed', { err: error });
    return sendFailure(reply, style, { code: 'internal' });
  });
  return app;
}
