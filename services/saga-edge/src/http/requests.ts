/** HTTP scripts under `/requests/NAME`, and manual runs: everything that needs a runner (Saga protocol page, 6.5 and 6.6). */
import { MAX_SCRIPT_BODY, runnerCall, runnerRun } from '@polyedge/contracts/bus/runner';
import type { ReplyOf, RequestOf } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { encodeBody } from '@polyedge/saga/body';
import { attribute, both, equal, isObject, ofType, REQUEST_PATH, TYPES } from '@polyedge/saga/elements';
import { type SagaError, sagaError, toError } from '@polyedge/saga/errors';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NO_RUNNER } from '../runners.ts';
import { failure, ok, refused } from './reply.ts';
import { accept, type HttpOptions, type Routes, sendError } from './server.ts';
import type { Store } from './store.ts';

export interface RunnerHttp {
  readonly bus: Bus;
  readonly store: Store;
}

/** Longer than a script may take, so that its own limit ends it and is reported. */
const TIMEOUT_MS = 45_000;
/** Runners asked, one after the other, if the first ends before the script has begun. */
const ATTEMPTS = 3;
const MAX_ARGS = 8;
/** Headers that scripts neither receive nor set. */
const HIDDEN =
  /^(authorization|access-token|cookie|connection|content-length|transfer-encoding|trailer|te|keep-alive|upgrade|set-cookie)$/i;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** `POST /scripts/:id/run`, `POST /jobs/:id/run`: answered once started. */
export function runRoutes(routes: Routes, { bus, store }: RunnerHttp): void {
  for (const [type, of] of [
    ['scripts', TYPES.script],
    ['jobs', TYPES.job],
  ] as const) {
    routes.add('POST', `/${type}/:id/run`, async (request) => {
      const { tenant } = request.who;
      const found = await store.one(tenant, request.params.id ?? '', of);
      if (!found.ok) return failure(found.failure);
      if (found.value === undefined) return refused(sagaError(404, `${type === 'jobs' ? 'Job' : 'Script'} does not exist`));
      const { args, test_data } = isObject(request.body) ? request.body : {};
      const given: Json[] = Array.isArray(args) ? args.slice(0, MAX_ARGS) : [];
      const run = { type, id: found.value.id, args: given, testData: test_data === true };
      const started = await bus.request(runnerRun, runnerRun.subject({ tenant }), run, { timeoutMs: 10_000 });
      if (started.ok) return ok({ ok: 1, runnable_call_id: started.value.call });
      if (started.failure.code === 'unavailable') return refused(NO_RUNNER);
      return started.failure.code === 'conflict' ? refused(sagaError(429, started.failure.detail)) : failure(started.failure);
    });
  }
}

/** Requests with any method and body below `/requests/` go to the script of that path. */
export async function requestRoutes(app: FastifyInstance, parts: RunnerHttp, options: HttpOptions): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_SCRIPT_BODY }, (_request, body, done) => done(null, body));
    scope.route({
      method: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'],
      url: '/requests/*',
      handler: async (request, reply) => {
        const accepted = await accept(request, options, false);
        if (!accepted.ok) return sendError(reply, accepted.error);
        const { who, path, query, address } = accepted.request;
        const called = await call(parts, request, {
          tenant: who.tenant,
          path,
          query,
          address,
          user: who.anonymous ? undefined : who.account,
        });
        return 'error' in called ? sendError(reply, called.error) : show(reply, called);
      },
    });
  });
}

interface Called {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface From {
  readonly tenant: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly address: string;
  readonly user: string | undefined;
}

async function call(parts: RunnerHttp, request: FastifyRequest, from: From): Promise<Called | { readonly error: SagaError }> {
  const { bus, store } = parts;
  const { tenant, path, query, address, user } = from;
  const url = path.replace(/\/+/g, '/').replace(/\/$/, '');
  const filter = both(ofType(TYPES.script), equal(attribute(REQUEST_PATH), url), equal(attribute('enabled'), true));
  const found = await store.query(tenant, { filter, limit: 1, fields: [] });
  if (!found.ok) return { error: toError(found.failure) };
  const [script] = found.value.elements;
  if (script === undefined) return { error: sagaError(404, 'Script does not exist') };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !HIDDEN.test(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const { 'access-token': _token, ...shown } = query;
  const called = {
    script: script.id,
    method: request.method,
    path,
    query: shown,
    headers,
    ...encodeBody(bytes),
    address,
    ...(user === undefined ? {} : { user }),
  };
  const answer = await answerOf(bus, tenant, called);
  if (!answer.ok) return { error: answer.failure.code === 'unavailable' ? NO_RUNNER : toError(answer.failure) };
  const { status, body, encoding } = answer.value;
  return { status, headers: { ...answer.value.headers, 'runnable-call-id': answer.value.call }, body: Buffer.from(body, encoding) };
}

/** `busy` says that nothing was done: a runner that ends takes no more requests, so another one gets the next. */
async function answerOf(bus: Bus, tenant: string, called: RequestOf<typeof runnerCall>): Promise<Outcome<ReplyOf<typeof runnerCall>>> {
  const until = performance.now() + TIMEOUT_MS;
  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.max(1, until - performance.now());
    const answer = await bus.request(runnerCall, runnerCall.subject({ tenant }), called, { timeoutMs });
    if (answer.ok || answer.failure.code !== 'busy' || attempt === ATTEMPTS) return answer;
  }
}

/** Invalid headers of a script are omitted, so that the answer still arrives. */
function show(reply: FastifyReply, { status, headers, body }: Called): FastifyReply {
  for (const [name, value] of Object.entries(headers)) {
    if (TOKEN.test(name) && !HIDDEN.test(name) && !/[^\t\x20-\x7e\x80-\xff]/.test(value)) reply.header(name, value);
  }
  if (!reply.hasHeader('content-type')) reply.type('text/plain; charset=utf-8');
  // The content is the script author's: it must not become a page that acts as this origin.
  reply.header('x-content-type-options', 'nosniff').header('cache-control', reply.getHeader('cache-control') ?? 'no-store');
  return reply.code(status < 200 ? 502 : status).send(body);
}
