/** When a job is due (Saga protocol page, 5.6): five or six fields of cron in its time zone, or `every <n> s|m|h`. */
import { Cron } from 'croner';
import type { Runnable } from './runnable.ts';

const EVERY = /^every\s+(\d{1,9})\s*(s|m|h)$/;
const UNIT = { s: 1000, m: 60_000, h: 3_600_000 } as const;

/** The first tick after a time, in milliseconds since 1970; undefined if there is none, or the schedule is invalid. */
export function nextTick({ schedule = '', timezone }: Pick<Runnable, 'schedule' | 'timezone'>, after: number): number | undefined {
  const every = EVERY.exec(schedule.trim());
  if (every !== null) {
    const [, count = '', unit = 's'] = every;
    const step = Number(count) * (unit === 'h' ? UNIT.h : unit === 'm' ? UNIT.m : UNIT.s);
    return step === 0 ? undefined : (Math.floor(after / step) + 1) * step;
  }
  try {
    const cron = new Cron(schedule, { timezone, paused: true });
    return cron.nextRun(new Date(after))?.getTime();
  } catch {
    return undefined;
  }
}
