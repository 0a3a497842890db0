/** When jobs run (Saga protocol page, 6.6): cron fields in a time zone, or `every <n> s|m|h`. */
import type { JsonObject } from '@polyedge/query/json';
import { Cron } from 'croner';

const EVERY = /^every\s+(\d{1,6})\s*(s|m|h)$/;
const UNIT: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const FIELDS = /^(\S+\s+){4,5}\S+$/;
const MAX_CHARACTERS = 128;

/** Why a schedule is invalid, or undefined. Includes schedules that never match, such as 30 February. */
export function problemOfSchedule(schedule: unknown, timezone: string | undefined): string | undefined {
  if (typeof schedule !== 'string' || schedule.length > MAX_CHARACTERS) return 'is not five or six cron fields, nor every <n> s|m|h';
  const every = EVERY.exec(schedule);
  if (every !== null) return Number(every[1]) > 0 ? undefined : 'is every 0';
  if (!FIELDS.test(schedule)) return 'is not five or six cron fields, nor every <n> s|m|h';
  try {
    const next = new Cron(schedule, { paused: true, ...(timezone === undefined ? {} : { timezone }) }).nextRun();
    return next === null ? 'names a time that never comes' : undefined;
  } catch {
    return 'has a field that is not one of cron';
  }
}

/** When a job is due next after a time in milliseconds since 1970, as ISO 8601; null if never. A runner updates it at every tick. */
export function nextRunOf({ schedule, timezone, enabled }: JsonObject, after: number): string | null {
  if (typeof schedule !== 'string' || enabled === false) return null;
  const [, count, unit = ''] = EVERY.exec(schedule) ?? [];
  const step = Number(count) * (UNIT[unit] ?? 0);
  if (step > 0) return new Date((Math.floor(after / step) + 1) * step).toISOString();
  try {
    const cron = new Cron(schedule, { paused: true, timezone: isTimezone(timezone) ? timezone : 'UTC' });
    return cron.nextRun(new Date(after))?.toISOString() ?? null;
  } catch {
    return null;
  }
}

/** Whether the time zone is one of the IANA database. */
export function isTimezone(timezone: unknown): timezone is string {
  if (typeof timezone !== 'string' || timezone === '' || timezone.length > 64) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}
