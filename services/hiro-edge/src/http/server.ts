import {
  answerFailures,
  type ClientServerOptions,
  clientServer,
  letBrowsersIn,
  takeForms,
  takeJson,
} from '@polyedge/service-kit/client-server';
import type { Log } from '@polyedge/service-kit/log';
import type { Spans } from '@polyedge/service-kit/spans';
import type { FastifyInstance } from 'fastify';
import { PATHS } from '../protocol/handshake.ts';
import { type FailureStyle, sendFailure, sendJson } from './answer.ts';

export interface HttpServerOptions {
  readonly config: ClientServerOptions['config'] & { readonly maxFrameBytes: number };
  readonly http: ClientServerOptions['http'];
  /** Undefined if tracing is off. */
  readonly spans: Spans | undefined;
  /** Origins that browsers may call from; any if undefined. */
  readonly origins: readonly string[] | undefined;
  readonly style: FailureStyle;
  readonly log: Log;
}

/** Enough to upload the largest content over a slow connection. */
const REQUEST_MS = 900_000;

/** Creates the HTTP server without routes: bodies, CORS, and errors in HIRO's form. */
export async function createHttpServer(options: HttpServerOptions): Promise<FastifyInstance> {
  const { config, style, log, spans, origins } = options;
  const app = clientServer({
    config,
    http: { ...options.http, requestTimeout: REQUEST_MS },
    spans,
    bodyLimit: config.maxFrameBytes,
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: true },
  });
  takeJson(app);
  takeForms(app);
  await letBrowsersIn(app, {
    origins,
    exposes: 'Retry-After',
    methods: 'GET, POST, PUT, DELETE, OPTIONS',
    status: 204,
  });
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'GET' || !Object.values(PATHS).some((path) => path.test(request.url.split('?')[0] ?? ''))) return;
    // Upgrades do not get here: they are a separate event.
    reply.header('upgrade', 'websocket');
    await sendJson(reply, 426, { error: { code: 426, message: 'this is a WebSocket endpoint' } });
  });

  app.setNotFoundHandler((_request, reply) => sendFailure(reply, style, { code: 'not-found', detail: 'there is nothing under this path' }));

  answerFailures(app, log, (reply, status, sentence) => {
    if (status === 413) return sendFailure(reply, style, { code: 'too-large' });
    if (status < 500) return sendJson(reply, status, { error: { code: status, message: sentence } });
    return sendFailure(reply, style, { code: 'internal' });
  });
  return app;
}
