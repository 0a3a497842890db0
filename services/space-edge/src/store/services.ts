/**
 * Services and pricings. Everything is checked first, then written at once under the version that was read; who lost a race reads again. So
 * a failed call changes nothing, two calls never undo each other, and each change of a service has one place in the order.
 */
import type { MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import { type Element, edgeId } from '@polyedge/contracts/element';
import type { PricingEventCode } from '@polyedge/contracts/wire/space';
import { type Filter, literalPattern } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import { parsePricing, parsingError } from '../pricing/parse.ts';
import type { Pricing } from '../pricing/pricing.ts';
import { offered, published, stored } from '../pricing/stored.ts';
import { got, type Result, refuse, refused } from '../protocol/answer.ts';
import { type Fallback, fallbackProblem, isEmpty } from '../protocol/fallback.ts';
import type { Page } from '../protocol/fields.ts';
import {
  activated,
  archived,
  disabled,
  type Found,
  findPricing,
  hasVersion,
  newService,
  OFFERS,
  OWNS,
  PRICING_TYPE,
  renamed,
  revived,
  SERVICE_KEY,
  SERVICE_TYPE,
  type Service,
  serviceKey,
  toService,
  withoutPricing,
  withPricing,
} from '../protocol/service.ts';
import { type Graph, newId } from './graph.ts';

/** A pricing as it was uploaded, or fetched from a URL. */
export interface Upload {
  readonly yaml: string;
  readonly url?: string;
}

/** In whose organization, and which account or key does it. */
export interface Place {
  readonly organizationId: string;
  readonly by: string;
}

/** Times a call reads again because another one wrote first. */
const MAX_ATTEMPTS = 50;
/** Services of an organization whose features are listed. */
const MAX_SERVICES = 10_000;

/** What a round of reading, deciding and writing gave; `again`: somebody else wrote in between. */
type Round<T> = Result<T> | 'again';

export class Services {
  readonly #graph: Graph;
  readonly #today: () => string;
  readonly #maxYamlBytes: number;

  /** @param options.today the day it is in UTC, `yyyy-mm-dd` */
  constructor(options: { readonly graph: Graph; readonly today: () => string; readonly maxYamlBytes: number }) {
    this.#graph = options.graph;
    this.#today = options.today;
    this.#maxYamlBytes = options.maxYamlBytes;
  }

  // ---- reading ------------------------------------------------------------------------------------------------------------------------

  /** Enabled services by name; without an organization those of all. */
  async list(organizationId: string | undefined, name: string | undefined, { offset, limit, order }: Page): Promise<Result<Service[]>> {
    const all: Filter[] = [isType(SERVICE_TYPE), { test: 'equal', path: ['attributes', 'disabled'], value: false }];
    if (organizationId !== undefined) all.push(inOrganization(organizationId));
    if (name !== undefined && name !== '') {
      all.push({ test: 'text-like', path: ['attributes', 'name'], pattern: `*${literalPattern(name)}*`, fold: true });
    }
    const found = await this.#graph.find({ all }, { limit, offset, sort: [{ path: ['attributes', 'name'], order }] });
    return found.ok ? got(found.value.elements.map(toService)) : refused(found.failure);
  }

  /** All enabled services of an organization. */
  async enabled(organizationId: string): Promise<Result<Service[]>> {
    const enabled: Filter = { test: 'equal', path: ['attributes', 'disabled'], value: false };
    const found = await this.#graph.find({ all: [isType(SERVICE_TYPE), inOrganization(organizationId), enabled] }, { limit: MAX_SERVICES });
    return found.ok ? got(found.value.elements.map(toService)) : refused(found.failure);
  }

  /** An enabled service by its exact name, ignoring case; 404 otherwise. */
  async find(organizationId: string, name: string): Promise<Result<Service>> {
    const found = await this.#byName(organizationId, name);
    if (!found.ok) return found;
    const service = found.value;
    return service === undefined || service.disabled ? refuse(404, `NOT FOUND: Service with name ${shortened(name)}`) : got(service);
  }

  async pricings(organizationId: string, name: string, status: 'active' | 'archived'): Promise<Result<JsonObject[]>> {
    const service = await this.find(organizationId, name);
    if (!service.ok) return service;
    const versions = status === 'active' ? service.value.active : (service.value.archived ?? {});
    const elements = await this.#graph.get(Object.values(versions).map(({ id }) => id));
    return elements.ok ? got(elements.value.map(shownPricing)) : refused(elements.failure);
  }

  /** One pricing, active or archived. */
  async pricing(organizationId: string, name: string, version: string): Promise<Result<Element>> {
    const service = await this.find(organizationId, name);
    if (!service.ok) return service;
    const found = findPricing(service.value.active, version) ?? findPricing(service.value.archived, version);
    const elements = found === undefined ? undefined : await this.#graph.get([found.id]);
    if (elements?.ok === false) return refused(elements.failure);
    const element = elements?.value[0];
    return element === undefined
      ? refuse(404, `NOT FOUND: Pricing version ${shortened(version)} not found for service ${shortened(name)}`)
      : got(element);
  }

  // ---- events -------------------------------------------------------------------------------------------------------------------------

  /** A new service with its first pricing, or a disabled one that comes back. */
  async create(place: Place, upload: Upload): Promise<Result<Service>> {
    const parsed = this.#parse(upload);
    if (!parsed.ok) return parsed;
    const pricing = parsed.value;
    const { saasName: name, version } = pricing;
    return this.#rounds(async () => {
      const known = await this.#byName(place.organizationId, name);
      if (!known.ok) return known;
      if (known.value === undefined) return this.#createNew(place, pricing, upload);
      if (!known.value.disabled) return refuse(400, `Invalid request: Service ${name} already exists in the organization`);
      if (hasVersion(known.value, version))
        return refuse(400, `Invalid request: Pricing version ${version} already exists for service ${name}`);
      return this.#add(place, known.value, pricing, upload, revived);
    });
  }

  /** Another version of a service. */
  async addPricing(place: Place, name: string, upload: Upload): Promise<Result<Service>> {
    const parsed = this.#parse(upload);
    if (!parsed.ok) return parsed;
    const pricing = parsed.value;
    return this.#rounds(async () => {
      const service = await this.find(place.organizationId, name);
      if (!service.ok) return service;
      if (pricing.saasName !== name) {
        return refuse(
          400,
          `Invalid request: The service name in the pricing file (${pricing.saasName}) does not match the service name in the URL (${shortened(name)})`,
        );
      }
      if (hasVersion(service.value, pricing.version)) {
        return refuse(400, `Invalid request: Pricing version ${pricing.version} already exists for service ${name}`);
      }
      return this.#add(place, service.value, pricing, upload, (found) => withPricing(service.value, found));
    });
  }

  /**
   * Archives or activates a version. Checks in SPACE's order: service, state already reached (200 without an event), last active version,
   * fallback given, version known; then that the fallback fits the pricing it leads to.
   */
  async setAvailability(
    place: Place,
    {
      name,
      version,
      availability,
      fallback,
    }: { readonly name: string; readonly version: string; readonly availability: 'active' | 'archived'; readonly fallback: Fallback },
  ): Promise<Result<Service>> {
    return this.#rounds(async () => {
      const read = await this.find(place.organizationId, name);
      if (!read.ok) return read;
      const service = read.value;
      const [target, origin] = availability === 'active' ? [service.active, service.archived] : [service.archived, service.active];
      const found = findPricing(origin, version);
      if (found === undefined && findPricing(target, version) !== undefined) return got(service);
      if (availability === 'archived') {
        if (Object.keys(service.active).length <= 1)
          return refuse(400, `Invalid request: You cannot archive the last active pricing for service ${service.name}`);
        if (isEmpty(fallback))
          return refuse(
            400,
            'Invalid request: To archive a pricing, a fallback subscription (subscriptionPlan or subscriptionAddOns) is required in the request body',
          );
      }
      if (found === undefined) return refuse(404, `NOT FOUND: Pricing version ${shortened(version)} not found for service ${service.name}`);
      if (availability === 'active') return this.#update('PRICING_ACTIVED', place, service, activated(service, found));
      const problem = await this.#fallbackProblem(service, found, fallback);
      if (!problem.ok) return problem;
      if (problem.value !== undefined) return refuse(400, problem.value);
      return this.#update('PRICING_ARCHIVED', place, service, archived(service, found));
    });
  }

  /** Disables a service: it is there no more for SPACE, and can come back by being created again. */
  async disable(place: Place, name: string): Promise<Result<Service>> {
    return this.#rounds(async () => {
      const service = await this.find(place.organizationId, name);
      return service.ok ? this.#update('SERVICE_DISABLED', place, service.value, disabled(service.value)) : service;
    });
  }

  // ---- without events -----------------------------------------------------------------------------------------------------------------

  /** Another name or organization; pricings go along. */
  async rename(
    place: Place,
    current: string,
    to: { readonly name?: string | undefined; readonly organizationId?: string | undefined },
  ): Promise<Result<Service>> {
    return this.#rounds(async () => {
      const read = await this.find(place.organizationId, current);
      if (!read.ok) return read;
      const service = read.value;
      const name = to.name ?? service.name;
      const organizationId = to.organizationId ?? service.organizationId;
      if (name === service.name && organizationId === service.organizationId) return got(service);
      const taken = await this.#byName(organizationId, name);
      if (!taken.ok) return taken;
      if (taken.value !== undefined && taken.value.id !== service.id) return refuse(409, `CONFLICT: Service name ${name} already exists`);
      const moves: Operation[] =
        organizationId === service.organizationId
          ? []
          : [
              { op: 'update', target: { where: pricingsOf(service.id) }, set: { organizationId } },
              { op: 'delete', target: { where: edge(service.organizationId, OWNS, service.id) } },
              { op: 'connect', out: organizationId, verb: OWNS, in: service.id, ifExists: 'keep' },
            ];
      return this.#update('service-rename', place, service, renamed(name, organizationId), moves);
    });
  }

  /** Deletes an archived version for good. */
  async deletePricing(place: Place, name: string, version: string): Promise<Result<Service>> {
    return this.#rounds(async () => {
      const service = await this.find(place.organizationId, name);
      if (!service.ok) return service;
      const found = findPricing(service.value.archived, version);
      if (found === undefined) {
        return refuse(
          404,
          `Invalid request: No archived version ${shortened(version)} found for service ${shortened(name)}. Remember that a pricing must be archived before it can be deleted.`,
        );
      }
      return this.#update('pricing-delete', place, service.value, withoutPricing(service.value, found), [
        { op: 'delete', target: { where: { all: [isType(PRICING_TYPE), hasId(found.id)] } } },
      ]);
    });
  }

  /** Deletes all services and pricings of an organization, or of all. @returns how many services there were */
  async prune(organizationId: string | undefined, by: string): Promise<Result<number>> {
    const of = (type: string): Filter =>
      organizationId === undefined ? isType(type) : { all: [isType(type), inOrganization(organizationId)] };
    const written = await this.#graph.write('service-prune', by, [
      { op: 'delete', target: { where: of(SERVICE_TYPE) } },
      { op: 'delete', target: { where: of(PRICING_TYPE) } },
    ]);
    return written.ok ? got(written.value.operations[0]?.elements.length ?? 0) : refused(written.failure);
  }

  // ---- parts --------------------------------------------------------------------------------------------------------------------------

  #parse({ yaml }: Upload): Result<Pricing> {
    const parsed = parsePricing(yaml, { today: this.#today(), limits: { maxBytes: this.#maxYamlBytes } });
    return parsed.ok ? got(parsed.pricing) : refuse(400, parsingError(parsed.problems));
  }

  async #byName(organizationId: string, name: string): Promise<Result<Service | undefined>> {
    const key: Filter = { test: 'equal', path: ['attributes', SERVICE_KEY], value: serviceKey(organizationId, name) };
    const found = await this.#graph.findOne({ all: [isType(SERVICE_TYPE), key] });
    if (!found.ok) return refused(found.failure);
    return got(found.value === undefined ? undefined : toService(found.value));
  }

  async #createNew(place: Place, pricing: Pricing, upload: Upload): Promise<Round<Service>> {
    const { organizationId, by } = place;
    const id = newId();
    const found = foundOf(pricing, upload);
    const written = await this.#graph.write('PRICING_CREATED' satisfies PricingEventCode, by, [
      { op: 'create', type: SERVICE_TYPE, id, attributes: newService(pricing.saasName, organizationId, found), unique: [SERVICE_KEY] },
      ...pricingOperations(found.id, id, place, pricing, upload),
      { op: 'connect', out: organizationId, verb: OWNS, in: id },
    ]);
    return serviceOf(written);
  }

  #add(
    place: Place,
    service: Service,
    pricing: Pricing,
    upload: Upload,
    toAttributes: (found: Found) => JsonObject,
  ): Promise<Round<Service>> {
    const found = foundOf(pricing, upload);
    const operations = pricingOperations(found.id, service.id, place, pricing, upload);
    return this.#update('PRICING_CREATED', place, service, toAttributes(found), operations);
  }

  async #update(
    operation: PricingEventCode | 'service-rename' | 'pricing-delete',
    { by }: Place,
    service: Service,
    set: JsonObject,
    more: readonly Operation[] = [],
  ): Promise<Round<Service>> {
    const target = { id: service.id, where: isType(SERVICE_TYPE) };
    const update: Operation = { op: 'update', target, version: service.elementVersion, set, unique: [SERVICE_KEY], expect: 1 };
    return serviceOf(await this.#graph.write(operation, by, [update, ...more]));
  }

  /** Checks a fallback against the newest pricing that stays active. */
  async #fallbackProblem(service: Service, leaving: Found, fallback: Fallback): Promise<Result<string | undefined>> {
    const staying = Object.entries(service.active).flatMap(([version, { id }]) => (version === leaving.version ? [] : [id]));
    const elements = await this.#graph.get(staying);
    if (!elements.ok) return refused(elements.failure);
    const dayOf = ({ attributes }: Element): string => (typeof attributes.createdAt === 'string' ? attributes.createdAt : '');
    const newest = elements.value.toSorted((one, other) => (dayOf(one) < dayOf(other) ? 1 : -1))[0];
    return newest === undefined
      ? refuse(404, `NOT FOUND: no active pricing is left for service ${service.name}`)
      : got(fallbackProblem(fallback, offered(newest.attributes)));
  }

  async #rounds<T>(round: () => Promise<Round<T>>): Promise<Result<T>> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const result = await round();
      if (result !== 'again') return result;
    }
    return refuse(409, 'CONFLICT: too many others change this service at the same time; try again');
  }
}

