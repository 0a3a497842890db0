/** Computes the result of a novation. Pure; it is written under the condition that the contract still has the version that was read. */
import { keepEntries, renameEntries } from '../protocol/entries.ts';
import {
  freshLevels,
  keepLevels,
  type Levels,
  renamedLevels,
  splitLimitKey,
  type TrackedLimits,
  withMissing,
  withoutService,
} from '../usage/levels.ts';
import { newPeriod } from './billing.ts';
import type { Contract, HistoryEntry, Offer, Offers, Terms } from './contract.ts';
import type { Subscription } from './subscription.ts';

/** A contract and its usage levels after a change. */
export interface Novated {
  readonly terms: Terms;
  readonly levels: Levels;
}

/** The most tracked limits of one contract. Beyond this, levels of services that it no longer has are removed. */
const MAX_LEVELS = 1000;

/** The ending subscription as an entry of the history. */
function ending({ billingPeriod, history, contractedServices, subscriptionPlans, subscriptionAddOns }: Terms, now: number): HistoryEntry {
  const startDate = Math.max(billingPeriod.startDate, history.at(-1)?.endDate ?? 0);
  return { startDate, endDate: now, contractedServices, subscriptionPlans, subscriptionAddOns };
}

const withHistory = (contract: Terms, now: number): readonly HistoryEntry[] => [...contract.history, ending(contract, now)];

export interface NewSubscription {
  readonly subscription: Subscription;
  readonly offers: Offers;
  /** The limits of each contracted service. */
  readonly limits: Readonly<Record<string, TrackedLimits>>;
  readonly autoRenew?: boolean | undefined;
}

/** Levels of all services of a subscription, starting at zero. */
export const levelsOf = (limits: NewSubscription['limits'], now: number): Levels =>
  Object.entries(limits).reduce<Levels>((levels, [service, tracked]) => withMissing(levels, freshLevels(service, tracked, now)), {
    consumed: {},
    renewals: {},
  });

/** Changes the subscription: a new billing period begins, existing levels stay, and levels of new limits are added. */
export function novated(contract: Contract, { subscription, offers, limits, autoRenew }: NewSubscription, now: number): Novated {
  const { billingPeriod } = contract;
  const levels = withMissing(contract.usage, levelsOf(limits, now));
  const bounded =
    Object.keys(levels.consumed).length <= MAX_LEVELS
      ? levels
      : keepLevels(levels, (key) => Object.hasOwn(subscription.contractedServices, splitLimitKey(key).service));
  return {
    terms: {
      ...contract,
      ...subscription,
      offers,
      terms: contract.terms + 1,
      history: withHistory(contract, now),
      billingPeriod: newPeriod(now, autoRenew ?? billingPeriod.autoRenew, billingPeriod.renewalDays),
    },
    levels: bounded,
  };
}

export interface NovationFallback {
  readonly plan?: string | undefined;
  readonly addOns: Readonly<Record<string, number>>;
  readonly version: string;
  readonly offer: Offer;
  readonly limits: TrackedLimits;
}

/** Changes the pricing of one service, because the current one is archived: its levels are reset, the billing period continues. */
export function fallenBack(
  contract: Contract,
  service: string,
  { plan, addOns, version, offer, limits }: NovationFallback,
  now: number,
): Novated {
  const { [service]: _plan, ...plans } = contract.subscriptionPlans;
  const levels = withMissing(withoutService(contract.usage, service), freshLevels(service, limits, now));
  return {
    terms: {
      ...contract,
      contractedServices: { ...contract.contractedServices, [service]: version },
      subscriptionPlans: plan === undefined ? plans : { ...plans, [service]: plan },
      subscriptionAddOns: { ...contract.subscriptionAddOns, [service]: addOns },
      offers: { ...contract.offers, [service]: offer },
      terms: contract.terms + 1,
      history: withHistory(contract, now),
    },
    levels,
  };
}

/** Renames a service. The terms do not change, so there is no entry in the history. */
export function serviceRenamed(contract: Contract, from: string, to: string): Novated {
  const rename = (name: string): string => (name === from ? to : name);
  return {
    terms: {
      ...contract,
      contractedServices: renameEntries(contract.contractedServices, rename),
      subscriptionPlans: renameEntries(contract.subscriptionPlans, rename),
      subscriptionAddOns: renameEntries(contract.subscriptionAddOns, rename),
      offers: renameEntries(contract.offers, rename),
      terms: contract.terms + 1,
    },
    levels: renamedLevels(contract.usage, from, to),
  };
}

/**
 * A service moved to another organization: a contract for this service alone moves with it; in other contracts the service is removed.
 * @param to the service's new name
 */
export function serviceMoved(contract: Contract, from: string, to: string, organizationId: string, now: number): Novated {
  if (Object.keys(contract.contractedServices).length === 1) {
    const { terms, levels } = serviceRenamed(contract, from, to);
    return { terms: { ...terms, organizationId }, levels };
  }
  const other = (name: string): boolean => name !== from;
  return {
    terms: {
      ...contract,
      contractedServices: keepEntries(contract.contractedServices, other),
      subscriptionPlans: keepEntries(contract.subscriptionPlans, other),
      subscriptionAddOns: keepEntries(contract.subscriptionAddOns, other),
      offers: keepEntries(contract.offers, other),
      terms: contract.terms + 1,
      history: withHistory(contract, now),
    },
    levels: withoutService(contract.usage, from),
  };
}
