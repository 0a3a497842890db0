import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDate } from './date-text.ts';

test('a date without a zone is read in UTC whatever the zone of the process; one with a zone is not changed', (t) => {
  const { TZ } = process.env;
  t.after(() => {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  });
  process.env.TZ = 'America/New_York';
  assert.equal(new Date(2026, 0, 1).getTimezoneOffset(), 300, 'the zone of the process is another one');
  const at = Date.UTC(2026, 2, 1, 10);
  for (const text of [
    '2026-03-01T10:00',
    '2026-03-01T10:00:00.000',
    '2026-03-01 10:00',
    'March 1, 2026 10:00',
    '2026-03-01T10:00Z',
    '2026-03-01 10:00:00Z',
    '2026-03-01T12:00+02:00',
    'Sun, 01 Mar 2026 10:00:00 GMT',
    'Sun Mar 01 2026 11:00:00 GMT+0100 (CET)',
    '2026-03-01 05:00 EST',
  ])
    assert.equal(parseDate(text), at, text);
  for (const text of ['2026-03-01', '2026-03', 'March 1, 2026', '3/1/2026', '03-01-2026'])
    assert.equal(parseDate(text), Date.UTC(2026, 2, 1), text);
  for (const text of ['soon', '', '2026-13-01T00:00', `${' '.repeat(100)}2026`]) assert.ok(Number.isNaN(parseDate(text)), text);
});
