/**
 * Cache of contracts prepared for evaluation, kept current by the feed: an evaluation without consumption needs no request. An entry is
 * never older than the feed's delay; while the feed is not live, nothing is cached.
 */
import type { FullChange } from '@polyedge/contracts/change';
import { LRUCache } from 'lru-cache';
import { CONTRACT_TYPE, type Contract } from '../../contracts/contract.ts';
import { grantedBy } from '../../evaluation/context.ts';
import type { Subscribed } from '../../evaluation/evaluate.ts';
import { got, type Result, refuse } from '../../protocol/answer.ts';
import { entryOf } from '../../protocol/entries.ts';
import { splitLimitKey, toUsage, USAGE_TYPE } from '../../usage/levels.ts';
import { type Pricings, pricingOf, serviceOf } from '../catalogue/pricings.ts';
import { shortened } from '../catalogue/service-parts.ts';
import type { Following } from '../following.ts';
import type { Contracts } from './contracts.ts';

export interface CachedSubscription {
  readonly contract: Contract;
  readonly services: readonly Subscribed[];
  /** Cached answers, by request. Valid until anything of the subscription changes, or until `until`. */
  readonly answers: Map<string, string>;
  /** When the contract ends, or a level is reset. */
  readonly until: number;
}

/** Estimated bytes of an entry without its answers. */
const ENTRY_BYTES = 4096;

export interface SubscriptionsOptions {
  readonly contracts: Pick<Contracts, 'current'>;
  readonly pricings: Pick<Pricings, 'get'>;
  readonly following: Pick<Following, 'live' | 'follow'>;
  readonly now: () => number;
  readonly maxBytes: number;
}

export class SubscriptionCache {
  readonly #contracts: SubscriptionsOptions['contracts'];
  readonly #pricings: SubscriptionsOptions['pricings'];
  readonly #following: SubscriptionsOptions['following'];
  readonly #now: () => number;
  readonly #kept: LRUCache<string, CachedSubscription>;
  /** Users whose contracts are being read, and the number of changes meanwhile. */
  readonly #reading = new Map<string, { readers: number; changes: number }>();
  /** Incremented whenever everything that is being read may be outdated. */
  #era = 0;

