import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  dueRenewals,
  freshLevels,
  type Levels,
  levelAttributes,
  limitKey,
  renamedLevels,
  resetLevels,
  shownLevels,
  splitLimitKey,
  toUsage,
  trackedLimits,
  withMissing,
  withoutService,
} from './levels.ts';

const DAY = 86_400_000;
const monthly = { value: 1, unit: 'MONTH' } as const;

const levels: Levels = {
  consumed: { 'zoom/minutes': 5, 'zoom/rooms': 2, 'drive/bytes': 7 },
  renewals: { 'zoom/minutes': { ...monthly, at: Date.parse('2026-01-31T00:00:00Z') } },
};

test("a limit's key can be split into both names, whatever characters they contain", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (service, limit) => {
      assert.deepEqual(splitLimitKey(limitKey(service, limit)), { service, limit });
    }),
  );
});

test('space:28 limits are tracked if they are renewable or trackable', () => {
  const limits = trackedLimits({
    usageLimits: {
      minutes: { type: 'RENEWABLE', period: { value: 2, unit: 'DAY' } },
      calls: { type: 'RENEWABLE' },
      rooms: { type: 'NON_RENEWABLE', trackable: true },
      seats: { type: 'NON_RENEWABLE', trackable: false },
      broken: 7,
    },
  });
  assert.deepEqual(limits, { minutes: { period: { value: 2, unit: 'DAY' } }, calls: { period: monthly }, rooms: {} });
  assert.deepEqual(freshLevels('zoom', limits, 0), {
    consumed: { 'zoom/minutes': 0, 'zoom/calls': 0, 'zoom/rooms': 0 },
    renewals: {
      'zoom/minutes': { value: 2, unit: 'DAY', at: 2 * DAY },
      'zoom/calls': { ...monthly, at: 31 * DAY },
    },
  });
  assert.deepEqual(trackedLimits({}), {});
});

test('space:28 levels are shown by service and limit, with a reset time if they renew', () => {
  assert.deepEqual(shownLevels(levels), {
    zoom: { minutes: { resetTimeStamp: '2026-01-31T00:00:00.000Z', consumed: 5 }, rooms: { consumed: 2 } },
    drive: { bytes: { consumed: 7 } },
  });
});

test('space:28 all, the renewable or one level can be reset, and the next reset moves by a period', () => {
  const consumed = (which: (key: string, renewable: boolean) => boolean) => resetLevels(levels, which).consumed;
  assert.deepEqual(
    consumed(() => true),
    { 'zoom/minutes': 0, 'zoom/rooms': 0, 'drive/bytes': 0 },
  );
  assert.deepEqual(
    consumed((_key, renewable) => renewable),
    { ...levels.consumed, 'zoom/minutes': 0 },
  );
  assert.deepEqual(
    consumed((key) => key === 'drive/bytes'),
    { ...levels.consumed, 'drive/bytes': 0 },
  );
  assert.equal(resetLevels(levels, () => true).renewals['zoom/minutes']?.at, Date.parse('2026-02-28T00:00:00Z'));
  assert.equal(resetLevels(levels, (key) => key === 'zoom/rooms').renewals['zoom/minutes']?.at, Date.parse('2026-01-31T00:00:00Z'));
});

test('space:34 levels are due once, however late it is noticed', () => {
  assert.deepEqual(dueRenewals(levels, Date.parse('2026-01-30T00:00:00Z')), []);
  const [due, ...more] = dueRenewals(levels, Date.parse('2029-05-05T00:00:00Z'));
  assert.equal(more.length, 0);
  assert.equal(due?.[0], 'zoom/minutes');
  assert.equal(due?.[1].at, Date.parse('2029-05-31T00:00:00Z'));
});

test('space:37 levels follow a service to its new name, and go with it', () => {
  assert.deepEqual(Object.keys(renamedLevels(levels, 'zoom', 'meet').consumed), ['meet/minutes', 'meet/rooms', 'drive/bytes']);
  assert.deepEqual(Object.keys(renamedLevels(levels, 'zoom', 'meet').renewals), ['meet/minutes']);
  assert.deepEqual(withoutService(levels, 'zoom'), { consumed: { 'drive/bytes': 7 }, renewals: {} });
});

test('space:27 a novation keeps existing levels and adds new ones', () => {
  const fresh = freshLevels('zoom', { minutes: { period: monthly }, calls: { period: monthly }, rooms: { period: monthly } }, 0);
  const merged = withMissing(levels, fresh);
  assert.deepEqual(merged.consumed, { ...levels.consumed, 'zoom/calls': 0 });
  assert.deepEqual(Object.keys(merged.renewals).sort(), ['zoom/calls', 'zoom/minutes']);
  assert.equal(merged.renewals['zoom/minutes']?.at, levels.renewals['zoom/minutes']?.at);
});

test('space:34 periods that began on the 31st end on the last day of a short month and on the 31st again after it', () => {
  let at = Date.parse('2026-01-31T10:00:00Z');
  let { consumed, renewals } = freshLevels('zoom', { minutes: { period: monthly } }, at);
  const ends: (string | undefined)[] = [];
  for (let month = 0; month < 4; month += 1) {
    ends.push(new Date(renewals['zoom/minutes']?.at ?? 0).toISOString().slice(0, 10));
    at = (renewals['zoom/minutes']?.at ?? 0) + DAY;
    renewals = Object.fromEntries(dueRenewals({ consumed, renewals }, at).map(([key, next]) => [key, next]));
    // As the store keeps them.
    const element = { id: 'usage', version: 1, attributes: { terms: 1, ...levelAttributes({ consumed, renewals }) } };
    ({ consumed, renewals } = toUsage(element as unknown as Parameters<typeof toUsage>[0]));
  }
  assert.deepEqual(ends, ['2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']);
});
