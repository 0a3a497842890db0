/** Checks that a subscription is offered by its pricings (SPACE 1.2, ContractValidation: its rules, order and texts). */
import { entryOf } from '../protocol/entries.ts';
import type { Subscription } from './subscription.ts';

/** The parts of a pricing that the rules use. */
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

/** For a change of a contract, something missing is 404 and a wrong choice 400. */
export interface Invalid {
  readonly missing: boolean;
  readonly text: string;
}

const missing = (text: string): Invalid => ({ missing: true, text });
const wrong = (text: string): Invalid => ({ missing: false, text });

/** @param pricings those of the contracted services, by the case-folded name of the service */
export function subscriptionProblem(
  { contractedServices, subscriptionPlans, subscriptionAddOns }: Subscription,
  pricings: Readonly<Record<string, Offered>>,
): Invalid | undefined {
  // A service may be contracted without a plan or add-ons, as in SPACE: then there is nothing to check.
  for (const service of new Set([...Object.keys(subscriptionPlans), ...Object.keys(subscriptionAddOns)])) {
    const pricing = Object.hasOwn(contractedServices, service) ? entryOf(pricings, service) : undefined;
    if (pricing === undefined) {
      return missing(
        `NOT FOUND: Service with name ${service} in the request organization. Please check the services declared in subscriptionPlans and subscriptionAddOns.`,
      );
    }
    const choice = { plan: entryOf(subscriptionPlans, service), addOns: entryOf(subscriptionAddOns, service) };
    const problem = problemInPricing(service, choice, pricing);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The selection of one service. */
export interface Choice {
  readonly plan: string | undefined;
  readonly addOns: Readonly<Record<string, number>> | undefined;
}

export function problemInPricing(service: string, { plan, addOns }: Choice, offered: Offered): Invalid | undefined {
  if (plan !== undefined && planNamed(plan, offered.plans) === undefined)
    return missing(`Plan ${plan} for service ${service} not found in the request organization`);
  const chosen = addOns ?? {};
  for (const [name, quantity] of Object.entries(chosen)) {
    const problem = addOnProblem(name, quantity, { plan, chosen, offered });
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Finds a plan by name, ignoring case. */
const planNamed = (plan: string, plans: readonly string[]): string | undefined =>
  plans.find((name) => name.toLowerCase() === plan.toLowerCase());

function addOnProblem(
  name: string,
  quantity: number,
  {
    plan,
    chosen,
    offered,
  }: { readonly plan: string | undefined; readonly chosen: Readonly<Record<string, number>>; readonly offered: Offered },
): Invalid | undefined {
  const addOn = entryOf(offered.addOns, name);
  if (addOn === undefined)
    return missing(
      `Add-on ${name} declared in the subscription not found in pricing version ${offered.version} in the request organization`,
    );
  if (plan !== undefined && planNamed(plan, addOn.availableFor) === undefined)
    return wrong(`Add-on ${name} is not available for plan ${plan} in the request organization`);
  if (!addOn.dependsOn.every((other) => Object.hasOwn(chosen, other)))
    return wrong(`Add-on ${name} requires the following add-ons to be selected in the request organization: ${addOn.dependsOn.join(', ')}`);
  if (addOn.excludes.some((other) => Object.hasOwn(chosen, other)))
    return wrong(`Add-on ${name} cannot be selected with the following add-ons in the request organization: ${addOn.excludes.join(', ')}`);
  const { minQuantity, maxQuantity, quantityStep } = addOn.subscriptionConstraints ?? ANY_QUANTITY;
  if (quantity < minQuantity || quantity > maxQuantity || (quantity - minQuantity) % quantityStep !== 0)
    return wrong(
      `Add-on ${name} quantity ${quantity} is not valid. It must be between ${minQuantity} and ${maxQuantity}, and a multiple of ${quantityStep} in the request organization`,
    );
  return undefined;
}

const ANY_QUANTITY = { minQuantity: 1, maxQuantity: Number.POSITIVE_INFINITY, quantityStep: 1 };
