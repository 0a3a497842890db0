/** Messages between replicas of space-edge. Events of real operations come from the feed; this one has no stored state. */
import { defineEvent } from '../channel.ts';
import { T } from '../schema.ts';

export const spaceTestEvent = defineEvent({
  address: 'pe.evt.space.test-event.v1',
  summary: 'A test event was requested: every replica sends it to its own sockets as PRICING_ARCHIVED.',
  body: T.Object({ serviceName: T.String({ maxLength: 1000 }), pricingVersion: T.String({ maxLength: 1000 }) }),
});
