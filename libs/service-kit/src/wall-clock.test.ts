import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WallClock } from './wall-clock.ts';

const EPOCH = 1_000_000.25;

test('the wall clock has the fractions of the monotonic one, and is right after some calls, also when it was set', () => {
  for (const error of [-1.5, 0, 1.5]) {
    let elapsed = 0;
    let set = 0;
    const clock = new WallClock(
      () => Math.floor(EPOCH + set + elapsed),
      () => elapsed,
      EPOCH + error,
    );
    for (set of [0, 3_600_000, -3_600_000]) {
      const wrongBy = () => Math.abs(clock.now() - (EPOCH + set + elapsed));
      for (const from = elapsed; elapsed < from + 20; elapsed += 0.01) assert.ok(wrongBy() <= 1);
      assert.ok(wrongBy() < 0.02, `${wrongBy()}`);
      const before = clock.now();
      elapsed += 0.125;
      assert.ok(Math.abs(clock.now() - before - 0.125) < 0.02);
    }
  }
});
