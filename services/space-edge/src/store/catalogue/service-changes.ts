/**
 * Changes of a service that move its contracts along: archiving a version, renaming, moving to another organization. The change of the
 * service and the job for the contracts are one mutation, so that no contract is forgotten whoever dies; everything is checked before it.
 */
import type { Operation } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { type Fallback, fallbackProblem, isEmpty } from '../../catalogue/fallback.ts';
import { activated, archived, type Found, findPricing, foldedName, OWNS, renamed, type Service } from '../../catalogue/service.ts';
import type { Task } from '../../contracts/job.ts';
import { offered } from '../../pricing/stored.ts';
import { got, type Result, refuse, refused } from '../../protocol/answer.ts';
import type { Jobs, Planned } from '../contracts/jobs.ts';
import type { Graph } from '../graph.ts';
import { type Round, rounds } from '../rounds.ts';
import { edge, pricingsOf, type ServiceLocation, shortened } from './service-parts.ts';
import type { Services } from './services.ts';

export interface ServiceChangesOptions {
  readonly graph: Graph;
  readonly services: Services;
  readonly jobs: Jobs;
}

export interface Availability {
  readonly name: string;
  readonly version: string;
  readonly availability: 'active' | 'archived';
  readonly fallback: Fallback;
}

export class ServiceChanges {
  readonly #graph: Graph;
  readonly #services: Services;
  readonly #jobs: Jobs;

  constructor({ graph, services, jobs }: ServiceChangesOptions) {
    this.#graph = graph;
    this.#services = services;
    this.#jobs = jobs;
  }

  /**
   * Archives or activates a version. Checks in SPACE's order: service, state already reached (200 without an event), last active version,
   * fallback given, version known; then, if contracts have to move, that the fallback fits the pricing it leads to.
   */
  async setAvailability(place: ServiceLocation, { name, version, availability, fallback }: Availability): Promise<Result<Service>> {
    return rounds('service', async () => {
      const read = await this.#services.find(place.organizationId, name);
      if (!read.ok) return read;
      const service = read.value;
      const [target, origin] = availability === 'active' ? [service.active, service.archived] : [service.archived, service.active];
      const found = findPricing(origin, version);
      if (found === undefined && findPricing(target, version) !== undefined) return got(service);
      if (availability === 'archived') {
        const last = Object.keys(service.active).length <= 1 && (found !== undefined || Object.keys(service.active).length === 0);
        if (last) return refuse(400, `You cannot archive the last active pricing for service ${service.name}`);
        if (isEmpty(fallback))
          return refuse(
            400,
            'Invalid request: To archive a pricing, a fallback subscription (subscriptionPlan or subscriptionAddOns) is required in the request body',
          );
      }
      if (found === undefined) return refuse(404, `Pricing version ${shortened(version)} not found for service ${service.name}`);
      if (availability === 'active') return this.#services.update('PRICING_ACTIVED', place, service, activated(service, found));
      return this.#archive(place, service, found, fallback);
    });
  }

