/**
 * Pricing events: `["message", {code, details}]` with the keys in this order and no others (SPACE documentation 2.0.1, "SPACE and
 * Socket.io"). The event is the operation of the change's origin, as set by the request; it is never guessed from the differences.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { PRICING_EVENT_CODES, type PricingEvent } from '@polyedge/contracts/wire/space';
import { SERVICE_TYPE } from '../catalogue/service.ts';

/** The `origin.protocol` of SPACE's own writes. */
export const SPACE = 'space';

/** The event of a change of a service, if it has one. */
export function toEvent({ type, origin, state }: Pick<FullChange, 'type' | 'origin' | 'state'>): PricingEvent | undefined {
  if (type !== SERVICE_TYPE || origin.protocol !== SPACE) return undefined;
  const code = PRICING_EVENT_CODES.find((one) => one === origin.operation);
  const { name, concerns } = state.attributes;
  if (code === undefined || typeof name !== 'string') return undefined;
  if (code === 'SERVICE_DISABLED') return { code, details: { serviceName: name } };
  return typeof concerns === 'string' ? { code, details: { serviceName: name, pricingVersion: concerns } } : undefined;
}
