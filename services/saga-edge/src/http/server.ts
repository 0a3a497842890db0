/**
 * The HTTP server without its routes: bodies, CORS, tokens, permissions, errors in Saga's form. Requests are not logged: some carry tokens.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { sagaRolesOf } from '@polyedge/contracts/administrators';
import { accountsGet } from '@polyedge/contracts/bus/accounts';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { isObject } from '@polyedge/saga/elements';
import {
  INSUFFICIENT,
  INVALID_TOKEN,
  MISSING_USER,
  NOT_FOUND,
  type SagaError,
  sagaError,
  toError,
  tokenError,
} from '@polyedge/saga/errors';
import type { Caller } from '@polyedge/saga/work';
import type { Bus } from '@polyedge/service-kit/bus';
import { answerFailures, type ClientServerOptions, clientServer, letBrowsersIn, takeJson } from '@polyedge/service-kit/client-server';
import type { Log } from '@polyedge/service-kit/log';
import type { Author } from '@polyedge/session/questions';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Action, allows, isNamed, permissionsOf } from '../protocol/permissions.ts';
import type { RoleCache } from '../roles.ts';
import type { Reply } from './reply.ts';
import type { Store } from './store.ts';

export interface HttpOptions {
  readonly config: ClientServerOptions['config'] & {
    readonly maxFrameBytes: number;
    /** The tenant of requests without a token. */
    readonly tenant: string;
    readonly selfAccess: boolean;
    readonly allowUnverified: boolean;
  };
  readonly http: ClientServerOptions['http'];
  /** Origins that browsers may call from; undefined: any. */
  readonly origins: readonly string[] | undefined;
  readonly bus: Bus;
  readonly store: Store;
  readonly roles: RoleCache;
  readonly log: Log;
  verify(token: string): Promise<Outcome<Principal>>;
}

/** An authenticated and authorized call. */
export interface Request {
  readonly who: Author & { readonly username: string; readonly anonymous: boolean };
  readonly caller: Caller;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly address: string;
  /** The requested path, without the query. */
  readonly path: string;
  /** Whether the roles alone allow this, without the rights that every user has below the own path. */
  mayByRole(action: Action, path: string): boolean;
  /** The current title of a role that an account holds; the name itself if there is none. */
  titleOf(role: string): string;
}

export type Handler = (request: Request) => Promise<Reply>;

export interface Routes {
  /** `open`: the handler checks rights itself. */
  add(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, handler: Handler, rights?: 'open'): void;
}

const TIMEOUT_MS = 10_000;
/** Long enough for the largest body over a slow connection. */
const REQUEST_MS = 300_000;

export async function createHttpServer(options: HttpOptions): Promise<{ readonly app: FastifyInstance; readonly routes: Routes }> {
  const { config, log, origins } = options;
  const app = clientServer({
    config,
    http: { ...options.http, requestTimeout: REQUEST_MS },
    spans: options.bus.spans,
    bodyLimit: config.maxFrameBytes,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
  });
  takeJson(app);
  await letBrowsersIn(app, {
    origins,
    exposes: 'Link',
    methods: 'GET, POST, PUT, DELETE',
    status: 200,
  });
  app.setNotFoundHandler((_request, reply) => sendError(reply, NOT_FOUND));
  answerFailures(app, log, (reply, status, sentence) => {
    if (status === 413) return sendError(reply, sagaError(413));
    return sendError(reply, status < 500 ? sagaError(400, sentence) : sagaError(500));
  });
  const routes: Routes = {
    add: (method, url, handler, rights) => {
      app.route({
        method,
        url,
        handler: async (request, reply) => {
          const accepted = await accept(request, options, rights === 'open');
          const answered = accepted.ok ? await handler(accepted.request) : accepted;
          if (!answered.ok) return sendError(reply, answered.error);
          if (answered.link !== undefined && answered.link !== '') reply.header('link', answered.link);
          return reply.code(200).header('cache-control', 'no-store').type('application/json').send(JSON.stringify(answered.body));
        },
      });
    },
  };
  return { app, routes };
}

export function sendError(reply: FastifyReply, error: SagaError): FastifyReply {
  return reply.code(error.status_code).type('application/json').send(JSON.stringify(error));
}

type Accepted = { readonly ok: true; readonly request: Request } | { readonly ok: false; readonly error: SagaError };

