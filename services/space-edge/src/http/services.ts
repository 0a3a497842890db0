/** `/services…` with an organization's key, and the same below `/organizations/{organizationId}` with a user's. */

import type { RemoteLimits } from '@polyedge/remote/fetch';
import type { FastifyInstance } from 'fastify';
import { stringify } from 'yaml';
import { readFallback } from '../catalogue/fallback.ts';
import { PRICING_TYPE, type Service, shownService } from '../catalogue/service.ts';
import { shownJob } from '../contracts/job.ts';
import { definition } from '../pricing/stored.ts';
import { got, type RestAnswer, type Result, refuse, refused } from '../protocol/answer.ts';
import { fieldsOf, isId, servicePage, textField } from '../protocol/fields.ts';
import { byOf } from '../store/accounts/identity.ts';
import type { Organizations } from '../store/accounts/organizations.ts';
import type { ServiceChanges } from '../store/catalogue/service-changes.ts';
import { type ServiceLocation, shownPricing, yamlPath } from '../store/catalogue/service-parts.ts';
import type { Services } from '../store/catalogue/services.ts';
import type { Jobs } from '../store/contracts/jobs.ts';
import type { Graph } from '../store/graph.ts';
import { type Handler, type RestCall, serve } from './call.ts';
import { placeOf, roleProblem } from './place.ts';
import { readUpload } from './upload.ts';

export interface ServiceRoutesOptions {
  readonly graph: Graph;
  readonly services: Services;
  readonly changes: ServiceChanges;
  readonly jobs: Jobs;
  readonly organizations: Organizations;
  readonly remote: RemoteLimits;
  /** Whether uploaded pricings are served under their unguessable names. */
  readonly staticPricings: boolean;
}

export function serviceRoutes(app: FastifyInstance, options: ServiceRoutesOptions): void {
  const { services, changes, jobs, organizations } = options;
  const at = (
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    handle: (place: ServiceLocation, call: RestCall) => Promise<RestAnswer>,
  ): void => {
    const handler: Handler = async (call) => {
      const place = await placeOf(call, organizations);
      return place.ok ? handle(place.value, call) : place.answer;
    };
    serve(app, method, `/services${path}`, handler);
    serve(app, method, `/organizations/:organizationId/services${path}`, handler);
  };

  // The only two calls that an administrator may make for all organizations.
  serve(app, 'GET', '/services', async (call) => {
    const place = everywhere(call) ? got(undefined) : await placeOf(call, organizations);
    return place.ok ? list(call, place.value?.organizationId) : place.answer;
  });
  serve(app, 'GET', '/organizations/:organizationId/services', async (call) => {
    const place = await placeOf(call, organizations);
    return place.ok ? list(call, place.value.organizationId) : place.answer;
  });
  serve(app, 'DELETE', '/services', async (call) => {
    const place = everywhere(call) ? got(undefined) : await placeOf(call, organizations);
    return place.ok ? prune(call, place.value?.organizationId) : place.answer;
  });
  serve(app, 'DELETE', '/organizations/:organizationId/services', async (call) => {
    const place = await placeOf(call, organizations);
    return place.ok ? prune(call, place.value.organizationId) : place.answer;
  });

  at('POST', '', async (place, call) => {
    const upload = await readUpload(call, options.remote);
    return upload.ok ? shown(201, await services.create(place, upload.value)) : upload.answer;
  });
  at('GET', '/:service', async ({ organizationId }, { params }) => shown(200, await services.find(organizationId, params.service ?? '')));
  at('PUT', '/:service', (place, call) => rename(place, call, options));
  at('DELETE', '/:service', async (place, { params }) => {
    const disabled = await services.disable(place, params.service ?? '');
    return disabled.ok ? { status: 204 } : disabled.answer;
  });

  at('GET', '/:service/novations', async ({ organizationId }, { params }) => {
    const service = await services.find(organizationId, params.service ?? '');
    if (!service.ok) return service.answer;
    const found = await jobs.ofService(service.value.id);
    return found.ok ? { status: 200, body: found.value.map(shownJob) } : found.answer;
  });

  at('GET', '/:service/pricings', async ({ organizationId }, { params, query }) => {
    const status = query.pricingStatus ?? 'active';
    if (status !== 'active' && status !== 'archived')
      return refuse(400, 'Invalid pricing status. Either provide "active" or "archived"').answer;
    const pricings = await services.pricings(organizationId, params.service ?? '', status);
    return pricings.ok ? { status: 200, body: pricings.value } : pricings.answer;
  });
  at('POST', '/:service/pricings', async (place, call) => {
    const upload = await readUpload(call, options.remote);
    return upload.ok ? shown(201, await services.addPricing(place, call.params.service ?? '', upload.value)) : upload.answer;
  });
  at('GET', '/:service/pricings/:version', async ({ organizationId }, { params }) => {
    const pricing = await services.pricing(organizationId, params.service ?? '', params.version ?? '');
    return pricing.ok ? { status: 200, body: shownPricing(pricing.value) } : pricing.answer;
  });
  at('PUT', '/:service/pricings/:version', async (place, { params, query, body }) => {
    const availability = query.availability ?? 'archived';
    if (availability !== 'active' && availability !== 'archived') {
      return refuse(400, 'Invalid availability status. Either provide "active" or "archived"').answer;
    }
    const fallback = readFallback(body);
    if (!fallback.ok) return fallback.answer;
    const { service: name = '', version = '' } = params;
    return shown(200, await changes.setAvailability(place, { name, version, availability, fallback: fallback.value }));
  });
  at('DELETE', '/:service/pricings/:version', async (place, { params }) => {
    const deleted = await services.deletePricing(place, params.service ?? '', params.version ?? '');
    return deleted.ok ? { status: 204 } : deleted.answer;
  });
  at('GET', '/:service/pricings/:version/public-url', async ({ organizationId }, { params }) => {
    const pricing = await services.pricing(organizationId, params.service ?? '', params.version ?? '');
    if (!pricing.ok) return pricing.answer;
    const { id, attributes } = pricing.value;
    if (attributes.remoteUrl !== undefined || !options.staticPricings)
      return refuse(404, 'NOT FOUND: the pricing is not served as a file').answer;
    return { status: 200, body: { path: `/${yamlPath(id)}`, url: `/${yamlPath(id)}` } };
  });
  if (options.staticPricings) staticPricings(app, options.graph);

  async function list({ query }: RestCall, organizationId: string | undefined): Promise<RestAnswer> {
    const listed = await services.list(organizationId, typeof query.name === 'string' ? query.name : undefined, servicePage(query));
    return listed.ok ? { status: 200, body: listed.value.map(shownService) } : listed.answer;
  }

  async function prune({ caller }: RestCall, organizationId: string | undefined): Promise<RestAnswer> {
    const pruned = await services.prune(organizationId, caller === undefined ? '' : byOf(caller));
    return pruned.ok ? { status: 200, body: { message: `Pruned ${pruned.value} services` } } : pruned.answer;
  }
}

