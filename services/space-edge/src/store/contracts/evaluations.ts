/** Feature evaluation: reads from memory; consumption is decided on cached data and confirmed by the store. */
import type { Contract } from '../../contracts/contract.ts';
import type { Subscribed } from '../../evaluation/evaluate.ts';
import {
  type Amounts,
  afterService,
  amountsFor,
  type Evaluated,
  type EvaluationError,
  evaluate,
  evaluationError,
  expressionOf,
} from '../../evaluation/evaluate.ts';
import type { Value } from '../../evaluation/tree.ts';
import { got, type Result, refuse } from '../../protocol/answer.ts';
import { pricingToken } from '../../protocol/pricing-token.ts';
import { limitKey } from '../../usage/levels.ts';
import type { Consumption, Contracts } from './contracts.ts';
import type { CachedSubscription, SubscriptionCache } from './subscriptions.ts';

/** The result in SPACE's form. No other keys, because its Java client rejects them. */
export interface FeatureResult {
  readonly eval: boolean;
  readonly limit: Readonly<Record<string, Value>> | null;
  readonly used: Readonly<Record<string, number>> | null;
  readonly error: EvaluationError | null;
}

export interface EvaluationRequest {
  readonly details: boolean;
  /** Whether to use `serverExpression`. */
  readonly server: boolean;
}

/** Attempts to decide a consumption when a level or the contract changes concurrently. */
const MAX_ATTEMPTS = 200;
const TOO_MANY = refuse(409, 'CONFLICT: too many others consume of this subscription at the same time; try again');

export interface EvaluationsOptions {
  readonly contracts: Contracts;
  readonly subscriptions: SubscriptionCache;
  readonly now: () => number;
  readonly tokens: { readonly key: Buffer; readonly lifetimeMs: number };
}

export class Evaluations {
  readonly #contracts: Contracts;
  readonly #subscriptions: SubscriptionCache;
  readonly #now: () => number;
  readonly #tokens: EvaluationsOptions['tokens'];

  constructor({ contracts, subscriptions, now, tokens }: EvaluationsOptions) {
    this.#contracts = contracts;
    this.#subscriptions = subscriptions;
    this.#now = now;
    this.#tokens = tokens;
  }

  /** All features of a user that have an expression, as a JSON text of a map. */
  async all(userId: string, organizationId: string, asked: EvaluationRequest): Promise<Result<string>> {
    const found = await this.#subscriptions.find(userId, organizationId);
    return found.ok ? got(this.#answer(found.value, asked)) : found;
  }

  /** Evaluates one feature with its expected consumption, which is stored before an allowed result is returned. */
  async one(
    userId: string,
    organizationId: string,
    feature: string,
    { server, expected }: { readonly server: boolean; readonly expected: Readonly<Record<string, number>> },
  ): Promise<Result<FeatureResult>> {
    const consumes = Object.keys(expected).length > 0;
    let fresh = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const found = await this.#subscriptions.find(userId, organizationId, fresh);
      if (!found.ok) return found;
      const place = placeOf(found.value, feature);
      const evaluated = place === undefined ? notFound(feature) : evaluate(place.subscribed, place.name, server);
      // A refusal requires the newest state, because consumption may just have been reset.
      if (consumes && !fresh && !(evaluated.ok && evaluated.allowed)) {
        fresh = true;
        continue;
      }
      if (place === undefined || !evaluated.ok) return got(failure(evaluated));
      const { subscribed } = place;
      const amounts = consumes
        ? amountsFor(
            subscribed,
            evaluated.used.map(([limit]) => limit),
            expected,
          )
        : undefined;
      if (amounts === undefined) return got(success(subscribed, evaluated));
      if (!amounts.ok) return got(failure(amounts));
      if (!evaluated.allowed || isNothing(amounts.amounts)) return got(success(subscribed, evaluated, amounts.amounts));
      const consumed = await this.#contracts.consume(found.value.contract, consumptionsOf(subscribed, evaluated, amounts.amounts));
      if (!consumed.ok) return consumed;
      if (consumed.value !== 'changed') return got(this.#consumed(found.value, consumed.value, subscribed, evaluated));
      fresh = true;
    }
    return TOO_MANY;
  }

  /** Reverts the consumption of a feature's evaluations within the last two minutes: of its limits or, without a feature, of all. */
  async revert(userId: string, organizationId: string, feature: string | undefined, latest: boolean): Promise<Result<unknown>> {
    const found = await this.#subscriptions.find(userId, organizationId, true);
    if (!found.ok) return found;
    const place = feature === undefined ? undefined : placeOf(found.value, feature);
    const limits = place === undefined ? [] : limitsOf(place);
    const keys = ({ usage }: Contract): readonly string[] =>
      feature === undefined ? Object.keys(usage.consumed) : limits.map((limit) => limitKey(place?.subscribed.service ?? '', limit));
    const reverted = await this.#contracts.revert(userId, organizationId, keys, latest);
    if (!reverted.ok) return reverted;
    this.#subscriptions.update(found.value, reverted.value);
    return got(undefined);
  }

  /** A token with everything that a client needs to evaluate by itself. */
  async token(userId: string, organizationId: string, server: boolean): Promise<Result<string>> {
    const found = await this.#subscriptions.find(userId, organizationId);
    if (!found.ok) return found;
    const { contract, services } = found.value;
    const qualified = (section: (subscribed: Subscribed) => ReadonlyMap<string, Value>): Record<string, Value> =>
      Object.fromEntries(services.flatMap((one) => [...section(one)].map(([name, value]) => [`${one.service}-${name}`, value] as const)));
    const claims = {
      sub: contract.userId,
      features: resultsOf(services, server),
      pricingContext: {
        features: qualified(({ granted }) => granted.features),
        usageLimits: qualified(({ granted }) => granted.usageLimits),
      },
      subscriptionContext: qualified(({ used }) => used),
    };
    const { key, lifetimeMs } = this.#tokens;
    return got(pricingToken(claims, key, { now: this.#now(), lifetimeMs, contractEnd: contract.billingPeriod.endDate }));
  }

  #answer(subscription: CachedSubscription, { details, server }: EvaluationRequest): string {
    return this.#subscriptions.answer(subscription, `${details}/${server}`, () => {
      const results = resultsOf(subscription.services, server);
      return JSON.stringify(details ? results : Object.fromEntries(Object.entries(results).map(([id, result]) => [id, result.eval])));
    });
  }

  #consumed(subscription: CachedSubscription, contract: Contract, subscribed: Subscribed, evaluated: Allowed): FeatureResult {
    const updated = this.#subscriptions.update(subscription, contract);
    const now = updated.services.find(({ service }) => service === subscribed.service) ?? subscribed;
    return success(now, { ...evaluated, used: evaluated.used.map(([limit, used]) => [limit, now.used.get(limit) ?? used]) });
  }
}

