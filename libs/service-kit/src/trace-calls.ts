/** Tracing of REST calls: one span per call, the parent of its bus requests. */
import type { FastifyInstance } from 'fastify';
import type { Spans } from './spans.ts';

/**
 * Starts a span for each call, which continues the trace of its `traceparent` header and ends with the response. It is named by method and
 * route, because paths contain ids. Call it before any other hook is added. (Fastify keeps the span while it reads the body.)
 */
export function traceCalls(app: FastifyInstance, spans: Spans): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent } = request.headers;
    const route = request.routeOptions.url ?? '(no route)';
    const span = spans.call(`${request.method} ${route}`, typeof traceparent === 'string' ? traceparent : undefined);
    // Emitted once, also if the client disconnects before the response.
    reply.raw.once('close', () => span.end(reply.raw.writableFinished ? resultOf(reply.statusCode) : 'aborted'));
    span.run(done);
  });
}

/** Client errors do not count as failures. */
const resultOf = (status: number): string => (status < 500 ? 'ok' : String(status));
