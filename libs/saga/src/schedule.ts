/** Schedules of jobs (Saga protocol page, 5.6 and 6.6): five or six fields of cron in a time zone, or `every <n> s|m|h`. Pure. */
import { Cron } from 'croner';

export interface Schedule {
  readonly schedule: string;
  /** A name of the IANA database. */
  readonly timezone: string;
}

const EVERY = /^every\s+(\d{1,6})\s*(s|m|h)$/;
const UNIT: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };
const FIELDS = /^(\S+\s+){4,5}\S+$/;
const MAX_CHARACTERS = 128;
const UNREADABLE = 'is not five or six cron fields, nor every <n> s|m|h';

/** The first tick after a time, in milliseconds since 1970; undefined if there is none, or the schedule or the time zone is invalid. */
export function nextTick({ schedule, timezone }: Schedule, after: number): number | undefined {
  const every = EVERY.exec(schedule);
  if (every !== null) {
    const step = stepOf(every);
    return step === 0 ? undefined : (Math.floor(after / step) + 1) * step;
  }
  if (schedule.length > MAX_CHARACTERS || !FIELDS.test(schedule) || !isTimezone(timezone)) return undefined;
  try {
    return new Cron(schedule, { timezone, paused: true }).nextRun(new Date(after))?.getTime();
  } catch {
    return undefined;
  }
}

/**
 * Why a schedule is invalid, or undefined. Includes schedules that never match, such as 30 February.
 * @param now in milliseconds since 1970
 */
export function problemOfSchedule(schedule: unknown, timezone: string, now: number): string | undefined {
  if (typeof schedule !== 'string' || schedule.length > MAX_CHARACTERS) return UNREADABLE;
  const every = EVERY.exec(schedule);
  if (every !== null) return stepOf(every) > 0 ? undefined : 'is every 0';
  if (!FIELDS.test(schedule)) return UNREADABLE;
  try {
    const next = new Cron(schedule, { timezone, paused: true }).nextRun(new Date(now));
    return next === null ? 'names a time that never comes' : undefined;
  } catch {
    return 'has a field that is not one of cron';
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

const stepOf = ([, count, unit = '']: RegExpExecArray): number => Number(count) * (UNIT[unit] ?? 0);