/** Where an uploaded pricing is served; its id cannot be guessed. */
export const yamlPath = (id: string): string => `static/pricings/${id}.yaml`;

export const shownPricing = ({ id, attributes }: Element): JsonObject => published(attributes, yamlPath(id));

const foundOf = ({ version }: Pricing, { url }: Upload): Found => ({ version, id: newId(), ...(url === undefined ? {} : { url }) });

function pricingOperations(id: string, serviceId: string, { organizationId }: Place, pricing: Pricing, { url }: Upload): Operation[] {
  const attributes = stored(pricing, { organizationId, serviceId, ...(url === undefined ? {} : { remoteUrl: url }) });
  return [
    { op: 'create', type: PRICING_TYPE, id, attributes },
    { op: 'connect', out: serviceId, verb: OFFERS, in: id },
  ];
}

function serviceOf(written: Awaited<ReturnType<Graph['write']>>): Round<Service> {
  if (!written.ok) return written.failure.code === 'conflict' ? 'again' : refused(written.failure);
  const element = (written.value satisfies MutationResult).operations[0]?.elements[0];
  return element === undefined ? refuse(500, 'The service failed unexpectedly') : got(toService(element));
}

const isType = (type: string): Filter => ({ test: 'equal', path: ['type'], value: type });
const hasId = (id: string): Filter => ({ test: 'equal', path: ['id'], value: id });
const inOrganization = (id: string): Filter => ({ test: 'equal', path: ['attributes', 'organizationId'], value: id });
const pricingsOf = (serviceId: string): Filter => ({
  all: [isType(PRICING_TYPE), { test: 'equal', path: ['attributes', 'serviceId'], value: serviceId }],
});
const edge = (out: string, verb: string, into: string): Filter => hasId(edgeId(out, verb, into));

/** A name from a request in an error's text. */
const shortened = (text: string): string => (text.length > 255 ? `${text.slice(0, 255)}…` : text);
