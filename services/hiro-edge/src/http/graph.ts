import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Acting, RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import type { Json } from '@polyedge/query/json';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { idsFrom } from '../protocol/element/ids.ts';
import { begin } from '../protocol/graph/begin.ts';
import { toRestCall } from '../protocol/graph/rest-translate.ts';
import type { AnswerPage, HiroAnswer, Work } from '../protocol/graph/work.ts';
import { bearerOf } from '../protocol/handshake.ts';
import { type FailureStyle, sendFailure, sendJson } from './answer.ts';

export interface GraphHttpOptions {
  readonly rest: RestTasks;
  readonly requestTimeoutMs: number;
  readonly style: FailureStyle;
  readonly names: 'lenient' | 'strict';
  verify(token: string): Promise<Outcome<Principal>>;
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** Graph REST under `/api/graph/7.x/`, HIRO 6's `/api/7.x/graph/`, and at the root, where hiro-graph-js 6.1 expects it. */
export function graphRoutes(app: FastifyInstance, options: GraphHttpOptions): void {
  for (const method of METHODS) {
    for (const [url, skip] of [
      ['/api/graph/:version/*', 3],
      ['/api/:version/graph/*', 3],
      ['/*', 0],
    ] as const) {
      app.route({
        method,
        url,
        // Before the body is read: a path that does not exist is 404 whatever is sent.
        onRequest: async (request, reply) => {
          const failure = unknownPath(request, skip);
          if (failure !== undefined) await sendFailure(reply, options.style, failure);
        },
        handler: (request, reply) => answer(request, reply, skip, options),
      });
    }
  }
}

function unknownPath(request: FastifyRequest, skip: number): Failure | undefined {
  const segments = segmentsOf(request, skip);
  if (skip === 0 && segments[0] === 'api') return { code: 'not-found', detail: 'there is no such API' };
  const call = toRestCall(request.method, segments, {}, undefined);
  return !call.ok && call.failure.code === 'not-found' ? call.failure : undefined;
}

async function answer(request: FastifyRequest, reply: FastifyReply, skip: number, options: GraphHttpOptions): Promise<FastifyReply> {
  const { style, rest } = options;
  const token = bearerOf(request.headers.authorization);
  const principal = await principalOf(token, options);
  if (!principal.ok) return sendFailure(reply, style, principal.failure);
  const call = toRestCall(request.method, segmentsOf(request, skip), queryOf(request), request.body);
  if (!call.ok) {
    // Here `invalid` can only mean a method that the path does not support.
    if (call.failure.code === 'invalid') return sendJson(reply, 405, { error: { code: 405, message: call.failure.detail } });
    return sendFailure(reply, style, call.failure);
  }
  const who = principal.value;
  const ended = new AbortController();
  reply.raw.once('close', () => ended.abort());
  const newId = idsFrom(randomBytes(16).toString('hex'));
  const work = begin(call.value, { who, at: Date.now(), now: Date.now, newId, names: options.names });
  const advance = (): Promise<Step> => rest.advance<AnswerPage, HiroAnswer>(work, actingAs(who, ended.signal));
  const first = await advance();
  if (first.done === true) {
    const { value: answered } = first;
    if (!answered.ok) return sendFailure(reply, style, answered.failure, answered.result);
    if (answered.value.kind === 'body') return sendJson(reply, 200, answered.value.body);
  }
  return reply
    .code(200)
    .header('content-type', 'application/json')
    .send(Readable.from(listed(first, advance), { objectMode: false }));
}

type Step = IteratorResult<AnswerPage, HiroAnswer>;

/** The author of a REST call's writes. */
export const actingAs = (who: Principal, signal: AbortSignal): Acting => ({ who, origin: { protocol: 'hiro', way: 'rest' }, signal });

/** Runs a task that answers at once. */
export async function answerOf(work: Work, who: Principal, rest: RestTasks, signal: AbortSignal): Promise<HiroAnswer> {
  const step = await rest.advance<AnswerPage, HiroAnswer>(work, actingAs(who, signal));
  return step.done === true ? step.value : failed('internal');
}

/** `{ "items": [...] }`, page by page as the client reads. A failure after the first page can only abort the connection. */
async function* listed(first: Step, advance: () => Promise<Step>): AsyncGenerator<string> {
  let text = '{"items":[';
  let separator = '';
  for (let step = first; ; step = await advance()) {
    const items = itemsOf(step)
      .map((item) => JSON.stringify(item))
      .join(',');
    if (items !== '') {
      text += `${separator}${items}`;
      separator = ',';
    }
    if (step.done === true) break;
    if (text !== '') yield text;
    text = '';
  }
  yield `${text}]}`;
}

function itemsOf(step: Step): readonly Json[] {
  const page = step.done === true ? (step.value.ok ? step.value.value : undefined) : step.value.page;
  if (page?.kind !== 'items') throw new Error('a page of the list could not be read');
  return page.items;
}

export async function principalOf(token: string | undefined, { verify }: Pick<GraphHttpOptions, 'verify'>): Promise<Outcome<Principal>> {
  return token === undefined ? { ok: false, failure: { code: 'unauthenticated', detail: 'authentication required' } } : verify(token);
}

/** The path below the API's own. Types and edge ids contain slashes and are one percent-encoded segment. */
function segmentsOf(request: FastifyRequest, skip: number): string[] {
  const [path = ''] = request.url.split('?');
  const segments = path.slice(1).split('/');
  if (segments.at(-1) === '') segments.pop();
  return segments.slice(skip).map((segment) => {
    try {
      return decodeURIComponent(segment);
    } catch {
      return segment;
    }
  });
}

function queryOf(request: FastifyRequest): Readonly<Record<string, string>> {
  const mark = request.url.indexOf('?');
  return mark === -1 ? {} : Object.fromEntries(new URLSearchParams(request.url.slice(mark + 1)));
}