/** The three places for a token, in this order (1.4). */
export function tokenOf({ headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>): string | undefined {
  const header = headers['access-token'];
  if (typeof header === 'string' && header !== '') return header;
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const mark = url.indexOf('?');
  const given = mark === -1 ? undefined : new URLSearchParams(url.slice(mark + 1)).getAll('access-token').at(-1);
  return given === '' ? undefined : given;
}

function queryOf(request: FastifyRequest): Readonly<Record<string, string>> {
  const texts: Record<string, string> = Object.create(null);
  if (!isObject(request.query)) return texts;
  for (const [name, value] of Object.entries(request.query)) {
    const text: unknown = Array.isArray(value) ? value.at(-1) : value;
    if (typeof text === 'string') texts[name] = text;
  }
  return texts;
}

export async function accept(request: FastifyRequest, options: HttpOptions, open: boolean): Promise<Accepted> {
  const token = tokenOf(request);
  const who = await callerOf(token, options);
  if (!who.ok) return who;
  const {
    roles,
    config: { selfAccess },
  } = options;
  if (!(await roles.know(who.acting.tenant))) return { ok: false, error: sagaError(503) };
  const acting = who.acting.anonymous ? { ...who.acting, defaultScope: roles.scopeOf(who.acting.tenant) } : who.acting;
  const known = roles.of(acting.tenant);
  const names = who.roleNames ?? known.filter(({ scope }) => scope === 'anonymous').map(({ _id }) => _id);
  const permissions = permissionsOf(known, names);
  const [path = '/'] = request.url.split('?');
  const self = selfAccess && !who.acting.anonymous ? who.acting.account : undefined;
  const action = actionOf(request.method);
  if (!open && !allows(permissions, { path: decoded(path), action, self })) {
    return { ok: false, error: token === undefined ? (who.acting.anonymous ? INVALID_TOKEN : INSUFFICIENT) : INSUFFICIENT };
  }
  return {
    ok: true,
    request: {
      who: acting,
      caller: { tenant: who.acting.tenant, way: 'rest', at: Date.now(), newId: () => randomBytes(12).toString('hex') },
      params: paramsOf(request),
      query: queryOf(request),
      body: request.body,
      address: request.ip,
      path,
      mayByRole: (asked, at) => allows(permissions, { path: at, action: asked }),
      titleOf: (name) => known.find((role) => isNamed(role, name))?.title ?? name,
    },
  };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function paramsOf({ params }: FastifyRequest): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  if (isObject(params)) for (const [name, value] of Object.entries(params)) if (typeof value === 'string') texts[name] = value;
  return texts;
}

const actionOf = (method: string): Action =>
  method === 'POST' ? 'post' : method === 'PUT' ? 'put' : method === 'DELETE' ? 'delete' : 'get';

type ResolvedCaller =
  | { readonly ok: true; readonly acting: Request['who']; readonly roleNames: readonly string[] | undefined }
  | { readonly ok: false; readonly error: SagaError };

/** The caller, with the current roles, because a token only identifies its account. */
async function callerOf(token: string | undefined, { verify, bus, config }: HttpOptions): Promise<ResolvedCaller> {
  const { tenant, allowUnverified } = config;
  if (token === undefined) {
    const acting = { tenant, defaultScope: '', account: '', app: 'saga', username: '', anonymous: true };
    return { ok: true, acting, roleNames: undefined };
  }
  const verified = await verify(token);
  if (!verified.ok) {
    const { code, detail } = verified.failure;
    return { ok: false, error: code === 'unauthenticated' ? tokenError(detail) : toError(verified.failure) };
  }
  const principal = verified.value;
  const subject = accountsGet.subject({ tenant: principal.tenant });
  const found = await bus.request(accountsGet, subject, { ids: [principal.account] }, { timeoutMs: TIMEOUT_MS });
  if (!found.ok) return { ok: false, error: toError(found.failure) };
  const [account] = found.value.accounts;
  if (account === undefined || account.disabled) return { ok: false, error: MISSING_USER };
  const { saga } = account.attributes;
  if (!allowUnverified && isObject(saga) && saga.verified === false) return { ok: false, error: sagaError(403, 'Unverified User') };
  const { defaultScope, app, username } = principal;
  const acting = { tenant: principal.tenant, defaultScope, account: principal.account, app, username, anonymous: false };
  return { ok: true, acting, roleNames: sagaRolesOf(account) };
}
