/** `/events…` and `/healthcheck`: public, without a key. */
import { spaceTestEvent } from '@polyedge/contracts/bus/space';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyInstance } from 'fastify';
import { refuse } from '../protocol/answer.ts';
import { fieldsOf } from '../protocol/fields.ts';
import { PREFIX, serve } from './call.ts';
import { testerPage } from './tester-page.ts';

export interface EventRoutesOptions {
  readonly bus: Bus;
  /** If enabled, anyone can forge an event with it. */
  readonly testEvent: boolean;
}

const MAX_CHARACTERS = 1000;

export function eventRoutes(app: FastifyInstance, { bus, testEvent }: EventRoutesOptions): void {
  serve(app, 'GET', '/healthcheck', async () => ({ status: 200, body: { message: 'Service is up and running!' } }));
  serve(app, 'GET', '/events/status', async () => ({ status: 200, body: { status: 'The WebSocket event service is active' } }));
  serve(app, 'POST', '/events/test-event', async ({ body }) => {
    if (!testEvent) return refuse(404, 'NOT FOUND: test events are switched off').answer;
    const { serviceName, pricingVersion } = fieldsOf(body);
    if (!isName(serviceName) || !isName(pricingVersion))
      return refuse(400, 'Missing required parameters: serviceName and pricingVersion, as texts').answer;
    // Every replica, including this one, receives it and sends it to its own sockets.
    bus.publish(spaceTestEvent, {}, { serviceName, pricingVersion });
    return { status: 200, body: { success: true, message: 'Event sent successfully' } };
  });
  app.get(`${PREFIX}/events/client`, (_request, reply) =>
    reply.headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': testerPage.policy }).send(testerPage.html),
  );
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_CHARACTERS && !value.includes('\0') && value.isWellFormed();
