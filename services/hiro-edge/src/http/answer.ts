import type { Failure } from '@polyedge/contracts/errors';
import type { FastifyReply } from 'fastify';
import { codeOf, toError, type ValidationResult } from '../protocol/failures.ts';

/** The form of failures of REST calls. */
export interface FailureStyle {
  /** The HTTP status for error 888, which some proxies do not forward; the body keeps 888. */
  readonly status888: number;
}

/**
 * Sends JSON under exactly `application/json`: the Python client compares the media type. Sent as bytes, because fastify adds a charset to text.
 */
export function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  // `reply.code` throws for 888, HIRO's only status that HTTP does not define; the raw response sends it.
  if (status > 599) reply.raw.statusCode = status;
  else reply.code(status);
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}

export function sendFailure(reply: FastifyReply, style: FailureStyle, failure: Failure, result?: ValidationResult): FastifyReply {
  const code = codeOf(failure);
  // Clients expect whole seconds (the Elixir client).
  if (failure.retryAfterMs !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(failure.retryAfterMs / 1000))));
  return sendJson(reply, code === 888 ? style.status888 : code, toError(failure, result));
}