  async #archive(place: ServiceLocation, service: Service, leaving: Found, fallback: Fallback): Promise<Round<Service>> {
    const settled = await this.#settled(service);
    if (settled !== 'settled') return settled;
    const newest = await this.#newestBeside(service, leaving);
    if (!newest.ok) return newest;
    const task: Task = {
      kind: 'fallback',
      service: service.id,
      key: foldedName(service.name),
      from: leaving.id,
      pricing: newest.value.id,
      version: String(newest.value.attributes.version ?? ''),
      ...((fallback.subscriptionPlan ?? '') === '' ? {} : { plan: fallback.subscriptionPlan }),
      addOns: { ...fallback.subscriptionAddOns },
    };
    const planned = await this.#jobs.plan(place.by, place.organizationId, task);
    if (!planned.ok) return planned;
    const problem = fallbackProblem(fallback, offered(newest.value.attributes));
    if (problem !== undefined && planned.value.total > 0) return refuse(400, problem);
    return this.#withJob(planned.value, problem === undefined, (more) =>
      this.#services.update('PRICING_ARCHIVED', place, service, archived(service, leaving), more),
    );
  }

  /** Another name or organization; pricings and contracts go along. */
  async rename(
    place: ServiceLocation,
    current: string,
    to: { readonly name?: string | undefined; readonly organizationId?: string | undefined },
  ): Promise<Result<Service>> {
    return rounds('service', async () => {
      const read = await this.#services.find(place.organizationId, current);
      if (!read.ok) return read;
      const service = read.value;
      const name = to.name ?? service.name;
      const organizationId = to.organizationId ?? service.organizationId;
      if (name === service.name && organizationId === service.organizationId) return got(service);
      const taken = await this.#services.byName(organizationId, name);
      if (!taken.ok) return taken;
      if (taken.value !== undefined && taken.value.id !== service.id) return refuse(409, `CONFLICT: Service name ${name} already exists`);
      const settled = await this.#settled(service);
      if (settled !== 'settled') return settled;
      const [from, key] = [foldedName(service.name), foldedName(name)];
      const stays = organizationId === service.organizationId;
      const attributes = renamed(name, organizationId);
      if (stays && from === key) return this.#services.update('service-rename', place, service, attributes);
      const task: Task = stays
        ? { kind: 'rename', service: service.id, from, to: key }
        : { kind: 'move', service: service.id, from, to: key, fromOrganization: service.organizationId, toOrganization: organizationId };
      const planned = await this.#jobs.plan(place.by, place.organizationId, task);
      if (!planned.ok) return planned;
      const moves: Operation[] = stays
        ? []
        : [
            { op: 'update', target: { where: pricingsOf([service.id]) }, set: { organizationId } },
            { op: 'delete', target: { where: edge(service.organizationId, OWNS, service.id) } },
            { op: 'connect', out: organizationId, verb: OWNS, in: service.id, ifExists: 'keep' },
          ];
      return this.#withJob(planned.value, true, (more) =>
        this.#services.update('service-rename', place, service, attributes, [...moves, ...more]),
      );
    });
  }

  /** What is under way about the service is finished first: two changes of its contracts at once could undo each other. */
  async #settled(service: Service): Promise<'settled' | Round<Service>> {
    const settled = await this.#jobs.settleService(service.id);
    if (!settled.ok) return settled;
    if (settled.value) return 'settled';
    return refuse(409, 'CONFLICT: contracts of this service are being changed; try again when they are');
  }

  /**
   * Writes a change with its job, and carries the job out. A service without contracts needs none; one that got its first contract at the
   * same moment is given the job right after.
   */
  async #withJob(
    planned: Planned,
    possible: boolean,
    write: (more: readonly Operation[]) => Promise<Round<Service>>,
  ): Promise<Round<Service>> {
    const { id, operations, total, task, by, organizationId } = planned;
    const written = await write(total > 0 ? operations : []);
    if (written === 'again' || !written.ok || !possible) return written;
    if (total > 0) {
      await this.#jobs.run(id);
      return written;
    }
    const late = await this.#jobs.plan(by, organizationId, task);
    if (late.ok && late.value.total > 0) {
      const started = await this.#graph.write('job-start', by, [...late.value.operations], true);
      if (started.ok) await this.#jobs.run(late.value.id);
    }
    return written;
  }

  /** The newest pricing that stays active. */
  async #newestBeside(service: Service, leaving: Found): Promise<Result<Element>> {
    const staying = Object.entries(service.active).flatMap(([version, { id }]) => (version === leaving.version ? [] : [id]));
    const dayOf = ({ attributes }: Element): string => (typeof attributes.createdAt === 'string' ? attributes.createdAt : '');
    let newest: Element | undefined;
    const read = await this.#graph.each(staying, (pricing) => {
      if (newest === undefined || dayOf(newest) < dayOf(pricing)) newest = pricing;
    });
    if (!read.ok) return refused(read.failure);
    return newest === undefined ? refuse(404, `NOT FOUND: no active pricing is left for service ${service.name}`) : got(newest);
  }
}
