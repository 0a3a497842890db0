/** `/contracts…` with an organization's key or an administrator's, and the same below `/organizations/{organizationId}` with a user's. */
import type { FastifyInstance } from 'fastify';
import { readBillingChange, readContactChange, readContract, readIncrements, readSubscription } from '../contracts/body.ts';
import { type Contract, shownContract } from '../contracts/contract.ts';
import { contractFilters, contractPage } from '../contracts/listing.ts';
import { got, type RestAnswer, type Result, refuse } from '../protocol/answer.ts';
import { fieldsOf } from '../protocol/fields.ts';
import { byOf } from '../store/accounts/identity.ts';
import type { Organizations } from '../store/accounts/organizations.ts';
import type { Contracting, Holder } from '../store/contracts/contracting.ts';
import type { Contracts } from '../store/contracts/contracts.ts';
import { type RestCall, serve } from './call.ts';
import { placeOf } from './place.ts';

export interface ContractRoutesOptions {
  readonly contracts: Contracts;
  readonly contracting: Contracting;
  readonly organizations: Organizations;
}

type Handle = (holder: Holder, call: RestCall) => Promise<RestAnswer>;
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export function contractRoutes(app: FastifyInstance, { contracts, contracting, organizations }: ContractRoutesOptions): void {
  const below = (method: Method, path: string, handle: Handle): void => {
    serve(app, method, `/contracts${path}`, async (call) => {
      const { caller } = call;
      // The table admits only administrators with a user's key: they work with all organizations.
      if (caller?.kind === 'user') return handle({ organizationId: undefined, by: byOf(caller) }, call);
      const place = await placeOf(call, organizations);
      return place.ok ? handle(place.value, call) : place.answer;
    });
  };
  const both = (method: Method, path: string, handle: Handle): void => {
    below(method, path, handle);
    serve(app, method, `/organizations/:organizationId/contracts${path}`, async (call) => {
      const place = await placeOf(call, organizations);
      return place.ok ? handle(place.value, call) : place.answer;
    });
  };

  both('GET', '', async ({ organizationId }, { query, body }) => {
    const page = contractPage(query);
    if (!page.ok) return page.answer;
    const filters = contractFilters(query, body);
    if (!filters.ok) return filters.answer;
    const listed = await contracting.list(organizationId, filters.value, page.value);
    if (!listed.ok) return listed.answer;
    return { ...shownAll(got(listed.value.contracts)), headers: { 'x-total-count': String(listed.value.total) } };
  });
  both('POST', '', async (holder, call) => {
    const contract = readContract(call.body);
    if (!contract.ok) return contract.answer;
    const organizationId = organizationFor(holder, call, contract.value.organizationId);
    return organizationId.ok
      ? shown(await contracting.create(organizationId.value, holder.by, contract.value), 201)
      : organizationId.answer;
  });
  both('PUT', '', async (holder, { query, body }) => {
    const subscription = readSubscription(body);
    if (!subscription.ok) return subscription.answer;
    const group = groupOf(query);
    return group.ok ? shownAll(await contracting.novateGroup(holder, group.value, subscription.value, renewing(body))) : group.answer;
  });
  both('DELETE', '', async (holder) => {
    const pruned = await contracting.prune(holder);
    return pruned.ok ? { status: 204 } : pruned.answer;
  });

  below('PUT', '/billingPeriod', async (holder, { query, body }) => {
    const change = readBillingChange(body);
    if (!change.ok) return change.answer;
    const group = groupOf(query);
    return group.ok ? shownAll(await contracting.changeGroupBilling(holder, group.value, change.value)) : group.answer;
  });

  both('GET', '/:userId', async ({ organizationId }, { params }) => shown(await contracts.find(params.userId ?? '', organizationId)));
  both('PUT', '/:userId', async (holder, { params, body }) => {
    const subscription = readSubscription(body);
    return subscription.ok
      ? shown(await contracting.novate(holder, params.userId ?? '', subscription.value, renewing(body)))
      : subscription.answer;
  });
  both('DELETE', '/:userId', async (holder, { params }) => {
    const deleted = await contracting.delete(holder, params.userId ?? '');
    return deleted.ok ? { status: 204 } : deleted.answer;
  });

  below('PUT', '/:userId/usageLevels', async (holder, { params, query, body }) => {
    const increments = readIncrements(body);
    if (!increments.ok) return increments.answer;
    const { userId = '' } = params;
    const { reset, usageLimit, renewableOnly } = query;
    if (given(reset) && given(usageLimit))
      return refuse(400, 'Invalid query: Both reset and usageLimit cannot be provided at the same time').answer;
    if (typeof usageLimit === 'string' && given(usageLimit)) return shown(await contracting.resetLimit(holder, userId, usageLimit));
    if (reset === 'true') return shown(await contracting.reset(holder, userId, renewableOnly !== 'false'));
    return shown(await contracting.increment(holder, userId, increments.value));
  });
  below('PUT', '/:userId/userContact', async (holder, { params, body }) => {
    const change = readContactChange(body);
    return change.ok ? shown(await contracting.changeContact(holder, params.userId ?? '', change.value)) : change.answer;
  });
  below('PUT', '/:userId/billingPeriod', async (holder, { params, body }) => {
    const change = readBillingChange(body);
    return change.ok ? shown(await contracting.changeBilling(holder, params.userId ?? '', change.value)) : change.answer;
  });
}

const shown = (contract: Result<Contract>, status = 200): RestAnswer =>
  contract.ok ? { status, body: shownContract(contract.value) } : contract.answer;

const shownAll = (contracts: Result<Contract[]>): RestAnswer =>
  contracts.ok ? { status: 200, body: contracts.value.map(shownContract) } : contracts.answer;

const given = (value: unknown): boolean => value !== undefined && value !== '';

function groupOf({ groupId }: RestCall['query']): Result<string> {
  return typeof groupId === 'string' && groupId !== '' ? got(groupId) : refuse(400, 'Missing groupId query parameter');
}

/** Whether a novation also sets the automatic renewal. */
function renewing(body: unknown): boolean | undefined {
  const { autoRenew } = fieldsOf(fieldsOf(body).billingPeriod);
  return typeof autoRenew === 'boolean' ? autoRenew : undefined;
}

/** The organization in which a contract is created. */
function organizationFor({ organizationId }: Holder, { caller }: RestCall, asked: string | undefined): Result<string> {
  if (caller?.kind === 'user' && caller.role === 'ADMIN') {
    const chosen = asked ?? organizationId;
    return chosen === undefined
      ? refuse(
          400,
          'INVALID DATA: Organization ID is required for contract creation. As an ADMIN, give organizationId in the request body.',
        )
      : got(chosen);
  }
  if (organizationId === undefined || (asked !== undefined && asked !== organizationId))
    return refuse(403, 'PERMISSION ERROR: Organization ID mismatch');
  return got(organizationId);
}
