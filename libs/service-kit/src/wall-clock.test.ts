import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WallClock } from './wall-clock.ts';

test('the wall clock has the fractions of the monotonic one, and follows the system clock when that is set', () => {
  let elapsed = 0;
  let set = 0;
  const clock = new WallClock(
    () => Math.floor(1_000_000.25 + set + elapsed),
    () => elapsed,
    1_000_000.25,
  );
  for (elapsed = 0; elapsed < 5; elapsed += 0.125) assert.equal(clock.now(), 1_000_000.25 + elapsed);
  for (set of [3_600_000, -3_600_000]) {
    const first = clock.now();
    assert.ok(Math.abs(first - (1_000_000.25 + set + elapsed)) < 1, `${first}`);
    elapsed += 0.125;
    assert.equal(clock.now(), first + 0.125);
  }
});
