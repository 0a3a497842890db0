/**
 * What SPACE's clients receive over Socket.IO: the event `message` with one argument (SPACE documentation 2.0.1, "SPACE and Socket.io"). The
 * order of the keys is part of the frame: clients compare bytes.
 */
import { type Static, T } from '../schema.ts';

export const PRICING_EVENT_CODES = ['PRICING_CREATED', 'PRICING_ARCHIVED', 'PRICING_ACTIVED', 'SERVICE_DISABLED'] as const;
export type PricingEventCode = (typeof PRICING_EVENT_CODES)[number];

export const PricingEvent = T.Object({
  code: T.Unsafe<PricingEventCode>(T.Union(PRICING_EVENT_CODES.map((code) => T.Literal(code)))),
  details: T.Object({
    serviceName: T.String(),
    /** In all events except SERVICE_DISABLED. */
    pricingVersion: T.Optional(T.String()),
  }),
});
export type PricingEvent = Static<typeof PricingEvent>;
