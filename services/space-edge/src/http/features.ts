/** `/features…`: the features of all pricings, and their evaluation for a user. With an organization's key only. */
import type { FastifyInstance } from 'fastify';
import { parseFeatureQuery, showsOf, sortFeatures } from '../catalogue/feature-list.ts';
import { got, type RestAnswer, type Result, refuse } from '../protocol/answer.ts';
import { fieldsOf } from '../protocol/fields.ts';
import { type Pricings, pricingOf } from '../store/catalogue/pricings.ts';
import type { Services } from '../store/catalogue/services.ts';
import type { Evaluations } from '../store/contracts/evaluations.ts';
import { type RestCall, serve } from './call.ts';

export interface FeatureRoutesOptions {
  readonly evaluations: Evaluations;
  readonly services: Services;
  readonly pricings: Pricings;
}

export function featureRoutes(app: FastifyInstance, options: FeatureRoutesOptions): void {
  const { evaluations } = options;
  serve(app, 'GET', '/features', async (call) => {
    const organization = organizationOf(call);
    return organization.ok ? listFeatures(call, organization.value, options) : organization.answer;
  });

  serve(app, 'POST', '/features/:userId', async (call) => {
    const organization = organizationOf(call);
    if (!organization.ok) return organization.answer;
    const { userId = '' } = call.params;
    const { details, server, revert, latest } = flagsOf(call);
    if (revert) {
      const reverted = await evaluations.revert(userId, organization.value, undefined, latest);
      if (!reverted.ok) return reverted.answer;
    }
    return json(await evaluations.all(userId, organization.value, { details, server }));
  });

  serve(app, 'POST', '/features/:userId/pricing-token', async (call) => {
    const organization = organizationOf(call);
    if (!organization.ok) return organization.answer;
    const token = await evaluations.token(call.params.userId ?? '', organization.value, flagsOf(call).server);
    return token.ok ? { status: 200, body: { pricingToken: token.value } } : token.answer;
  });

  serve(app, 'POST', '/features/:userId/:featureId', async (call) => {
    const organization = organizationOf(call);
    if (!organization.ok) return organization.answer;
    const expected = expectedConsumption(call.body);
    if (!expected.ok) return expected.answer;
    const { userId = '', featureId = '' } = call.params;
    const { server, revert, latest } = flagsOf(call);
    if (revert) {
      const reverted = await evaluations.revert(userId, organization.value, featureId, latest);
      return reverted.ok ? { status: 204 } : reverted.answer;
    }
    const result = await evaluations.one(userId, organization.value, featureId, { server, expected: expected.value });
    return result.ok ? { status: 200, body: result.value } : result.answer;
  });
}

const json = (text: Result<string>): RestAnswer => (text.ok ? { status: 200, json: text.value } : text.answer);

function organizationOf({ caller }: RestCall): Result<string> {
  if (caller === undefined) return refuse(401, 'API Key not found');
  return caller.kind === 'organization'
    ? got(caller.organization.id)
    : refuse(403, 'PERMISSION ERROR: This operation requires an organization API key');
}

function flagsOf({ query }: RestCall): Readonly<Record<'details' | 'server' | 'revert' | 'latest', boolean>> {
  const flag = (name: string): boolean => query[name] === 'true';
  return { details: flag('details'), server: flag('server'), revert: flag('revert'), latest: flag('latest') };
}

/** Limits and numbers. A missing body means no limits. */
function expectedConsumption(body: unknown): Result<Readonly<Record<string, number>>> {
  if (body === undefined || body === null || body === '') return got({});
  if (typeof body !== 'object' || Array.isArray(body)) return refuse(422, 'The body must be an object');
  const expected: Record<string, number> = {};
  for (const [limit, amount] of Object.entries(fieldsOf(body))) {
    if (typeof amount !== 'number' || !Number.isFinite(amount)) return refuse(422, 'All values must be numbers');
    expected[limit] = amount;
  }
  return got(expected);
}

async function listFeatures(
  { query }: RestCall,
  organizationId: string,
  { services, pricings }: FeatureRoutesOptions,
): Promise<RestAnswer> {
  const selection = parseFeatureQuery(query);
  const found = await services.enabled(organizationId);
  if (!found.ok) return found.answer;
  const offers = showsOf(found.value, selection);
  const known = await pricings.get(offers.map(({ id }) => id));
  if (!known.ok) return known.answer;
  const features = offers.flatMap(({ service, id }) => {
    const pricing = pricingOf(known.value, id);
    if (pricing === undefined || !selection.version(pricing.version)) return [];
    return Object.values(pricing.features).flatMap((info) =>
      selection.feature(info) ? [{ info, service, pricingVersion: pricing.version }] : [],
    );
  });
  return { status: 200, body: sortFeatures(features, selection).slice(selection.offset, selection.offset + selection.limit) };
}
