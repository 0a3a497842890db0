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
import { refuse } from '../protocol/answer.ts';
import { sendAnswer } from './call.ts';

export interface HttpServerOptions {
  readonly config: ClientServerOptions['config'] & { readonly maxBodyBytes: number };
  readonly http: ClientServerOptions['http'];
  /** Undefined when tracing is off. */
  readonly spans: Spans | undefined;
  /** Origins that browsers may call from; undefined: any. */
  readonly origins: readonly string[] | undefined;
  readonly log: Log;
}

/** The HTTP server without its routes: bodies, CORS, headers, errors as `{"error"}`. */
export async function createHttpServer({ config, http, spans, origins, log }: HttpServerOptions): Promise<FastifyInstance> {
  const app = clientServer({
    config,
    http,
    spans,
    bodyLimit: config.maxBodyBytes,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
  });
  // SPACE's filters of contracts are in the body of a GET.
  app.addHttpMethod('GET', { hasBody: true });
  takeJson(app);
  takeForms(app);
  app.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN', 'referrer-policy': 'no-referrer' });
  });
  await letBrowsersIn(app, {
    origins,
    exposes: 'X-Total-Count, Retry-After',
    methods: 'GET, HEAD, OPTIONS, POST, PUT, DELETE',
    status: 204,
    credentials: true,
  });

  app.setNotFoundHandler((_request, reply) => sendAnswer(reply, refuse(404, 'NOT FOUND: there is nothing under this path').answer));

  answerFailures(app, log, (reply, status, sentence) => {
    if (status === 413) return sendAnswer(reply, refuse(413, 'Invalid request: the body is too large').answer);
    return sendAnswer(reply, refuse(status, status < 500 ? `Invalid request: ${sentence}` : 'The service failed unexpectedly').answer);
  });
  return app;
}
