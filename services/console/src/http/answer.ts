import type { ErrorCode, Failure } from '@polyedge/contracts/errors';
import { errors } from '@polyedge/contracts/errors';
import type { FastifyReply } from 'fastify';

/** Time-out of a request to another service. */
export const TIMEOUT_MS = 10_000;

const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  'not-allowed': 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  limited: 429,
  busy: 503,
  expired: 503,
  unavailable: 503,
  lost: 410,
  internal: 500,
};

export const sendJson = (reply: FastifyReply, status: number, body: unknown): FastifyReply =>
  sendJsonText(reply, status, JSON.stringify(body));

export const sendJsonText = (reply: FastifyReply, status: number, text: string): FastifyReply =>
  reply.code(status).header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-store').send(text);

export function sendFailure(reply: FastifyReply, { code, detail, retryAfterMs }: Failure): FastifyReply {
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  return sendJson(reply, STATUS[code], { error: { code, message: detail ?? errors[code].text } });
}

export const isObject = (body: unknown): body is Readonly<Record<string, unknown>> =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

/** A body as an object; anything else has no fields. */
export const objectOf = (body: unknown): Readonly<Record<string, unknown>> => (isObject(body) ? body : {});

/** The strings in a body or a query string. */
export function fieldsOf(body: unknown): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(objectOf(body)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