  constructor({ contracts, pricings, following, now, maxBytes }: SubscriptionsOptions) {
    this.#contracts = contracts;
    this.#pricings = pricings;
    this.#following = following;
    this.#now = now;
    this.#kept = new LRUCache({ maxSize: maxBytes });
    const missed = (): void => {
      this.#era += 1;
      this.#kept.clear();
    };
    following.follow([CONTRACT_TYPE, USAGE_TYPE], { change: (change) => this.#changed(change), missed });
    // Rare, and affecting many contracts at once.
    following.follow(['space/Service', 'space/Pricing'], { change: missed, missed });
  }

  /**
   * A user's current subscription: 404 without a contract (or if a service or pricing of it is missing), 400 if it has expired.
   * @param fresh reads from the store, without the cache
   */
  async find(userId: string, organizationId: string, fresh = false): Promise<Result<CachedSubscription>> {
    const kept = fresh || !this.#following.live ? undefined : this.#kept.get(userId);
    if (kept !== undefined && kept.until > this.#now() && kept.contract.organizationId === organizationId) return got(kept);
    const reading = this.#begin(userId);
    const [era, { changes }] = [this.#era, reading];
    try {
      const contract = await this.#contracts.current(userId, organizationId);
      if (!contract.ok) return contract;
      const subscription = await this.#prepare(contract.value);
      if (!subscription.ok) return subscription;
      const unchanged = era === this.#era && changes === reading.changes;
      if (unchanged && this.#following.live) this.#keep(subscription.value);
      return subscription;
    } finally {
      reading.readers -= 1;
      if (reading.readers === 0) this.#reading.delete(userId);
    }
  }

  /** Stores new levels of a contract, which this replica has written or heard of. @returns the subscription with these levels */
  update(subscription: CachedSubscription, contract: Contract): CachedSubscription {
    const updated = withLevels(subscription, contract);
    const kept = this.#kept.get(contract.userId);
    // The feed may have delivered a newer state already.
    if (kept === undefined || kept.contract.usage.elementVersion >= contract.usage.elementVersion) return updated;
    // Not `updated`, which was read before the levels were written: the contract may have been changed or replaced in between.
    const { id, elementVersion } = kept.contract;
    if (id === contract.id && elementVersion === contract.elementVersion) this.#keep(withLevels(kept, contract));
    else this.#kept.delete(contract.userId);
    return updated;
  }

  /** A cached answer of a subscription; computed once while the subscription is cached. */
  answer(subscription: CachedSubscription, asked: string, make: () => string): string {
    const known = subscription.answers.get(asked);
    if (known !== undefined) return known;
    const answer = make();
    subscription.answers.set(asked, answer);
    const { userId } = subscription.contract;
    if (this.#kept.peek(userId) === subscription) this.#keep(subscription);
    return answer;
  }

  #begin(userId: string): { readers: number; changes: number } {
    const reading = this.#reading.get(userId) ?? { readers: 0, changes: 0 };
    reading.readers += 1;
    this.#reading.set(userId, reading);
    return reading;
  }

  #keep(subscription: CachedSubscription): void {
    let size = ENTRY_BYTES;
    for (const answer of subscription.answers.values()) size += answer.length * 2;
    this.#kept.set(subscription.contract.userId, subscription, { size });
  }

  #changed({ state, type }: FullChange): void {
    const { userId } = state.attributes;
    if (typeof userId !== 'string') return;
    const reading = this.#reading.get(userId);
    if (reading !== undefined) reading.changes += 1;
    const kept = this.#kept.peek(userId);
    if (kept === undefined) return;
    if (type !== USAGE_TYPE || state.deleted) {
      this.#kept.delete(userId);
      return;
    }
    if (state.id !== kept.contract.usage.id || state.version <= kept.contract.usage.elementVersion) return;
    const usage = toUsage(state);
    // Levels of another subscription are accompanied by a change of the contract, before or after.
    if (usage.terms === kept.contract.terms) this.update(kept, { ...kept.contract, usage });
    else this.#kept.delete(userId);
  }

  async #prepare(contract: Contract): Promise<Result<CachedSubscription>> {
    const names = Object.keys(contract.contractedServices);
    const known = await this.#pricings.get(Object.values(contract.offers).flatMap(({ service, pricing }) => [service, pricing]));
    if (!known.ok) return known;
    const services: Subscribed[] = [];
    for (const name of names) {
      const offer = entryOf(contract.offers, name);
      const service = offer === undefined ? undefined : serviceOf(known.value, offer.service);
      if (offer === undefined || service === undefined || service.disabled)
        return refuse(404, `NOT FOUND: Service with name ${shortened(name)} not found`);
      const pricing = pricingOf(known.value, offer.pricing);
      if (pricing === undefined) {
        const version = contract.contractedServices[name] ?? '';
        return refuse(404, `NOT FOUND: Pricing version ${shortened(version)} not found for service ${shortened(name)}`);
      }
      const chosen = { plan: entryOf(contract.subscriptionPlans, name), addOns: entryOf(contract.subscriptionAddOns, name) ?? {} };
      services.push({
        service: name,
        pricing: pricing.evaluated,
        granted: grantedBy(pricing.evaluated, chosen),
        used: usedOf(contract, name),
      });
    }
    return got({ contract, services, answers: new Map(), until: untilOf(contract) });
  }
}

const withLevels = (subscription: CachedSubscription, contract: Contract): CachedSubscription => ({
  contract,
  services: subscription.services.map((service) => ({ ...service, used: usedOf(contract, service.service) })),
  answers: new Map(),
  until: untilOf(contract),
});

function usedOf({ usage }: Contract, service: string): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const [key, consumed] of Object.entries(usage.consumed)) {
    const limit = splitLimitKey(key);
    if (limit.service === service) used.set(limit.limit, consumed);
  }
  return used;
}

const untilOf = ({ billingPeriod, usage }: Contract): number =>
  Math.min(billingPeriod.endDate, ...Object.values(usage.renewals).map(({ at }) => at));
