/** What changes of services have in common: an upload, the vertices it becomes, and how services and pricings are found. */
import type { MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import { type Element, edgeId } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { type Found, OFFERS, PRICING_TYPE, type Service, toService } from '../../catalogue/service.ts';
import type { Pricing } from '../../pricing/pricing.ts';
import { published, stored } from '../../pricing/stored.ts';
import { got, refuse, refused } from '../../protocol/answer.ts';
import { newId } from '../graph.ts';
import type { Round } from '../rounds.ts';

/** A pricing as it was uploaded, or fetched from a URL. */
export interface Upload {
  readonly yaml: string;
  readonly url?: string;
}

/** In whose organization, and which account or key does it. */
export interface ServiceLocation {
  readonly organizationId: string;
  readonly by: string;
}

/** Where an uploaded pricing is served; its id cannot be guessed. */
export const yamlPath = (id: string): string => `static/pricings/${id}.yaml`;

export const shownPricing = ({ id, attributes }: Element): JsonObject => published(attributes, yamlPath(id));

export const foundOf = ({ version }: Pricing, { url }: Upload): Found => ({ version, id: newId(), ...(url === undefined ? {} : { url }) });

export function pricingOperations(
  id: string,
  serviceId: string,
  { organizationId }: ServiceLocation,
  pricing: Pricing,
  { url }: Upload,
): Operation[] {
  const attributes = stored(pricing, { organizationId, serviceId, ...(url === undefined ? {} : { remoteUrl: url }) });
  return [
    { op: 'create', type: PRICING_TYPE, id, attributes },
    { op: 'connect', out: serviceId, verb: OFFERS, in: id },
  ];
}

/** The service that the first operation of a mutation wrote. */
export function serviceOf(written: Outcome<MutationResult>): Round<Service> {
  if (!written.ok) return written.failure.code === 'conflict' ? 'again' : refused(written.failure);
  const element = written.value.operations[0]?.elements[0];
  return element === undefined ? refuse(500, 'The service failed unexpectedly') : got(toService(element));
}

export const isType = (type: string): Filter => ({ test: 'equal', path: ['type'], value: type });
export const hasId = (id: string): Filter => ({ test: 'equal', path: ['id'], value: id });
export const inOrganization = (id: string): Filter => ({ test: 'equal', path: ['attributes', 'organizationId'], value: id });
export const pricingsOf = (serviceIds: readonly string[]): Filter => ({
  all: [isType(PRICING_TYPE), { test: 'in', path: ['attributes', 'serviceId'], values: serviceIds }],
});
export const edge = (out: string, verb: string, into: string): Filter => hasId(edgeId(out, verb, into));

/** A name from a request in an error's text. */
export const shortened = (text: string): string => (text.length > 255 ? `${text.slice(0, 255)}…` : text);
