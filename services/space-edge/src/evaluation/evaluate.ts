/** Evaluates whether a subscription allows a feature, and what that consumes. Names are those of the pricing, without the service as prefix. */
import { isCountable } from '../usage/levels.ts';
import type { Granted } from './context.ts';
import { type Guard, guardsOf } from './guards.ts';
import type { EvaluatedFeature, EvaluatedPricing, Expression } from './pricing.ts';
import { run, type Variables } from './run.ts';
import type { Value } from './tree.ts';

export type EvaluationErrorCode = 'FLAG_NOT_FOUND' | 'PARSE_ERROR' | 'TYPE_MISMATCH' | 'EVALUATION_ERROR' | 'INVALID_EXPECTED_CONSUMPTION';

export interface EvaluationError {
  readonly code: EvaluationErrorCode;
  readonly message: string;
}

/** A service of a contract, prepared for evaluating its expressions. */
export interface Subscribed {
  /** The prefix of its features and limits in answers. */
  readonly service: string;
  readonly pricing: EvaluatedPricing;
  readonly granted: Granted;
  /** The consumption of each tracked limit. */
  readonly used: ReadonlyMap<string, number>;
}

export type Evaluated =
  | {
      readonly ok: true;
      readonly allowed: boolean;
      /** Every limit that the expression uses, with its consumption so far. */
      readonly used: readonly (readonly [limit: string, used: number])[];
      /** The conditions under which the answer stays the same. */
      readonly guards: () => readonly Guard[];
    }
  | { readonly ok: false; readonly error: EvaluationError };

/** The expression to evaluate; undefined if the feature has none. */
export const expressionOf = (feature: EvaluatedFeature | undefined, server: boolean): Expression | undefined =>
  (server ? feature?.serverExpression : undefined) ?? feature?.expression;

export const evaluationError = (code: EvaluationErrorCode, message: string): { readonly ok: false; readonly error: EvaluationError } => ({
  ok: false,
  error: { code, message },
});

/** Never throws. */
export function evaluate({ service, pricing, granted, used }: Subscribed, name: string, server: boolean): Evaluated {
  const id = `${service}-${name}`;
  if (!granted.features.has(name)) return evaluationError('FLAG_NOT_FOUND', `The subscription has no feature ${id}.`);
  const expression = expressionOf(pricing.features.get(name), server);
  if (expression === undefined) return evaluationError('PARSE_ERROR', `Feature ${id} has no expression.`);
  if (!expression.mentionsContext) {
    return evaluationError('PARSE_ERROR', `The expression of feature ${id} looks neither at pricingContext nor at subscriptionContext.`);
  }
  const unknown = unknownName(expression, { pricing, granted, used });
  if (unknown !== undefined) return evaluationError('PARSE_ERROR', `The expression of feature ${id} names ${unknown}.`);
  if (!expression.read.ok) return evaluationError('EVALUATION_ERROR', `The expression of feature ${id} ${expression.read.problem}.`);
  const { tree } = expression.read;
  const environment: Variables = { contexts: { features: granted.features, usageLimits: granted.usageLimits, used } };
  const result = run(tree, environment);
  if (!result.ok) return evaluationError('EVALUATION_ERROR', `The expression of feature ${id} ${result.problem}.`);
  if (typeof result.value !== 'boolean') {
    return evaluationError('TYPE_MISMATCH', `The expression of feature ${id} gives ${kindOf(result.value)} instead of true or false.`);
  }
  return {
    ok: true,
    allowed: result.value,
    used: expression.used.map((limit) => [limit, used.get(limit) ?? 0]),
    guards: () => guardsOf(tree, environment),
  };
}

function unknownName(
  { features, usageLimits, used }: Expression,
  subscribed: Pick<Subscribed, 'pricing' | 'granted' | 'used'>,
): string | undefined {
  const feature = features.find((one) => !subscribed.granted.features.has(one));
  if (feature !== undefined) return `the feature "${feature}", which the subscription does not have`;
  const level = used.find((one) => !subscribed.used.has(one));
  if (level !== undefined) return `the usage limit "${level}", of which nothing is tracked`;
  const limit = usageLimits.find((one) => !subscribed.pricing.usageLimits.has(one));
  return limit === undefined ? undefined : `the usage limit "${limit}", which the pricing does not have`;
}

const kindOf = (value: Value): string =>
  value === null || value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;

/** The consumption to add to each limit that a feature uses. */
export type Amounts = ReadonlyMap<string, number>;

/**
 * The expected consumption of a request for the limits of one feature. A limit is named with its service as prefix, which matches in any
 * case, or alone. Every limit must be given, even with 0; other limits are ignored.
 */
export function amountsFor(
  { service, used }: Pick<Subscribed, 'service' | 'used'>,
  limits: readonly string[],
  expected: Readonly<Record<string, number>>,
): { readonly ok: true; readonly amounts: Amounts } | { readonly ok: false; readonly error: EvaluationError } {
  const given = new Map(Object.entries(expected));
  const folded = new Map([...given].map(([name, amount]) => [afterService(name, service), amount]));
  const amounts = new Map<string, number>();
  for (const limit of limits) {
    const amount = given.get(`${service}-${limit}`) ?? folded.get(limit) ?? given.get(limit);
    if (amount === undefined) {
      return evaluationError(
        'INVALID_EXPECTED_CONSUMPTION',
        `The expected consumption of limit "${service}-${limit}" is missing: give it for all limits that the feature looks at, or for none.`,
      );
    }
    if (!isCountable(used.get(limit) ?? 0, amount)) {
      return evaluationError('INVALID_EXPECTED_CONSUMPTION', `The level of limit "${service}-${limit}" would be beyond 2^53.`);
    }
    amounts.set(limit, amount);
  }
  return { ok: true, amounts };
}

/**
 * What follows the service in a name such as `Zoom-minutes`; undefined if it is not the service's. The service matches in any case; its
 * lower case, which is given, may be longer than it is in the name.
 */
export function afterService(name: string, service: string): string | undefined {
  for (let at = name.indexOf('-'); at !== -1 && at <= service.length; at = name.indexOf('-', at + 1)) {
    if (name.slice(0, at).toLowerCase() === service) return name.slice(at + 1);
  }
  return undefined;
}