const everywhere = ({ caller }: RestCall): boolean => caller?.kind === 'user';

const shown = (status: number, service: Result<Service>): RestAnswer =>
  service.ok ? { status, body: shownService(service.value) } : service.answer;

async function rename(
  place: ServiceLocation,
  { params, body, caller }: RestCall,
  { changes, organizations }: ServiceRoutesOptions,
): Promise<RestAnswer> {
  const fields = fieldsOf(body);
  const name = textField(fields, 'name', { min: 1, max: 255 });
  if (!name.ok) return name.answer;
  const { organizationId } = fields;
  if (organizationId !== undefined && !isId(organizationId))
    return refuse(422, 'The organizationId field must be an id of 24 characters').answer;
  if (organizationId !== undefined && organizationId !== place.organizationId) {
    const target = await organizations.find(organizationId);
    if (!target.ok)
      return target.answer.status === 404
        ? refuse(400, `Invalid request: Organization with id ${organizationId} not found`).answer
        : target.answer;
    // A service must not be moved to an organization where the caller has no rights.
    const problem =
      caller?.kind === 'user'
        ? caller.role === 'ADMIN'
          ? undefined
          : roleProblem(target.value, caller.account.id, 'write')
        : caller?.organization.owner === target.value.owner
          ? undefined
          : 'PERMISSION ERROR: With an organization API key, a service can only be moved to an organization of the same owner';
    if (problem !== undefined) return refuse(403, problem).answer;
  }
  return shown(200, await changes.rename(place, params.service ?? '', { name: name.value?.trim(), organizationId }));
}

/** Serves uploaded pricings as files, for clients that know the name. */
function staticPricings(app: FastifyInstance, graph: Graph): void {
  app.get('/static/pricings/:file', async (request, reply) => {
    const id = /^([0-9a-f]{24})\.yaml$/.exec(String(fieldsOf(request.params).file))?.[1];
    const found = id === undefined ? undefined : await graph.get([id]);
    if (found?.ok === false) return reply.code(refused(found.failure).answer.status).send();
    const element = found?.value[0];
    if (element === undefined || element.type !== PRICING_TYPE || element.attributes.remoteUrl !== undefined) return reply.code(404).send();
    return reply.header('content-type', 'application/yaml; charset=utf-8').send(stringify(definition(element.attributes)));
  });
}
