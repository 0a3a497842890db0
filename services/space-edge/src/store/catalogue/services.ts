/**
 * Services and pricings. Everything is checked first, then written at once under the version that was read; who lost a race reads again. So
 * a failed call changes nothing, two calls never undo each other, and each change of a service has one place in the order.
 */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { PricingEventCode } from '@polyedge/contracts/wire/space';
import { type Filter, literalPattern } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import {
  disabled,
  type Found,
  findPricing,
  hasVersion,
  newService,
  OWNS,
  PRICING_TYPE,
  revived,
  SERVICE_KEY,
  SERVICE_TYPE,
  type Service,
  serviceKey,
  toService,
  withoutPricing,
  withPricing,
} from '../../catalogue/service.ts';
import { parsePricing, parsingError } from '../../pricing/parse.ts';
import type { Pricing } from '../../pricing/pricing.ts';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import type { PageRequest } from '../../protocol/fields.ts';
import { deleteAll } from '../delete-all.ts';
import { type Graph, newId } from '../graph.ts';
import { type Round, rounds } from '../rounds.ts';
import {
  foundOf,
  hasId,
  inOrganization,
  isType,
  pricingOperations,
  pricingsOf,
  type ServiceLocation,
  serviceOf,
  shortened,
  shownPricing,
  type Upload,
} from './service-parts.ts';

/** Services of an organization whose features are listed. */
const MAX_SERVICES = 10_000;

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
  async list(
    organizationId: string | undefined,
    name: string | undefined,
    { offset, limit, order }: PageRequest,
  ): Promise<Result<Service[]>> {
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
    const found = await this.byName(organizationId, name);
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
      ? refuse(404, `Pricing version ${shortened(version)} not found for service ${shortened(name)}`)
      : got(element);
  }

  // ---- events -------------------------------------------------------------------------------------------------------------------------

  /** A new service with its first pricing, or a disabled one that comes back. */
  async create(place: ServiceLocation, upload: Upload): Promise<Result<Service>> {
    const parsed = this.#parse(upload);
    if (!parsed.ok) return parsed;
    const pricing = parsed.value;
    const { saasName: name, version } = pricing;
    return rounds('service', async () => {
      const known = await this.byName(place.organizationId, name);
      if (!known.ok) return known;
      if (known.value === undefined) return this.#createNew(place, pricing, upload);
      if (!known.value.disabled) return refuse(400, `Invalid request: Service ${name} already exists in the organization`);
      if (hasVersion(known.value, version))
        return refuse(400, `Invalid request: Pricing version ${version} already exists for service ${name}`);
      return this.#add(place, known.value, pricing, upload, revived);
    });
  }

  /** Another version of a service. */
  async addPricing(place: ServiceLocation, name: string, upload: Upload): Promise<Result<Service>> {
    const parsed = this.#parse(upload);
    if (!parsed.ok) return parsed;
    const pricing = parsed.value;
    return rounds('service', async () => {
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

  /** Disables a service: it is there no more for SPACE, and can come back by being created again. */
  async disable(place: ServiceLocation, name: string): Promise<Result<Service>> {
    return rounds('service', async () => {
      const service = await this.find(place.organizationId, name);
      return service.ok ? this.update('SERVICE_DISABLED', place, service.value, disabled(service.value)) : service;
    });
  }

  // ---- without events -----------------------------------------------------------------------------------------------------------------

  /** Deletes an archived version for good. */
  async deletePricing(place: ServiceLocation, name: string, version: string): Promise<Result<Service>> {
    return rounds('service', async () => {
      const service = await this.find(place.organizationId, name);
      if (!service.ok) return service;
      const found = findPricing(service.value.archived, version);
      if (found === undefined) {
        return refuse(
          404,
          `Invalid request: No archived version ${shortened(version)} found for service ${shortened(name)}. Remember that a pricing must be archived before it can be deleted.`,
        );
      }
      return this.update('pricing-delete', place, service.value, withoutPricing(service.value, found), [
        { op: 'delete', target: { where: { all: [isType(PRICING_TYPE), hasId(found.id)] } } },
      ]);
    });
  }

  /** Deletes all services of an organization, or of all, with their pricings. @returns how many services there were */
  prune(organizationId: string | undefined, by: string): Promise<Result<number>> {
    const filter: Filter = { all: [isType(SERVICE_TYPE), ...(organizationId === undefined ? [] : [inOrganization(organizationId)])] };
    return deleteAll(this.#graph, { operation: 'service-prune', by, filter, along: pricingsOf });
  }

  // ---- parts --------------------------------------------------------------------------------------------------------------------------

  #parse({ yaml }: Upload): Result<Pricing> {
    const parsed = parsePricing(yaml, { today: this.#today(), limits: { maxBytes: this.#maxYamlBytes } });
    return parsed.ok ? got(parsed.pricing) : refuse(400, parsingError(parsed.problems));
  }

  /** Also a disabled one. */
  async byName(organizationId: string, name: string): Promise<Result<Service | undefined>> {
    const key: Filter = { test: 'equal', path: ['attributes', SERVICE_KEY], value: serviceKey(organizationId, name) };
    const found = await this.#graph.findOne({ all: [isType(SERVICE_TYPE), key] });
    if (!found.ok) return refused(found.failure);
    return got(found.value === undefined ? undefined : toService(found.value));
  }

  async #createNew(place: ServiceLocation, pricing: Pricing, upload: Upload): Promise<Round<Service>> {
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
    place: ServiceLocation,
    service: Service,
    pricing: Pricing,
    upload: Upload,
    toAttributes: (found: Found) => JsonObject,
  ): Promise<Round<Service>> {
    const found = foundOf(pricing, upload);
    const operations = pricingOperations(found.id, service.id, place, pricing, upload);
    return this.update('PRICING_CREATED', place, service, toAttributes(found), operations);
  }

  /** Writes a service under the version that was read, and more in the same mutation. */
  async update(
    operation: PricingEventCode | 'service-rename' | 'pricing-delete',
    { by }: ServiceLocation,
    service: Service,
    set: JsonObject,
    more: readonly Operation[] = [],
  ): Promise<Round<Service>> {
    const target = { id: service.id, where: isType(SERVICE_TYPE) };
    const update: Operation = { op: 'update', target, version: service.elementVersion, set, unique: [SERVICE_KEY], expect: 1 };
    return serviceOf(await this.#graph.write(operation, by, [update, ...more]));
  }
}
