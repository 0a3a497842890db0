/**
 * The HTTP server of the client port, the same for all edges: TLS, tracing, JSON bodies, CORS, failures. Routes and responses are the
 * edge's.
 */
import { isUtf8 } from 'node:buffer';
import type { ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import cors from '@fastify/cors';
import { parseJson } from '@polyedge/query/json-text';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify';
import { drainBody } from './drain-body.ts';
import { drainCalls } from './http-calls.ts';
import { type GuardOptions, guardHttp } from './http-guard.ts';
import { CannotStart } from './lifecycle.ts';
import { closeListeners, openListeners } from './listeners.ts';
import type { Log } from './log.ts';
import type { Spans } from './spans.ts';
import { listenerTls } from './tls.ts';
import { traceCalls } from './trace-calls.ts';

export interface ClientServerOptions extends Pick<FastifyServerOptions, 'bodyLimit' | 'routerOptions'> {
  /** The settings of the port. */
  readonly config: Parameters<typeof listenerTls>[0] & { readonly trustProxy: boolean };
  /** Limits of connections, the same with TLS and without. */
  readonly http: ServerOptions & { readonly requestTimeout: number; readonly keepAliveTimeout: number };
  /** Undefined when tracing is off. */
  readonly spans: Spans | undefined;
}

/** Creates the server, without routes. Requests are not logged: some carry tokens. Throws `CannotStart` if the certificate is unusable. */
export function clientServer({ config, http, spans, ...options }: ClientServerOptions): FastifyInstance {
  const app: FastifyInstance = Fastify({
    ...options,
    http,
    ...listenerTls(config, http),
    // Fastify has its own defaults for these two, and sets them on the server after `http`.
    requestTimeout: http.requestTimeout,
    keepAliveTimeout: http.keepAliveTimeout,
    // Trusts only the nearest proxy, as for sockets: earlier entries of X-Forwarded-For can be forged by the client.
    trustProxy: config.trustProxy ? (_address, hop) => hop === 0 : false,
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: { buildValidator: withoutSchemas, buildSerializer: withoutSchemas } },
    // Otherwise the answer would have Fastify's form, and quote the path.
    frameworkErrors: (error, request, reply) => {
      const isLong = error.statusCode === 414;
      void app.errorHandler(
        new Unreadable(isLong ? 'the path is too long' : 'the path cannot be read', isLong ? 414 : 400),
        request,
        reply,
      );
    },
  });
  if (spans !== undefined) traceCalls(app, spans);
  return app;
}

/** In the place of Fastify's compilers of schemas, whose loading is a tenth of the start of an edge: bodies are decoded by what they are for. */
function withoutSchemas(): never {
  throw new Error('a route has no schema here');
}

/**
 * Guards the server, to which all handlers must be attached by now, and listens. Returns and logs the port. Throws `CannotStart` if it
 * cannot be opened.
 */
export async function openPort(
  app: FastifyInstance,
  { host, port }: { readonly host: string; readonly port: number },
  log: Log,
  guard: GuardOptions = {},
): Promise<number> {
  guardHttp(app.server, guard);
  try {
    await openListeners(app.server, { host, port }, (at) => app.listen(at));
  } catch (error) {
    throw new CannotStart(`port ${port} cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
  }
  const own = (app.server.address() as AddressInfo).port; // listening on TCP, so never a pipe's name
  log.info('listening', { port: own });
  return own;
}

/** Call it before `closePort`: resolves when `until` has and the last calls are answered, see `drainCalls`. */
export async function drainPort(app: FastifyInstance, until: Promise<unknown>): Promise<void> {
  await drainCalls(app.server, until);
}

/** Closes the remaining connections and the server. */
export async function closePort(app: FastifyInstance): Promise<void> {
  app.server.closeAllConnections();
  await Promise.all([app.close(), closeListeners(app.server)]);
}

/** An invalid path or body: a mistake of the client. */
class Unreadable extends Error {
  readonly statusCode: number;

  constructor(sentence: string, statusCode = 400) {
    super(sentence);
    this.statusCode = statusCode;
  }
}

const NO_UTF8 = 'the body is not UTF-8';

/** Parses every body as JSON, whatever its content type; other types are registered afterwards. */
export function takeJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Bytes that are no UTF-8 would be replaced without a word (RFC 8259 8.1: JSON is UTF-8, whatever charset a header names).
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    if (typeof body !== 'string' && !isUtf8(body)) return done(new Unreadable(NO_UTF8));
    const text = String(body);
    if (text.trim() === '') return done(null, undefined);
    const parsed = parseJson(text);
    if (parsed.ok) done(null, parsed.value);
    else done(new Unreadable(`the body ${parsed.problem}`));
  });
}

/** Parses bodies of HTML forms to an object of strings. */
export function takeForms(app: FastifyInstance): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (_request, body, done) => {
    if (typeof body !== 'string' && !isUtf8(body)) return done(new Unreadable(NO_UTF8));
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });
}

/** What pages of other origins may do. */
export interface BrowserRules {
  /** Origins that browsers may call from; undefined: any. */
  readonly origins: readonly string[] | undefined;
  /** Response headers that pages may read. */
  readonly exposes: string;
  readonly methods: string;
  /** Status of the response to a preflight request. */
  readonly status: 200 | 204;
  /**
   * Whether pages may send credentials such as cookies; the response then repeats the origin, whichever it is. Nothing here is
   * authenticated by them.
   */
  readonly credentials?: boolean;
}

/**
 * Enables CORS. Calls are authenticated by a header that a page sets itself, so pages may send any header: those of the protocol, and
 * `traceparent` and `tracestate`, which we read too. Await it: hooks that are added later run after it.
 */
export async function letBrowsersIn(app: FastifyInstance, rules: BrowserRules): Promise<void> {
  const { origins, exposes, methods, status, credentials = false } = rules;
  await app.register(cors, {
    origin: origins === undefined ? (credentials ? true : '*') : [...origins],
    exposedHeaders: exposes,
    methods: methods.split(',').map((method) => method.trim()),
    credentials,
    maxAge: 86_400,
    optionsSuccessStatus: status,
    // A preflight request without its headers is answered like any other, for compatibility.
    strictPreflight: false,
  });
}

/**
 * Answers calls that cannot be read (413, or 400 to 499 with a sentence that never quotes the request) and calls whose handler threw (500,
 * logged), in the protocol's own form.
 */
export function answerFailures(
  app: FastifyInstance,
  log: Log,
  answer: (reply: FastifyReply, status: number, sentence: string) => FastifyReply,
): void {
  app.setErrorHandler(async (error: Error & { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) await drainBody(request.raw);
    if (status >= 400 && status < 500) return answer(reply, status, error.message);
    log.error('a REST call failed', { err: error });
    return answer(reply, 500, 'the service failed unexpectedly');
  });
}
