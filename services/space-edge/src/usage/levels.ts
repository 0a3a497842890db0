/**
 * What a user consumed of the limits of his services. The levels are a vertex of their own (`space/UsageLevels`) beside the contract: an
 * evaluation that consumes rewrites this small one, and the contract's own state stays as it is.
 *
 * Attributes: `userId`, `organizationId`, `contract` (the contract's id), `terms` (grows with each novation, in the contract too), `consumed`
 * (`{"zoom/minutes": 12}`: a key for each tracked limit), `renewals` (`{"zoom/minutes": {"at": ISO time, "value": 1, "unit": "MONTH"}}`: of
 * renewable limits only).
 */
import type { Element } from '@polyedge/contracts/element';
import { isNumber, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { entryOf, keepEntries, readEntries, renameEntries } from '../protocol/entries.ts';
import { nextEnd, PERIOD_UNITS, type Period, plusPeriods } from './period.ts';

export const USAGE_TYPE = 'space/UsageLevels';

/** The vertex of a contract's levels. */
export const usageId = (contractId: string): string => `${contractId}.usage`;

export interface Renewal extends Period {
  /** When the level is set to zero next, in milliseconds. */
  readonly at: number;
}

export interface Usage {
  readonly id: string;
  readonly elementVersion: number;
  readonly terms: number;
  /** By `limitKey`. */
  readonly consumed: Readonly<Record<string, number>>;
  readonly renewals: Readonly<Record<string, Renewal>>;
}

/** Levels without their vertex. */
export type Levels = Pick<Usage, 'consumed' | 'renewals'>;

/** Whether a level can be raised by so much and stay exact: the formulas of pricings are calculated in doubles. */
export const isCountable = (level: number, amount: number): boolean => Math.abs(level + amount) <= Number.MAX_SAFE_INTEGER;

/** A tracked limit of a service. Both names may have a slash; in the service's it is written as in an address. */
export const limitKey = (service: string, limit: string): string => `${service.replaceAll('%', '%25').replaceAll('/', '%2F')}/${limit}`;

export function splitLimitKey(key: string): { readonly service: string; readonly limit: string } {
  const at = key.indexOf('/');
  return { service: key.slice(0, at).replaceAll('%2F', '/').replaceAll('%25', '%'), limit: key.slice(at + 1) };
}

export function toUsage({ id, version, attributes }: Element): Usage {
  const { terms, consumed, renewals } = attributes;
  return {
    id,
    elementVersion: version,
    terms: typeof terms === 'number' ? terms : 0,
    // Two at once may pass what `isCountable` allows: such a level counts on, to 16 digits.
    consumed: readEntries(consumed, (value) => (isNumber(value) ? Number(value) : undefined)),
    renewals: readEntries(renewals, toRenewal),
  };
}

function toRenewal(value: Json): Renewal | undefined {
  if (!isObject(value)) return undefined;
  const at = typeof value.at === 'string' ? Date.parse(value.at) : Number.NaN;
  const unit = PERIOD_UNITS.find((one) => one === value.unit);
  return Number.isFinite(at) && unit !== undefined && typeof value.value === 'number' ? { at, unit, value: value.value } : undefined;
}

/** The attributes that hold levels. */
export const levelAttributes = ({ consumed, renewals }: Levels): JsonObject => ({
  consumed: { ...consumed },
  renewals: Object.fromEntries(Object.entries(renewals).map(([key, renewal]) => [key, renewalAttribute(renewal)])),
});

const renewalAttribute = ({ at, value, unit }: Renewal): JsonObject => ({ at: new Date(at).toISOString(), value, unit });

/** As SPACE shows them: `{zoom: {minutes: {consumed, resetTimeStamp?}}}`. */
export function shownLevels({ consumed, renewals }: Levels): Record<string, Record<string, unknown>> {
  const services = new Map<string, Record<string, unknown>>();
  for (const [key, used] of Object.entries(consumed)) {
    const { service, limit } = splitLimitKey(key);
    const levels = services.get(service) ?? {};
    const renewal = entryOf(renewals, key);
    levels[limit] = { ...(renewal === undefined ? {} : { resetTimeStamp: new Date(renewal.at).toISOString() }), consumed: used };
    services.set(service, levels);
  }
  return Object.fromEntries(services);
}

/** What of a pricing's limits decides about levels: renewable ones are tracked, and those that say so. */
export type TrackedLimits = Readonly<Record<string, { readonly period?: Period }>>;

/** The tracked limits of a stored pricing. */
export function trackedLimits(pricing: JsonObject): TrackedLimits {
  return readEntries(pricing.usageLimits, (limit) => {
    if (!isObject(limit)) return undefined;
    const { type, trackable, period } = limit;
    if (type !== 'RENEWABLE') return trackable === true ? {} : undefined;
    const unit = isObject(period) ? PERIOD_UNITS.find((one) => one === period.unit) : undefined;
    const value = isObject(period) && typeof period.value === 'number' ? period.value : undefined;
    return { period: unit === undefined || value === undefined ? { value: 1, unit: 'MONTH' } : { value, unit } };
  });
}

/** Levels of a service that somebody begins to use: zero, with the first reset a period from now. */
export function freshLevels(service: string, limits: TrackedLimits, now: number): Levels {
  const consumed: Record<string, number> = {};
  const renewals: Record<string, Renewal> = {};
  for (const [limit, { period }] of Object.entries(limits)) {
    const key = limitKey(service, limit);
    consumed[key] = 0;
    if (period !== undefined) renewals[key] = { ...period, at: plusPeriods(now, period, 1) };
  }
  return { consumed, renewals };
}

/** Levels that are there stay as they are; others are added. */
export const withMissing = (levels: Levels, fresh: Levels): Levels => ({
  consumed: { ...fresh.consumed, ...levels.consumed },
  // A limit that was not renewable before stays so for who has it already.
  renewals: { ...keepEntries(fresh.renewals, (key) => !Object.hasOwn(levels.consumed, key)), ...levels.renewals },
});

export const withoutService = (levels: Levels, service: string): Levels =>
  keepLevels(levels, (key) => splitLimitKey(key).service !== service);

export const keepLevels = ({ consumed, renewals }: Levels, keep: (key: string) => boolean): Levels => ({
  consumed: keepEntries(consumed, keep),
  renewals: keepEntries(renewals, keep),
});

/** The levels of a service under its new name. */
export function renamedLevels({ consumed, renewals }: Levels, from: string, to: string): Levels {
  const rename = (key: string): string => {
    const { service, limit } = splitLimitKey(key);
    return service === from ? limitKey(to, limit) : key;
  };
  return { consumed: renameEntries(consumed, rename), renewals: renameEntries(renewals, rename) };
}

/** The renewable levels whose time has come, with their next reset. */
export const dueRenewals = ({ renewals }: Levels, now: number): readonly (readonly [key: string, next: Renewal, due: Renewal])[] =>
  Object.entries(renewals).flatMap(([key, renewal]) =>
    renewal.at < now ? [[key, { ...renewal, at: nextEnd(renewal.at, renewal, now) }, renewal] as const] : [],
  );

/** A level set to zero by hand: the next reset moves on by a period, as in SPACE. */
export function resetLevels(levels: Levels, which: (key: string, renewable: boolean) => boolean): Levels {
  const consumed = { ...levels.consumed };
  const renewals = { ...levels.renewals };
  for (const key of Object.keys(consumed)) {
    const renewal = entryOf(renewals, key);
    if (!which(key, renewal !== undefined)) continue;
    consumed[key] = 0;
    if (renewal !== undefined) renewals[key] = { ...renewal, at: plusPeriods(renewal.at, renewal, 1) };
  }
  return { consumed, renewals };
}
