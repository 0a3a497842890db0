/** The fallback of archiving: what contracts of the archived version fall back to, checked against the pricing they would get. */
import { type Offered, problemInPricing } from '../contracts/validity.ts';
import { got, type Result, refuse } from '../protocol/answer.ts';

export interface Fallback {
  readonly subscriptionPlan?: string;
  readonly subscriptionAddOns?: Readonly<Record<string, number>>;
}

/** Reads a request body: null counts as absent; 422 for what has the wrong type. */
export function readFallback(body: unknown): Result<Fallback> {
  if (body === undefined || body === null) return got({});
  if (typeof body !== 'object' || Array.isArray(body)) return refuse(422, 'The fallback subscription must be an object');
  const plan: unknown = Reflect.get(body, 'subscriptionPlan') ?? undefined;
  const addOns: unknown = Reflect.get(body, 'subscriptionAddOns') ?? undefined;
  if (plan !== undefined && typeof plan !== 'string') return refuse(422, 'subscriptionPlan must be a string');
  if (addOns !== undefined) {
    if (typeof addOns !== 'object' || addOns === null || Array.isArray(addOns)) return refuse(422, 'subscriptionAddOns must be an object');
    const wrong = Object.entries(addOns).find(([, quantity]) => !Number.isInteger(quantity) || quantity < 0);
    if (wrong !== undefined) return refuse(422, 'subscriptionAddOns must have whole numbers from 0 on');
  }
  return got({
    ...(plan === undefined ? {} : { subscriptionPlan: plan }),
    ...(addOns === undefined ? {} : { subscriptionAddOns: { ...addOns } }),
  });
}

export const isEmpty = ({ subscriptionPlan, subscriptionAddOns }: Fallback): boolean =>
  (subscriptionPlan ?? '') === '' && Object.keys(subscriptionAddOns ?? {}).length === 0;

/** What is wrong with a fallback, or undefined: the rules of every subscription. */
export function fallbackProblem({ subscriptionPlan, subscriptionAddOns }: Fallback, offered: Offered): string | undefined {
  const choice = { plan: subscriptionPlan === '' ? undefined : subscriptionPlan, addOns: subscriptionAddOns };
  const problem = problemInPricing('of the fallback', choice, offered);
  return problem === undefined ? undefined : `Invalid subscription: ${problem.text.slice(0, 1000)}`;
}
