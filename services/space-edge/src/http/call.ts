/** REST calls as values: the caller with its input, and the answer. Authorization happens here, before the body is used. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { type RestAnswer, type Result, refuse } from '../protocol/answer.ts';
import { type Fields, fieldsOf } from '../protocol/fields.ts';
import { judgeBy, ruleOf } from '../protocol/permissions.ts';
import { type Caller, type Identity, kindOf } from '../store/accounts/identity.ts';

/** The prefix of the whole interface. */
export const PREFIX = '/api/v1';

export interface RestCall {
  /** Undefined for a public route without a key. */
  readonly caller: Caller | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Fields;
  readonly body: unknown;
  readonly method: string;
  readonly contentType: string | undefined;
  /** The client's address, for counting failed logins. */
  readonly address: string;
}

export type Handler = (call: RestCall) => Promise<RestAnswer>;

const callers = new WeakMap<FastifyRequest, Caller>();

export interface Authorization {
  /** Paths outside of the interface that are served. */
  readonly open: (path: string) => boolean;
  readonly strictScopes: boolean;
}

/**
 * Default-deny: every request below the prefix is checked against the table first. Anything outside is rejected unless `open` allows it.
 */
export function authorize(app: FastifyInstance, identity: Identity, { open, strictScopes }: Authorization): void {
  app.addHook('onRequest', async (request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    if (open(path)) return;
    const below = path.startsWith(`${PREFIX}/`) ? path.slice(PREFIX.length) : undefined;
    if (below === undefined) {
      await sendAnswer(reply, refuse(403, `No permission rule allows ${request.method} on this path`).answer);
      return;
    }
    const presented = request.headers['x-api-key'];
    const key = Array.isArray(presented) ? presented[0] : presented;
    // The table is checked first: what no rule allows is rejected without looking up the key.
    const target = { method: request.method, path: below };
    const rule = ruleOf(request.method, below);
    const without = judgeBy(rule, target, undefined);
    if (!without.allowed && without.status === 403) {
      await sendAnswer(reply, refusal(without));
      return;
    }
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const hasKey = key !== undefined && key !== '';
    // A token counts only where authentication is required: a proxy may add one to public calls.
    if (!hasKey && (without.allowed || token === undefined)) {
      if (!without.allowed) await sendAnswer(reply, refusal(without));
      return;
    }
    const caller = await callerOf(identity, { key: hasKey ? key : undefined, token }, isEvaluation(request.method, below));
    if (!caller.ok) {
      await sendAnswer(reply, caller.answer);
      return;
    }
    const verdict = judgeBy(rule, target, kindOf(caller.value), strictScopes);
    if (verdict.allowed) callers.set(request, caller.value);
    else await sendAnswer(reply, refusal(verdict));
  });
}

function callerOf(
  identity: Identity,
  { key, token = '' }: { readonly key: string | undefined; readonly token: string | undefined },
  mayBeRecent: boolean,
): Promise<Result<Caller>> {
  if (key === undefined) return identity.callerOfToken(token);
  return mayBeRecent ? identity.recentCallerOf(key) : identity.callerOf(key);
}

const isEvaluation = (method: string, path: string): boolean => method === 'POST' && path.startsWith('/features/');

const refusal = ({ status, error }: { readonly status: number; readonly error: string }): RestAnswer => ({
  status,
  body: { error, ...(status === 403 ? { details: 'See the permissions of API keys in the documentation' } : {}) },
});

/** Serves a route under the prefix. */
export function serve(app: FastifyInstance, method: HTTPMethods, path: string, handler: Handler): void {
  app.route({
    method,
    url: `${PREFIX}${path}`,
    handler: async (request, reply) => {
      const call = callOf(request);
      const repeated = Object.keys(call.query).find((name) => typeof call.query[name] !== 'string');
      // Which of them is meant is unknown: a reset that is overlooked would be an increment.
      const answer =
        repeated === undefined
          ? await handler(call)
          : refuse(400, `Invalid query: ${repeated.slice(0, 100).toWellFormed()} is given more than once`).answer;
      return sendAnswer(reply, answer);
    },
  });
}

function callOf(request: FastifyRequest): RestCall {
  return {
    caller: callers.get(request),
    // The router only returns strings.
    params: request.params as Readonly<Record<string, string>>,
    query: fieldsOf(request.query),
    body: request.body,
    method: request.method,
    contentType: request.headers['content-type'],
    address: request.ip,
  };
}

export function sendAnswer(reply: FastifyReply, { status, body, json, headers }: RestAnswer): FastifyReply {
  if (headers !== undefined) reply.headers({ ...headers });
  const text = json ?? (body === undefined ? undefined : JSON.stringify(body));
  if (text === undefined) return reply.code(status).send();
  return reply.code(status).header('content-type', 'application/json; charset=utf-8').send(text);
}
