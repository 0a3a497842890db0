import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextTick } from './schedule.ts';

const after = (schedule: string, from: string, timezone = 'UTC'): string | undefined => {
  const tick = nextTick({ schedule, timezone }, Date.parse(from));
  return tick === undefined ? undefined : new Date(tick).toISOString();
};

test('saga:25 five fields of cron begin at the minute, six at the second', () => {
  assert.equal(after('*/5 * * * *', '2026-03-01T10:02:30Z'), '2026-03-01T10:05:00.000Z');
  assert.equal(after('*/10 * * * * *', '2026-03-01T10:02:31Z'), '2026-03-01T10:02:40.000Z');
});

test('saga:25 a schedule is meant in its time zone, also when the clocks change', () => {
  assert.equal(after('30 8 * * *', '2026-01-10T12:00:00Z', 'Europe/Berlin'), '2026-01-11T07:30:00.000Z');
  assert.equal(after('30 8 * * *', '2026-07-10T12:00:00Z', 'Europe/Berlin'), '2026-07-11T06:30:00.000Z');
  // The hour that the change of the clocks leaves out.
  assert.equal(after('30 2 29 3 *', '2026-03-01T00:00:00Z', 'Europe/Berlin')?.startsWith('2026-03-29'), true);
});

test('saga:25 every n of a unit falls on whole multiples of it, on every runner', () => {
  assert.equal(after('every 5 m', '2026-03-01T10:02:30Z'), '2026-03-01T10:05:00.000Z');
  assert.equal(after('every 2 h', '2026-03-01T10:00:00Z'), '2026-03-01T12:00:00.000Z');
  assert.equal(after('every 1 s', '2026-03-01T10:00:00.999Z'), '2026-03-01T10:00:01.000Z');
});

test('saga:25 an invalid schedule is never due', () => {
  for (const [schedule, zone] of [
    ['', 'UTC'],
    ['every 0 s', 'UTC'],
    ['61 * * * *', 'UTC'],
    ['* * * * *', 'Mars/Olympus'],
    ['0 0 30 2 *', 'UTC'],
  ] as const) {
    assert.equal(after(schedule, '2026-03-01T10:00:00Z', zone), undefined, schedule);
  }
});
