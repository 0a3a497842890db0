/**
 * A service and its pricings' availability: one vertex, so that what happens to it is one change with one place in the order. Each function
 * takes the service as it was read and gives the attributes to write, guarded by the version that was read.
 */
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { findVersion } from './versions.ts';

export const SERVICE_TYPE = 'space/Service';
export const PRICING_TYPE = 'space/Pricing';
/** Organization to service, service to pricing. */
export const OWNS = 'space/owns';
export const OFFERS = 'space/offers';

/** Where a version's pricing is: the vertex, and the URL when it was given by one. */
export type Locator = {
  readonly id: string;
  readonly url?: string;
};

export type Versions = Readonly<Record<string, Locator>>;

export interface Service {
  readonly id: string;
  /** Of the element: what a write is guarded by. */
  readonly elementVersion: number;
  readonly name: string;
  readonly organizationId: string;
  readonly disabled: boolean;
  readonly active: Versions;
  /** Undefined until something was archived for the first time. */
  readonly archived: Versions | undefined;
}

/** The attribute that makes a name unique in its organization, without regard to case. */
export const SERVICE_KEY = 'key';
export const serviceKey = (organizationId: string, name: string): string => `${organizationId}/${foldedName(name)}`;
export const foldedName = (name: string): string => name.normalize('NFC').toLowerCase();

export function toService({ id, version, attributes }: Element): Service {
  const { name, organizationId, disabled, activePricings, archivedPricings } = attributes;
  return {
    id,
    elementVersion: version,
    name: typeof name === 'string' ? name : '',
    organizationId: typeof organizationId === 'string' ? organizationId : '',
    disabled: disabled === true,
    active: toVersions(activePricings),
    archived: archivedPricings === undefined || archivedPricings === null ? undefined : toVersions(archivedPricings),
  };
}

// Another protocol may have written the vertex: what is no locator is not there.
function toVersions(value: Json | undefined): Versions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const versions: Record<string, Locator> = {};
  for (const [version, locator] of Object.entries(value)) {
    if (typeof locator !== 'object' || locator === null || Array.isArray(locator) || version === '__proto__') continue;
    const { id, url } = locator as JsonObject;
    if (typeof id === 'string') versions[version] = { id, ...(typeof url === 'string' ? { url } : {}) };
  }
  return versions;
}

/** As SPACE answers it. A file's locator has `id` and no `url`, a remote pricing's `url` and no `id`. */
export function shownService(service: Service): Record<string, unknown> {
  return {
    name: service.name,
    organizationId: service.organizationId,
    disabled: service.disabled,
    activePricings: shownVersions(service.active),
    ...(service.archived === undefined ? {} : { archivedPricings: shownVersions(service.archived) }),
    id: service.id,
  };
}

const shownVersions = (versions: Versions): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(versions).map(([version, { id, url }]) => [version, url === undefined ? { id, _id: id } : { url, _id: id }]),
  );

/** A place among the versions, under the author's spelling. */
export type Found = Locator & { readonly version: string };

export function findPricing(versions: Versions | undefined, asked: string): Found | undefined {
  const version = findVersion(Object.keys(versions ?? {}), asked);
  const locator = version === undefined ? undefined : versions?.[version];
  return version === undefined || locator === undefined ? undefined : { version, ...locator };
}

/** Whether a version was ever given to the service and not deleted since. */
export const hasVersion = (service: Service, version: string): boolean =>
  Object.hasOwn(service.active, version) || Object.hasOwn(service.archived ?? {}, version);

// `concerns` is the version that the operation was about: the event needs it, and a change carries the state after it.

export function newService(name: string, organizationId: string, { version, ...locator }: Found): JsonObject {
  return {
    name,
    organizationId,
    [SERVICE_KEY]: serviceKey(organizationId, name),
    disabled: false,
    activePricings: { [version]: { ...locator } },
    concerns: version,
  };
}

/** A disabled service comes back with the new version as its only active one; what was archived stays. */
export const revived = ({ version, ...locator }: Found): JsonObject => ({
  disabled: false,
  activePricings: { [version]: { ...locator } },
  concerns: version,
});

export const withPricing = (service: Service, { version, ...locator }: Found): JsonObject => ({
  activePricings: { ...service.active, [version]: { ...locator } },
  concerns: version,
});

export function archived(service: Service, { version }: Found): JsonObject {
  const { [version]: moved, ...active } = service.active;
  return {
    activePricings: active,
    archivedPricings: { ...service.archived, ...(moved === undefined ? {} : { [version]: moved }) },
    concerns: version,
  };
}

export function activated(service: Service, { version }: Found): JsonObject {
  const { [version]: moved, ...rest } = service.archived ?? {};
  return {
    activePricings: { ...service.active, ...(moved === undefined ? {} : { [version]: moved }) },
    archivedPricings: rest,
    concerns: version,
  };
}

/** All versions move to the archive, silently. */
export const disabled = (service: Service): JsonObject => ({
  disabled: true,
  activePricings: {},
  archivedPricings: { ...service.archived, ...service.active },
});

export function withoutPricing(service: Service, { version }: Found): JsonObject {
  const { [version]: _gone, ...rest } = service.archived ?? {};
  return { archivedPricings: rest, concerns: version };
}

export const renamed = (name: string, organizationId: string): JsonObject => ({
  name,
  organizationId,
  [SERVICE_KEY]: serviceKey(organizationId, name),
});
