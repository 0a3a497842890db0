/** What an organization offers: the services and pricings behind the names of a subscription. */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import type { JsonObject } from '@polyedge/query/json';
import {
  type Found,
  findPricing,
  foldedName,
  SERVICE_KEY,
  SERVICE_TYPE,
  type Service,
  serviceKey,
  toService,
} from '../../catalogue/service.ts';
import type { Offers } from '../../contracts/contract.ts';
import type { Subscription } from '../../contracts/subscription.ts';
import { type Offered, subscriptionProblem } from '../../contracts/validity.ts';
import { offered } from '../../pricing/stored.ts';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import { type TrackedLimits, trackedLimits } from '../../usage/levels.ts';
import type { Graph } from '../graph.ts';
import { isType } from './service-parts.ts';

export interface Resolved {
  /** With versions in the spelling of the pricing's author. */
  readonly subscription: Subscription;
  readonly offers: Offers;
  readonly limits: Readonly<Record<string, TrackedLimits>>;
  /** Attributes of the pricings by id. */
  readonly pricings: ReadonlyMap<string, JsonObject>;
  /** Fail the mutation that they are part of when a service has changed so that this does not hold any more. */
  readonly guards: readonly Operation[];
}

export class Offering {
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** For a new contract: all versions must be active; whatever is wrong is 400. */
  async resolveNew(organizationId: string, subscription: Subscription): Promise<Result<Resolved>> {
    const names = Object.keys(subscription.contractedServices);
    const services = await this.#services(organizationId, names);
    if (!services.ok) return services;
    const unknown = names.filter((name) => !services.value.has(name));
    if (names.length === 0 || unknown.length > 0) return refuse(400, `Invalid contract: Services not found: ${unknown.join(', ')}`);
    const resolved = await this.#resolve(subscription, services.value, ({ active }, version) => findPricing(active, version));
    if (!resolved.ok) return resolved;
    if ('unknown' in resolved.value) {
      const { service, version } = resolved.value.unknown;
      return refuse(400, `Invalid contract: Pricing version ${version} for service ${service} not found`);
    }
    const problem = subscriptionProblem(resolved.value.subscription, resolved.value.offered);
    return problem === undefined ? got(resolved.value) : refuse(400, `Invalid subscription: Error: ${problem.text}`);
  }

  /** For a novation: archived versions may be taken too; what does not exist is 404. */
  async resolveAny(organizationId: string, subscription: Subscription): Promise<Result<Resolved>> {
    const services = await this.#services(organizationId, Object.keys(subscription.contractedServices));
    if (!services.ok) return services;
    const resolved = await this.#resolve(
      subscription,
      services.value,
      ({ active, archived }, version) => findPricing(active, version) ?? findPricing(archived, version),
    );
    if (!resolved.ok) return resolved;
    if ('unknown' in resolved.value) {
      const { service, version } = resolved.value.unknown;
      return refuse(404, `Pricing version ${version} for service ${service} not found in the request organization`);
    }
    const problem = subscriptionProblem(resolved.value.subscription, resolved.value.offered);
    if (problem === undefined) return got(resolved.value);
    return problem.missing ? refuse(404, problem.text) : refuse(400, `Invalid subscription: ${problem.text}`);
  }

  /** Enabled services by folded name. */
  async #services(organizationId: string, names: readonly string[]): Promise<Result<ReadonlyMap<string, Service>>> {
    if (names.length === 0) return got(new Map());
    const keys = names.map((name) => serviceKey(organizationId, name));
    const all: Filter[] = [isType(SERVICE_TYPE), { test: 'in', path: ['attributes', SERVICE_KEY], values: keys }];
    const found = await this.#graph.find({ all }, { limit: names.length });
    if (!found.ok) return refused(found.failure);
    const services = found.value.elements.map(toService).filter(({ disabled }) => !disabled);
    return got(new Map(services.map((service) => [foldedName(service.name), service])));
  }

  async #resolve(
    subscription: Subscription,
    services: ReadonlyMap<string, Service>,
    find: (service: Service, version: string) => Found | undefined,
  ): Promise<
    Result<
      | (Resolved & { readonly offered: Readonly<Record<string, Offered>> })
      | { readonly unknown: { readonly service: string; readonly version: string } }
    >
  > {
    const found: { readonly name: string; readonly service: Service; readonly pricing: Found }[] = [];
    for (const [name, version] of Object.entries(subscription.contractedServices)) {
      const service = services.get(name);
      const pricing = service === undefined ? undefined : find(service, version);
      if (service === undefined || pricing === undefined) return got({ unknown: { service: name, version } });
      found.push({ name, service, pricing });
    }
    const elements = await this.#graph.get(found.map(({ pricing }) => pricing.id));
    if (!elements.ok) return refused(elements.failure);
    const pricings = new Map(elements.value.map(({ id, attributes }: Element) => [id, attributes]));
    const limits: [string, TrackedLimits][] = [];
    const offers: [string, Offered][] = [];
    for (const { name, pricing } of found) {
      const attributes = pricings.get(pricing.id);
      if (attributes === undefined) return got({ unknown: { service: name, version: pricing.version } });
      limits.push([name, trackedLimits(attributes)]);
      offers.push([name, offered(attributes)]);
    }
    return got({
      subscription: {
        ...subscription,
        contractedServices: Object.fromEntries(found.map(({ name, pricing }) => [name, pricing.version])),
      },
      offers: Object.fromEntries(found.map(({ name, service, pricing }) => [name, { service: service.id, pricing: pricing.id }])),
      limits: Object.fromEntries(limits),
      offered: Object.fromEntries(offers),
      pricings,
      guards: found.map(({ service, pricing }) => guard(service, pricing)),
    });
  }
}

/** Selects the service without changing it. */
function guard({ id, organizationId, active }: Service, { version }: Found): Operation {
  const of = (attribute: string): Filter => ({ test: 'present', path: ['attributes', attribute, version] });
  const there = Object.hasOwn(active, version) ? of('activePricings') : { any: [of('activePricings'), of('archivedPricings')] };
  const before: Filter = {
    all: [
      there,
      { test: 'equal', path: ['attributes', 'disabled'], value: false },
      { test: 'equal', path: ['attributes', 'organizationId'], value: organizationId },
    ],
  };
  return { op: 'update', target: { id, where: isType(SERVICE_TYPE) }, before, expect: 1 };
}
