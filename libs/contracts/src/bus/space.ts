/** What SPACE edges tell each other. Events of real operations come from the feed; this one has no state behind it. */
import { defineEvent } from '../channel.ts';
import { T } from '../schema.ts';

export const spaceTestEvent = defineEvent({
  address: 'pe.evt.space.test-event.v1',
  summary: 'Somebody asked for a test event: every replica shows it to its own sockets as PRICING_ARCHIVED.',
  body: T.Object({ serviceName: T.String({ maxLength: 1000 }), pricingVersion: T.String({ maxLength: 1000 }) }),
});