type Allowed = Extract<Evaluated, { ok: true }>;

/** A feature of a subscription: `zoom-meetings`; the service matches in any case. */
interface Place {
  readonly subscribed: Subscribed;
  readonly name: string;
}

function placeOf({ services }: CachedSubscription, feature: string): Place | undefined {
  for (const subscribed of services) {
    const name = afterService(feature, subscribed.service);
    if (name !== undefined && subscribed.pricing.features.has(name)) return { subscribed, name };
  }
  return undefined;
}

const notFound = (feature: string) =>
  evaluationError('FLAG_NOT_FOUND', `The subscription has no feature ${feature.length > 255 ? `${feature.slice(0, 255)}…` : feature}.`);

/** Limits that are linked to a feature, and those that its expressions use. */
function limitsOf({ subscribed, name }: Place): readonly string[] {
  const feature = subscribed.pricing.features.get(name);
  const looked = [false, true].flatMap((server) => expressionOf(feature, server)?.used ?? []);
  return [...new Set([...(feature?.linked ?? []), ...looked])].filter((limit) => subscribed.used.has(limit));
}

function resultsOf(services: readonly Subscribed[], server: boolean): Record<string, FeatureResult> {
  const results: Record<string, FeatureResult> = {};
  for (const subscribed of services) {
    for (const [name, feature] of subscribed.pricing.features) {
      // A feature without an expression is only descriptive.
      if (expressionOf(feature, server) === undefined) continue;
      const evaluated = evaluate(subscribed, name, server);
      results[`${subscribed.service}-${name}`] = evaluated.ok ? success(subscribed, evaluated) : failure(evaluated);
    }
  }
  return results;
}

const failure = (evaluated: Evaluated | { readonly ok: false; readonly error: EvaluationError }): FeatureResult => ({
  eval: false,
  limit: null,
  used: null,
  error: evaluated.ok ? null : evaluated.error,
});

/** @param amounts consumption to add; without them the levels are shown unchanged */
function success({ service, granted }: Subscribed, { allowed, used }: Allowed, amounts?: Amounts): FeatureResult {
  const none = used.length === 0;
  return {
    eval: allowed,
    limit: none ? null : Object.fromEntries(used.map(([limit]) => [`${service}-${limit}`, granted.usageLimits.get(limit)])),
    used: none ? null : Object.fromEntries(used.map(([limit, level]) => [`${service}-${limit}`, level + (amounts?.get(limit) ?? 0)])),
    error: null,
  };
}

const isNothing = (amounts: Amounts): boolean => [...amounts.values()].every((amount) => amount === 0);

function consumptionsOf({ service }: Subscribed, { guards }: Allowed, amounts: Amounts): Consumption[] {
  const required = new Map(guards().map(({ limit, test, value }) => [limit, { test, value }]));
  return [...amounts].map(([limit, amount]) => {
    const requires = required.get(limit);
    return { key: limitKey(service, limit), amount, ...(requires === undefined ? {} : { requires }) };
  });
}
