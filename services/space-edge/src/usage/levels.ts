/**
 * The consumption of a user's limits. The levels are a vertex of their own (`space/UsageLevels`) beside the contract: an evaluation that
 * consumes rewrites only this small vertex.
 *
 * Attributes: `userId`, `organizationId`, `contract` (the contract's id), `terms` (the same number as in the contract), `consumed`
 * (`{"zoom/minutes": 12}`: a key for each tracked limit), `renewals` (`{"zoom/minutes": {"at": ISO time, "value": 1, "unit": "MONTH",
 * "day": 31}}`: for renewable limits only; `day`, above 28, is the day on which the first period began).
 */
import type { Element } from '@polyedge/contracts/element';
import { isNumber, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { entryOf, keepEntries, readEntries, renameEntries } from '../protocol/entries.ts';
import { nextEnd, PERIOD_UNITS, type Period, plusPeriods } from './period.ts';

export const USAGE_TYPE = 'space/UsageLevels';

/** The id of the vertex of a contract's levels. */
export const usageId = (contractId: string): string => `${contractId}.usage`;

export interface Renewal extends Period {
  /** The time of the next reset, in milliseconds. */
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

/** Levels without the metadata of their vertex. */
export type Levels = Pick<Usage, 'consumed' | 'renewals'>;

/** Whether a level stays exact when raised by an amount: the formulas of pricings are calculated in doubles. */
export const isCountable = (level: number, amount: number): boolean => Math.abs(level + amount) <= Number.MAX_SAFE_INTEGER;

/** The days that every month has. */
const SHORTEST_MONTH = 28;

/** The key of a tracked limit of a service. Both names may contain a slash; in the service's it is percent-encoded. */
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
    // Concurrent writes may exceed what `isCountable` allows; such a level is counted to 16 digits.
    consumed: readEntries(consumed, (value) => (isNumber(value) ? Number(value) : undefined)),
    renewals: readEntries(renewals, toRenewal),
  };
}

function toRenewal(value: Json): Renewal | undefined {
  if (!isObject(value)) return undefined;
  const at = typeof value.at === 'string' ? Date.parse(value.at) : Number.NaN;
  const unit = PERIOD_UNITS.find((one) => one === value.unit);
  if (!Number.isFinite(at) || unit === undefined || typeof value.value !== 'number') return undefined;
  const { day } = value;
  return { at, unit, value: value.value, ...(typeof day === 'number' && day >= 1 && day <= 31 ? { day } : {}) };
}

/** The attributes of levels. */
export const levelAttributes = ({ consumed, renewals }: Levels): JsonObject => ({
  consumed: { ...consumed },
  renewals: Object.fromEntries(Object.entries(renewals).map(([key, renewal]) => [key, renewalAttribute(renewal)])),
});

const renewalAttribute = ({ at, value, unit, day }: Renewal): JsonObject => ({
  at: new Date(at).toISOString(),
  value,
  unit,
  ...(day === undefined ? {} : { day }),
});

/** Levels in SPACE's form: `{zoom: {minutes: {consumed, resetTimeStamp?}}}`. */
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

/** The tracked limits of a pricing: renewable ones and those marked as trackable. */
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

/** Levels for a new service: zero, with the first reset one period from now. */
export function freshLevels(service: string, limits: TrackedLimits, now: number): Levels {
  const consumed: Record<string, number> = {};
  const renewals: Record<string, Renewal> = {};
  for (const [limit, { period }] of Object.entries(limits)) {
    const key = limitKey(service, limit);
    consumed[key] = 0;
    if (period !== undefined) renewals[key] = { ...begun(period, now), at: plusPeriods(now, period, 1) };
  }
  return { consumed, renewals };
}

/** A period that begins at a moment. Its end in a short month does not make the later ones end as early. */
function begun(period: Period, now: number): Period {
  const day = new Date(now).getUTCDate();
  return day > SHORTEST_MONTH && (period.unit === 'MONTH' || period.unit === 'YEAR') ? { ...period, day } : period;
}

/** Keeps existing levels and adds missing ones. */
export const withMissing = (levels: Levels, fresh: Levels): Levels => ({
  consumed: { ...fresh.consumed, ...levels.consumed },
  // A limit that was not renewable before stays so in existing contracts.
  renewals: { ...keepEntries(fresh.renewals, (key) => !Object.hasOwn(levels.consumed, key)), ...levels.renewals },
});

export const withoutService = (levels: Levels, service: string): Levels =>
  keepLevels(levels, (key) => splitLimitKey(key).service !== service);

export const keepLevels = ({ consumed, renewals }: Levels, keep: (key: string) => boolean): Levels => ({
  consumed: keepEntries(consumed, keep),
  renewals: keepEntries(renewals, keep),
});

/** Levels after a service was renamed. */
export function renamedLevels({ consumed, renewals }: Levels, from: string, to: string): Levels {
  const rename = (key: string): string => {
    const { service, limit } = splitLimitKey(key);
    return service === from ? limitKey(to, limit) : key;
  };
  return { consumed: renameEntries(consumed, rename), renewals: renameEntries(renewals, rename) };
}

/** The renewable levels that are due, with their next reset. */
export const dueRenewals = ({ renewals }: Levels, now: number): readonly (readonly [key: string, next: Renewal, due: Renewal])[] =>
  Object.entries(renewals).flatMap(([key, renewal]) =>
    renewal.at < now ? [[key, { ...renewal, at: nextEnd(renewal.at, renewal, now) }, renewal] as const] : [],
  );

/** Resets levels on request; the next reset moves by a period, as in SPACE. */
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
