/** SPACE's data: services with their pricings, contracts, and their users' consumption. Read from the graph, within the caller's scopes. */
import { graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import type { Json, JsonObject } from '@polyedge/query/json';
import type { Bus } from '@polyedge/service-kit/bus';
import { visibleTo } from '../visibility.ts';
import { objectOf, TIMEOUT_MS } from './answer.ts';
import { escaped } from './graph.ts';

const MAX_SHOWN = 100;

export interface PricingView {
  readonly version: string;
  /** The id of its element. */
  readonly id: string;
  readonly url?: string;
}

export interface ServiceView {
  readonly id: string;
  readonly name: string;
  readonly organization: string;
  readonly disabled: boolean;
  readonly active: readonly PricingView[];
  readonly archived: readonly PricingView[];
}

export interface ContractView {
  readonly id: string;
  readonly user: string;
  readonly organization: string;
  readonly startDate: string;
  readonly endDate: string;
  readonly autoRenew: boolean;
  readonly services: readonly {
    readonly name: string;
    readonly version: string;
    readonly plan: string;
    /** Quantity of each add-on. */
    readonly addOns: Readonly<Record<string, number>>;
  }[];
  /** By service and limit. */
  readonly usage: readonly { readonly limit: string; readonly consumed: number; readonly renewsOn?: string }[];
}

export interface SpaceView {
  readonly services: readonly ServiceView[];
  readonly contracts: readonly ContractView[];
  /** Whether there are more than shown. */
  readonly more: { readonly services: boolean; readonly contracts: boolean };
}

/** @param text part of a service's name or of a contract's user */
export async function spaceOf(bus: Bus, who: Principal, text: string): Promise<Outcome<SpaceView>> {
  const [services, contracts] = await Promise.all([
    find(bus, who, 'space/Service', ['attributes', 'name'], text),
    find(bus, who, 'space/Contract', ['attributes', 'userId'], text),
  ]);
  if (!services.ok) return services;
  if (!contracts.ok) return contracts;
  const ids = contracts.value.elements.map(({ id }) => `${id}.usage`);
  const levels = ids.length === 0 ? undefined : await query(bus, who, { test: 'in', path: ['id'], values: ids });
  if (levels?.ok === false) return levels;
  const usage = new Map(levels?.value.elements.map((one) => [one.id, one]));
  return {
    ok: true,
    value: {
      services: services.value.elements.map(serviceOf),
      contracts: contracts.value.elements.map((one) => contractOf(one, usage.get(`${one.id}.usage`))),
      more: { services: services.value.cursor !== undefined, contracts: contracts.value.cursor !== undefined },
    },
  };
}

function find(bus: Bus, who: Principal, type: string, path: readonly string[], text: string) {
  const ofType: Filter = { test: 'equal', path: ['type'], value: type };
  const named: Filter[] = text === '' ? [] : [{ test: 'text-like', path, pattern: `*${escaped(text)}*`, fold: true }];
  return query(bus, who, { all: [ofType, ...named] });
}

function query(bus: Bus, who: Principal, filter: Filter) {
  const wanted = { filter: { all: [visibleTo(who), filter] }, sort: [{ path: ['seq'], order: 'desc' }], limit: MAX_SHOWN } as const;
  return bus.request(graphQuery, graphQuery.subject({ tenant: who.tenant }), wanted, { timeoutMs: TIMEOUT_MS });
}

// Other protocols may have written these elements; unexpected forms are not shown.

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const entriesOf = (value: Json | undefined): [string, unknown][] => Object.entries(objectOf(value));

function serviceOf({ id, attributes }: Element): ServiceView {
  const { name, organizationId, disabled, activePricings, archivedPricings } = attributes;
  const pricings = (value: Json | undefined): PricingView[] =>
    entriesOf(value).map(([version, locator]) => {
      const { id: pricing, url } = objectOf(locator);
      return { version, id: textOf(pricing), ...(typeof url === 'string' ? { url } : {}) };
    });
  return {
    ...{ id, name: textOf(name), organization: textOf(organizationId), disabled: disabled === true },
    active: pricings(activePricings),
    archived: pricings(archivedPricings),
  };
}

function contractOf({ id, attributes }: Element, usage: Element | undefined): ContractView {
  const { userId, organizationId, billingPeriod, contractedServices, subscriptionPlans, subscriptionAddOns } = attributes;
  const { startDate, endDate, autoRenew } = objectOf(billingPeriod);
  const [plans, addOns] = [objectOf(subscriptionPlans), objectOf(subscriptionAddOns)];
  return {
    ...{ id, user: textOf(userId), organization: textOf(organizationId) },
    ...{ startDate: textOf(startDate), endDate: textOf(endDate), autoRenew: autoRenew === true },
    services: entriesOf(contractedServices).map(([name, version]) => ({
      ...{ name, version: textOf(version), plan: textOf(plans[name]) },
      addOns: Object.fromEntries(
        Object.entries(objectOf(addOns[name])).flatMap(([addOn, count]) => (typeof count === 'number' ? [[addOn, count]] : [])),
      ),
    })),
    usage: usage === undefined ? [] : usageOf(usage.attributes),
  };
}

function usageOf({ consumed, renewals }: JsonObject): ContractView['usage'] {
  const renewed = objectOf(renewals);
  return entriesOf(consumed).flatMap(([limit, count]) => {
    if (typeof count !== 'number') return [];
    const { at } = objectOf(renewed[limit]);
    return [{ limit, consumed: count, ...(typeof at === 'string' ? { renewsOn: at } : {}) }];
  });
}
