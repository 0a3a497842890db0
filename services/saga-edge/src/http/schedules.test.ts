import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTimezone, problemOfSchedule } from './schedules.ts';

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
