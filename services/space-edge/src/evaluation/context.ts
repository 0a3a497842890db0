/** The features and limits granted by a subscription to one service: the `pricingContext` of its expressions. */
import type { EvaluatedPricing } from './pricing.ts';
import type { Value } from './tree.ts';

export interface Granted {
  readonly features: ReadonlyMap<string, Value>;
  readonly usageLimits: ReadonlyMap<string, Value>;
}

/** The selection of one service in a contract. */
export interface ServiceSelection {
  readonly plan: string | undefined;
  /** The quantity of each add-on. */
  readonly addOns: Readonly<Record<string, number>>;
}

/**
 * The plan's values, overridden by those of each add-on, plus extensions times their quantity. Without a plan, only what the add-ons grant.
 * A plan's name matches in any case, an add-on's must match exactly.
 */
export function grantedBy(pricing: EvaluatedPricing, { plan, addOns }: ServiceSelection): Granted {
  const base = plan === undefined ? undefined : (pricing.plans.get(plan) ?? anyCase(pricing.plans, plan));
  const features = new Map(base?.features);
  const usageLimits = new Map(base?.usageLimits);
  for (const [name, addOn] of pricing.addOns) {
    const quantity = Object.hasOwn(addOns, name) ? (addOns[name] ?? 0) : 0;
    if (!(quantity > 0)) continue;
    for (const [feature, value] of addOn.features) features.set(feature, value);
    for (const [limit, value] of addOn.usageLimits) usageLimits.set(limit, value);
    for (const [limit, value] of addOn.extensions) {
      const before = usageLimits.get(limit) ?? 0;
      if (typeof before === 'number') usageLimits.set(limit, before + value * quantity);
    }
  }
  return { features, usageLimits };
}

function anyCase<T>(entries: ReadonlyMap<string, T>, name: string): T | undefined {
  const folded = name.toLowerCase();
  for (const [key, entry] of entries) if (key.toLowerCase() === folded) return entry;
  return undefined;
}
