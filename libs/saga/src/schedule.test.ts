import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTimezone, nextTick, problemOfSchedule } from './schedule.ts';

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
    ['2026-12-01T00:00:00', 'UTC'],
    ['@daily', 'UTC'],
    ['every 1000000 s', 'UTC'],
    [' every 5 m', 'UTC'],
  ] as const) {
    assert.equal(after(schedule, '2026-03-01T10:00:00Z', zone), undefined, schedule);
  }
});

test('saga:25 a schedule is one that comes, and a time zone one that exists', () => {
  const now = Date.parse('2026-03-28T12:00:00Z');
  for (const schedule of ['*/5 * * * *', '0 0 29 2 *', '0 30 12 * * MON-FRI', 'every 5 m', 'every 1h']) {
    assert.equal(problemOfSchedule(schedule, 'Europe/Berlin', now), undefined, schedule);
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
    assert.equal(typeof problemOfSchedule(schedule, 'UTC', now), 'string', String(schedule));
  }
  assert.deepEqual(['Europe/Berlin', 'UTC', 'Nowhere/Land', '', 5].map(isTimezone), [true, true, false, false, false]);
});

test('saga:25 every tick comes once when the clocks change: an hour that comes twice has its ticks twice, a time of day once', () => {
  const ticks = (schedule: string, from: string, until: string, timezone = 'Europe/Berlin'): string[] => {
    const found: string[] = [];
    for (let at = after(schedule, from, timezone); at !== undefined && at < until; at = after(schedule, at, timezone))
      found.push(at.slice(0, 16));
    return found;
  };
  // 2:00 to 3:00 comes twice.
  assert.deepEqual(ticks('*/30 * * * *', '2026-10-24T23:59:00Z', '2026-10-25T02:01:00Z'), [
    '2026-10-25T00:00',
    '2026-10-25T00:30',
    '2026-10-25T01:00',
    '2026-10-25T01:30',
    '2026-10-25T02:00',
  ]);
  assert.deepEqual(ticks('30 2 * * *', '2026-10-24T12:00:00Z', '2026-10-26T12:00:00Z'), ['2026-10-25T00:30', '2026-10-26T01:30']);
  // 2:00 to 3:00 does not come.
  assert.deepEqual(ticks('30 2 * * *', '2026-03-28T12:00:00Z', '2026-03-30T12:00:00Z'), ['2026-03-29T01:00', '2026-03-30T00:30']);
  // Half an hour.
  assert.deepEqual(ticks('*/30 * * * *', '2026-04-04T14:29:00Z', '2026-04-04T16:01:00Z', 'Australia/Lord_Howe'), [
    '2026-04-04T14:30',
    '2026-04-04T15:00',
    '2026-04-04T15:30',
    '2026-04-04T16:00',
  ]);
});
