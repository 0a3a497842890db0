import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextEnd, PERIOD_UNITS, type Period, plusPeriods } from './period.ts';

const at = (text: string): number => Date.parse(text);
const iso = (time: number): string => new Date(time).toISOString();

test('space:34 a period of months keeps its day; in short months it ends on the last day', () => {
  const cases: readonly (readonly [from: string, period: Period, count: number, to: string])[] = [
    ['2026-01-15T10:00:00.000Z', { value: 1, unit: 'MONTH' }, 1, '2026-02-15T10:00:00.000Z'],
    ['2026-01-31T10:00:00.500Z', { value: 1, unit: 'MONTH' }, 1, '2026-02-28T10:00:00.500Z'],
    ['2026-01-31T10:00:00.000Z', { value: 1, unit: 'MONTH' }, 2, '2026-03-31T10:00:00.000Z'],
    ['2024-02-29T00:00:00.000Z', { value: 1, unit: 'YEAR' }, 1, '2025-02-28T00:00:00.000Z'],
    ['2026-11-30T23:59:59.999Z', { value: 3, unit: 'MONTH' }, 1, '2027-02-28T23:59:59.999Z'],
    ['2026-01-01T00:00:00.000Z', { value: 36, unit: 'HOUR' }, 2, '2026-01-04T00:00:00.000Z'],
    ['2026-01-01T00:00:00.000Z', { value: 30, unit: 'SEC' }, 1, '2026-01-01T00:00:30.000Z'],
    ['2026-01-01T00:00:00.000Z', { value: 5, unit: 'MIN' }, 1, '2026-01-01T00:05:00.000Z'],
    ['2026-01-01T00:00:00.000Z', { value: 10, unit: 'DAY' }, 1, '2026-01-11T00:00:00.000Z'],
  ];
  for (const [from, period, count, to] of cases)
    assert.equal(iso(plusPeriods(at(from), period, count)), to, `${from} + ${count} ${period.unit}`);
});

test('space:34 however far a clock jumps, the next end is the first one after now, counted from the first period', () => {
  const period = fc.record({ value: fc.integer({ min: 1, max: 40 }), unit: fc.constantFrom(...PERIOD_UNITS) });
  const moment = fc.integer({ min: at('2000-01-01'), max: at('2060-01-01') });
  fc.assert(
    fc.property(moment, moment, period, (one, other, each) => {
      const [end, now] = [Math.min(one, other), Math.max(one, other)];
      const next = nextEnd(end, each, now);
      assert.ok(next > now);
      // The previous end is not after now: nothing is skipped. Short months make steps uneven, so two steps are checked.
      const fixed = each.unit !== 'MONTH' && each.unit !== 'YEAR';
      if (fixed) assert.equal((next - end) % (plusPeriods(end, each, 1) - end), 0);
      assert.ok(plusPeriods(next, each, -1) <= now + 3 * 86_400_000 * (fixed ? 0 : 1) || next === plusPeriods(end, each, 1));
    }),
  );
});

test('a period whose end is beyond the range of dates has no end', () => {
  assert.ok(nextEnd(0, { value: 1e300, unit: 'YEAR' }, 1) > 0);
  assert.ok(nextEnd(0, { value: 1e300, unit: 'SEC' }, 1) > 0);
});
