import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTimezone, nextRunOf, problemOfSchedule } from './schedules.ts';

test('saga:25 a schedule is one that comes, and a time zone one that exists', () => {
  for (const schedule of ['*/5 * * * *', '0 0 29 2 *', '0 30 12 * * MON-FRI', 'every 5 m', 'every 1h']) {
    assert.equal(problemOfSchedule(schedule, 'Europe/Berlin'), undefined, schedule);
  }
  for (const schedule of [
    'sometimes',
    '99 * * * *',
    '* * * * 8',
    'a b c d e',
    '0 0 30 2 *',
    '0 0 31 4,6 *',
    'every 0 s',
    'every 5 d',
    '* * * * * * *',
    5,
  ]) {
    assert.equal(typeof problemOfSchedule(schedule, undefined), 'string', String(schedule));
  }
  assert.deepEqual(['Europe/Berlin', 'UTC', 'Nowhere/Land', '', 5].map(isTimezone), [true, true, false, false, false]);
});

test('saga:25 the next run is the first tick after now, in the time zone of the job; none if there is no schedule or it is off', () => {
  const after = Date.parse('2026-03-28T12:00:00Z');
  const next = (job: object): string | null => nextRunOf({ ...job }, after);
  assert.equal(next({ schedule: '30 3 * * *', timezone: 'Europe/Berlin' }), '2026-03-29T01:30:00.000Z');
  assert.equal(next({ schedule: '30 3 * * *' }), '2026-03-29T03:30:00.000Z');
  assert.equal(next({ schedule: 'every 7 h' }), new Date((Math.floor(after / 25_200_000) + 1) * 25_200_000).toISOString());
  for (const job of [{}, { schedule: null }, { schedule: '* * * * *', enabled: false }, { schedule: 'sometimes' }])
    assert.equal(next(job), null);
});
