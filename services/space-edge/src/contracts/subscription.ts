/** A subscription: the version, plan and add-ons of each service. Names of services are case-folded. */
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { readEntries } from '../protocol/entries.ts';

export interface Subscription {
  /** The version of each service, in the spelling of the pricing's author. */
  readonly contractedServices: Readonly<Record<string, string>>;
  readonly subscriptionPlans: Readonly<Record<string, string>>;
  /** The quantity of each add-on. */
  readonly subscriptionAddOns: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The subscription in attributes of a vertex. */
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
