/** A pricing as SPACE answers it: plans with the effective value of every feature and limit, definitions kept as they are (protocol page 3.3). */
import type { AddOn, Plan, Pricing, Worth } from './pricing.ts';

/** Where a pricing came from, and whose it is. */
export interface Provenance {
  readonly organizationId: string;
  /** Of an uploaded file: where it is served. */
  readonly yamlPath?: string;
  /** Of a pricing given by its URL. */
  readonly url?: string;
}

export function published(pricing: Pricing, { organizationId, yamlPath, url }: Provenance): Record<string, unknown> {
  const { version, currency, createdAt, features, usageLimits } = pricing;
  return {
    // A remote pricing shows its URL instead of an owner and a path (SPACE 1.2).
    ...(url === undefined ? { _organizationId: organizationId, ...(yamlPath === undefined ? {} : { yamlPath }) } : { url }),
    version,
    currency,
    createdAt: `${createdAt}T00:00:00.000Z`,
    features,
    usageLimits,
    plans: mapped(pricing.plans, (plan) => withDefaults(plan, pricing)),
    addOns: pricing.addOns satisfies Readonly<Record<string, AddOn>>,
  };
}

function withDefaults(plan: Plan, { features, usageLimits }: Pricing): Plan {
  return { ...plan, features: effective(features, plan.features), usageLimits: effective(usageLimits, plan.usageLimits) };
}

function effective(
  definitions: Readonly<Record<string, { readonly defaultValue: Worth }>>,
  own: Readonly<Record<string, Worth>>,
): Record<string, Worth> {
  return mapped(definitions, ({ defaultValue }, name) => (Object.hasOwn(own, name) ? (own[name] ?? defaultValue) : defaultValue));
}

function mapped<From, To>(from: Readonly<Record<string, From>>, to: (value: From, name: string) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, to(value, name)]));
}
