import { readOut } from '@polyedge/edge-kit/read-out';
import type { Log } from '@polyedge/service-kit/log';
import { listenerTls } from '@polyedge/service-kit/tls';
import Fastify, { type FastifyInstance } from 'fastify';
import { refuse } from '../protocol/answer.ts';
import { sendAnswer } from './call.ts';

export interface HttpServerOptions {
  readonly maxBodyBytes: number;
  /** The settings of the certificate. */
  readonly tls: Parameters<typeof listenerTls>[0];
  readonly trustProxy: boolean;
  /** Origins that browsers may call from; undefined: any. */
  readonly origins: readonly string[] | undefined;
  readonly log: Log;
}

const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;

/** A body that is not what its content type says: a mistake of the client. */
class Unreadable extends Error {
  readonly statusCode = 400;
}

/** The HTTP side without its routes: bodies, CORS, headers, errors as `{"error"}`. Requests are not logged: paths and headers carry keys. */
export function createHttpServer({ maxBodyBytes, tls, trustProxy, origins, log }: HttpServerOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: maxBodyBytes,
    trustProxy,
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    ...listenerTls(tls, { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS }),
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
    // A path that cannot be decoded would otherwise be answered before the table was asked.
    frameworkErrors: (_error, _request, reply) => {
      void sendAnswer(reply, refuse(400, 'Invalid request: the path cannot be read').answer);
    },
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });
  app.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  // Whatever the content type says, everything else is JSON or nothing.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    const text = String(body);
    if (text.trim() === '') return done(null, undefined);
    try {
      done(null, JSON.parse(text));
    } catch {
      done(new Unreadable('the body is not JSON'));
    }
  });

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN', 'referrer-policy': 'no-referrer' });
    const { origin } = request.headers;
    if (origin !== undefined && (origins === undefined || origins.includes(origin))) {
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'X-Total-Count, Retry-After',
        vary: 'Origin',
      });
    }
    if (request.method !== 'OPTIONS') return;
    reply.headers({
      'access-control-allow-methods': 'GET,HEAD,OPTIONS,POST,PUT,DELETE',
      'access-control-allow-headers': request.headers['access-control-request-headers'] ?? 'Content-Type, x-api-key',
    });
    await reply.code(204).send();
  });

  app.setNotFoundHandler((_request, reply) => sendAnswer(reply, refuse(404, 'NOT FOUND: there is nothing under this path').answer));

  app.setErrorHandler(async (error: Error & { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) {
      await readOut(request.raw);
      return sendAnswer(reply, refuse(413, 'Invalid request: the body is too large').answer);
    }
    // Fastify's own sentences, and ours, about a request that cannot be read; they never quote it.
    if (status >= 400 && status < 500) return sendAnswer(reply, refuse(status, `Invalid request: ${error.message}`).answer);
    log.error('a REST call failed', { err: error });
    return sendAnswer(reply, refuse(500, 'The service failed unexpectedly').answer);
  });
  return app;
}
