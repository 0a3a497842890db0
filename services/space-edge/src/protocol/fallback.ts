/** The fallback of archiving: what contracts of the archived version fall back to, checked against the pricing they would get. */
import { got, type Result, refuse } from './answer.ts';

export interface Fallback {
  readonly subscriptionPlan?: string;
  readonly subscriptionAddOns?: Readonly<Record<string, number>>;
}

/** What of a pricing the check looks at. */
export interface Offered {
  readonly version: string;
  readonly plans: readonly string[];
  readonly addOns: Readonly<
    Record<
      string,
      {
        readonly availableFor: readonly string[];
        readonly dependsOn: readonly string[];
        readonly excludes: readonly string[];
        readonly subscriptionConstraints?: { readonly minQuantity: number; readonly maxQuantity: number; readonly quantityStep: number };
      }
    >
  >;
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

/** What is wrong with a fallback, or undefined (SPACE 1.2, ContractValidation: the rules of every subscription). */
export function fallbackProblem({ subscriptionPlan, subscriptionAddOns }: Fallback, offered: Offered): string | undefined {
  const plan = offered.plans.find((name) => name.toLowerCase() === subscriptionPlan?.toLowerCase());
  if ((subscriptionPlan ?? '') !== '' && plan === undefined) {
    return `Invalid subscription: Plan ${subscriptionPlan?.slice(0, 255)} not found in pricing ${offered.version}`;
  }
  const chosen = Object.entries(subscriptionAddOns ?? {}).filter(([, quantity]) => quantity > 0);
  const names = new Set(chosen.map(([name]) => name));
  for (const [name, quantity] of chosen) {
    const problem = addOnProblem(name, quantity, { plan, names, offered });
    if (problem !== undefined) return `Invalid subscription: Add-on ${name.slice(0, 255)} ${problem}`;
  }
  return undefined;
}

function addOnProblem(
  name: string,
  quantity: number,
  { plan, names, offered }: { readonly plan: string | undefined; readonly names: ReadonlySet<string>; readonly offered: Offered },
): string | undefined {
  const addOn = Object.hasOwn(offered.addOns, name) ? offered.addOns[name] : undefined;
  if (addOn === undefined) return `not found in pricing ${offered.version}`;
  if (plan !== undefined && !addOn.availableFor.includes(plan)) return `is not available for plan ${plan}`;
  const missing = addOn.dependsOn.find((other) => !names.has(other));
  if (missing !== undefined) return `depends on ${missing}`;
  const clash = addOn.excludes.find((other) => names.has(other));
  if (clash !== undefined) return `excludes ${clash}`;
  const { minQuantity, maxQuantity, quantityStep } = addOn.subscriptionConstraints ?? { minQuantity: 1, maxQuantity: 1, quantityStep: 1 };
  if (quantity < minQuantity || quantity > maxQuantity || (quantity - minQuantity) % quantityStep !== 0) {
    return `may be taken ${minQuantity} to ${maxQuantity} times in steps of ${quantityStep}`;
  }
  return undefined;
}
