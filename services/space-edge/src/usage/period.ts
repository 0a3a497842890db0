/** Periods of renewable limits, in UTC. */

export const PERIOD_UNITS = ['SEC', 'MIN', 'HOUR', 'DAY', 'MONTH', 'YEAR'] as const;
export type PeriodUnit = (typeof PERIOD_UNITS)[number];

export interface Period {
  readonly value: number;
  readonly unit: PeriodUnit;
  /** The day of the month on which periods of months and years end where the month has it. Default: that of the moment they are counted from. */
  readonly day?: number;
}

const FIXED_MS: Readonly<Record<Exclude<PeriodUnit, 'MONTH' | 'YEAR'>, number>> = {
  SEC: 1000,
  MIN: 60_000,
  HOUR: 3_600_000,
  DAY: 86_400_000,
};

/** The latest time that a date can represent. */
const MAX_TIME = 8_640_000_000_000_000;

/** `count` periods after a moment. In a month that is too short the result is its last day: 31 January plus a month is the end of February. */
export function plusPeriods(at: number, { value, unit, day: wanted }: Period, count: number): number {
  if (unit !== 'MONTH' && unit !== 'YEAR') return Math.min(at + FIXED_MS[unit] * value * count, MAX_TIME);
  const months = (unit === 'YEAR' ? 12 : 1) * value * count;
  const from = new Date(at);
  const month = from.getUTCFullYear() * 12 + from.getUTCMonth() + Math.trunc(months);
  const [year, inYear] = [Math.floor(month / 12), month % 12];
  if (year > 200_000) return MAX_TIME;
  const lastDay = new Date(Date.UTC(year, inYear + 1, 0)).getUTCDate();
  const day = Math.min(wanted ?? from.getUTCDate(), lastDay);
  return Date.UTC(year, inYear, day) + (at - Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate()));
}

/**
 * The first end of a period after `now`, counted from an end that has passed. If a clock jumps over many periods there is only one reset, and
 * the schedule stays that of the first period.
 */
export function nextEnd(end: number, period: Period, now: number): number {
  const one = plusPeriods(end, period, 1) - end;
  if (!(one > 0)) return MAX_TIME;
  // The estimate is never too high: it assumes months of 31 days, so it counts too few periods rather than too many.
  const longest =
    period.unit === 'MONTH' ? 31 * FIXED_MS.DAY * period.value : period.unit === 'YEAR' ? 366 * FIXED_MS.DAY * period.value : one;
  let count = Math.max(1, Math.floor((now - end) / longest));
  let next = plusPeriods(end, period, count);
  while (next <= now && next < MAX_TIME) {
    count += 1;
    next = plusPeriods(end, period, count);
  }
  return next;
}
