/**
 * A contract: which user has which services under which subscription, until when. A vertex `space/Contract`; its usage levels are another one (see
 * `usage/levels.ts`), and every change that touches both is one mutation. A user has one contract in the whole tenant: `userId` is unique.
 *
 * Attributes: `userId`, `organizationId`, `groupId`, `userContact`, `billingPeriod` (with ISO times), `contractedServices`,
 * `subscriptionPlans`, `subscriptionAddOns` (by the case-folded name of the service), `offers` (`{"zoom": {"service": id, "pricing": id}}`: the
 * vertices of the names), `terms` (incremented by each novation), `history`.
 */
import type { Element } from '@polyedge/contracts/element';
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { readEntries } from '../protocol/entries.ts';
import { type Levels, shownLevels, type Usage } from '../usage/levels.ts';
import { type Subscription, toSubscription } from './subscription.ts';

export const CONTRACT_TYPE = 'space/Contract';
/** The attribute that is unique among contracts. */
export const CONTRACT_KEY = 'userId';
/** The most earlier subscriptions shown in a contract; older ones are in the history of its vertex. */
const MAX_HISTORY = 100;

/** The vertices of a contracted service. */
export type Offer = {
  readonly service: string;
  readonly pricing: string;
};

export type Offers = Readonly<Record<string, Offer>>;

export type UserContact = {
  readonly userId: string;
  readonly username: string;
  readonly firstName?: string;
  readonly lastName?: string;
  readonly email?: string;
  readonly phone?: string;
};

/** Times in milliseconds. */
export type BillingPeriod = {
  readonly startDate: number;
  readonly endDate: number;
  readonly autoRenew: boolean;
  readonly renewalDays: number;
};

export type HistoryEntry = Subscription & { readonly startDate: number; readonly endDate: number };

/** A contract without its vertex. */
export interface Terms extends Subscription {
  readonly userId: string;
  readonly organizationId: string;
  readonly groupId?: string | undefined;
  readonly userContact: UserContact;
  readonly billingPeriod: BillingPeriod;
  readonly offers: Offers;
  /** The number of the subscription, incremented by each novation. The usage levels have the same number. */
  readonly terms: number;
  readonly history: readonly HistoryEntry[];
}

export interface Contract extends Terms {
  readonly id: string;
  readonly elementVersion: number;
  readonly usage: Usage;
}

/** Converts a vertex. Other protocols may write it too, so its values are validated. */
export function toContract({ id, version, attributes }: Element, usage: Usage): Contract {
  const { userId, organizationId, groupId, userContact, billingPeriod, offers, terms, history } = attributes;
  return {
    id,
    elementVersion: version,
    usage,
    userId: textOf(userId),
    organizationId: textOf(organizationId),
    groupId: typeof groupId === 'string' ? groupId : undefined,
    userContact: toContact(userContact, textOf(userId)),
    billingPeriod: toPeriod(billingPeriod),
    ...toSubscription(attributes),
    offers: toOffers(offers),
    terms: typeof terms === 'number' ? terms : 0,
    history: Array.isArray(history) ? history.flatMap(toHistoryEntry) : [],
  };
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const timeOf = (value: Json | undefined): number => {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? 0 : time;
};

function toContact(value: Json | undefined, userId: string): UserContact {
  const given = isObject(value) ? value : {};
  const texts = Object.fromEntries(
    ['firstName', 'lastName', 'email', 'phone'].flatMap((name) => (typeof given[name] === 'string' ? [[name, given[name]]] : [])),
  );
  return { userId, username: textOf(given.username), ...texts };
}

/** Reads the attribute `billingPeriod`. */
export function toPeriod(value: Json | undefined): BillingPeriod {
  const given = isObject(value) ? value : {};
  return {
    startDate: timeOf(given.startDate),
    endDate: timeOf(given.endDate),
    autoRenew: given.autoRenew === true,
    renewalDays: typeof given.renewalDays === 'number' ? given.renewalDays : 30,
  };
}

const toOffers = (value: Json | undefined): Offers =>
  readEntries(value, (offer) =>
    isObject(offer) && typeof offer.service === 'string' && typeof offer.pricing === 'string'
      ? { service: offer.service, pricing: offer.pricing }
      : undefined,
  );

function toHistoryEntry(value: Json): HistoryEntry[] {
  return isObject(value) ? [{ startDate: timeOf(value.startDate), endDate: timeOf(value.endDate), ...toSubscription(value) }] : [];
}

export const contractAttributes = ({
  userId,
  organizationId,
  groupId,
  userContact,
  billingPeriod,
  offers,
  terms,
  history,
  ...rest
}: Terms): JsonObject => ({
  userId,
  organizationId,
  ...(groupId === undefined ? {} : { groupId }),
  userContact: { ...userContact },
  billingPeriod: periodAttribute(billingPeriod),
  ...subscriptionAttributes(rest),
  offers: Object.fromEntries(Object.entries(offers).map(([name, { service, pricing }]) => [name, { service, pricing }])),
  terms,
  history: history.slice(-MAX_HISTORY).map(historyAttribute),
});

const subscriptionAttributes = ({ contractedServices, subscriptionPlans, subscriptionAddOns }: Subscription): JsonObject => ({
  contractedServices: { ...contractedServices },
  subscriptionPlans: { ...subscriptionPlans },
  subscriptionAddOns: Object.fromEntries(Object.entries(subscriptionAddOns).map(([name, addOns]) => [name, { ...addOns }])),
});

const iso = (time: number): string => new Date(time).toISOString();

const periodAttribute = ({ startDate, endDate, autoRenew, renewalDays }: BillingPeriod): JsonObject => ({
  startDate: iso(startDate),
  endDate: iso(endDate),
  autoRenew,
  renewalDays,
});

const historyAttribute = ({ startDate, endDate, ...subscription }: HistoryEntry): JsonObject => ({
  startDate: iso(startDate),
  endDate: iso(endDate),
  ...subscriptionAttributes(subscription),
});

/** The contract in SPACE's answers. It has no other keys, because the Java client rejects unknown ones. `groupId` is absent if there is none. */
export function shownContract(contract: Terms & { readonly id: string; readonly usage: Levels }): JsonObject {
  const { userId: _userId, offers: _offers, terms: _terms, ...attributes } = contractAttributes(contract);
  const { userContact, billingPeriod, organizationId, groupId, contractedServices, subscriptionPlans, subscriptionAddOns, history } =
    attributes;
  return {
    userContact: userContact ?? {},
    billingPeriod: billingPeriod ?? {},
    usageLevels: shownLevels(contract.usage) as JsonObject,
    organizationId: organizationId ?? '',
    ...(groupId === undefined ? {} : { groupId }),
    contractedServices: contractedServices ?? {},
    subscriptionPlans: subscriptionPlans ?? {},
    subscriptionAddOns: subscriptionAddOns ?? {},
    history: history ?? [],
    id: contract.id,
  };
}
