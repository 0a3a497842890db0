/** REST calls in traces: a span per call, under which what the call asks for on the bus appears. */
import type { FastifyInstance } from 'fastify';
import type { Spans } from './spans.ts';

/**
 * Begins a span with each call, which goes on with the trace of its `traceparent` header, and ends it with the answer. Named by method and
 * route: a path has ids in it. Call it before any other hook is added. (Fastify keeps the span over the reading of the body.)
 */
export function traceCalls(app: FastifyInstance, spans: Spans): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent } = request.headers;
    const route = request.routeOptions.url ?? '(no route)';
    const span = spans.call(`${request.method} ${route}`, typeof traceparent === 'string' ? traceparent : undefined);
    // Comes once, also when the client is gone before the answer.
    reply.raw.once('close', () => span.end(reply.raw.writableFinished ? resultOf(reply.statusCode) : 'aborted'));
    span.run(done);
  });
}

/** What a client did wrong is no failure of ours. */
const resultOf = (status: number): string => (status < 500 ? 'ok' : String(status));
