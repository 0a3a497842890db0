import type { Failure } from '@polyedge/contracts/errors';
import type { FastifyReply } from 'fastify';
import { codeOf, toError, type ValidationResult } from '../protocol/failures.ts';

/** How failures of REST calls look. */
export interface FailureStyle {
  /** The HTTP status for error 888, which some proxies refuse to pass on; the body keeps 888. */
  readonly status888: number;
}

/**
 * Sends JSON under exactly `application/json`: the Python client compares the media type. As bytes, because fastify adds a charset to text.
 */
export function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  // `reply.code` throws for 888, the one status of HIRO that HTTP does not know; the response itself sends it.
  if (status > 599) reply.raw.statusCode = status;
  else reply.code(status);
  return reply.header('content-type', 'application/json').send(Buffer.from(JSON.stringify(body)));
}

export function sendFailure(reply: FastifyReply, style: FailureStyle, failure: Failure, result?: ValidationResult): FastifyReply {
  const code = codeOf(failure);
  // Read as whole seconds, and only as a number (the Elixir client).
  if (failure.retryAfterMs !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(failure.retryAfterMs / 1000))));
  return sendJson(reply, code === 888 ? style.status888 : code, toError(failure, result));
}
