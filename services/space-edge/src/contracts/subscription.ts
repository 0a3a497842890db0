/** A subscription: versions of services, a plan and add-ons of each. Names of services are folded, so that they match in any case. */
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { readEntries } from '../protocol/entries.ts';

export interface Subscription {
  /** The version of each service, in the spelling of the pricing's author. */
  readonly contractedServices: Readonly<Record<string, string>>;
  readonly subscriptionPlans: Readonly<Record<string, string>>;
  /** How often each add-on was taken. */
  readonly subscriptionAddOns: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The subscription that attributes hold. */
export function toSubscription({ contractedServices, subscriptionPlans, subscriptionAddOns }: JsonObject): Subscription {
  return {
    contractedServices: readEntries(contractedServices, toText),
    subscriptionPlans: readEntries(subscriptionPlans, toText),
    subscriptionAddOns: readEntries(subscriptionAddOns, (addOns) =>
      isObject(addOns) ? readEntries(addOns, (quantity) => (typeof quantity === 'number' ? quantity : undefined)) : undefined,
    ),
  };
}

const toText = (value: Json): string | undefined => (typeof value === 'string' ? value : undefined);
