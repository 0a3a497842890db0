import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ManualClock } from './testing/manual-clock.ts';
import { Wheel, WheelTimer } from './wheel.ts';

test('a timer comes once, never early and at most a tick late', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 50 }),
      fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 50 }),
      (delays, steps) => {
        const clock = new ManualClock();
        const wheel = new Wheel(clock, 10);
        const began = clock.now();
        const fired: number[] = [];
        for (const [at, ms] of delays.entries()) {
          wheel.set(
            new WheelTimer(() => {
              assert.equal(fired[at], undefined);
              fired[at] = clock.now() - began;
            }),
            ms,
          );
        }
        for (const step of steps) clock.advance(step);
        clock.advance(61_000);
        for (const [at, ms] of delays.entries()) {
          const late = (fired[at] ?? Number.NaN) - ms;
          assert.ok(late >= 0 && late <= 10, `${ms} ms came ${late} ms late`);
        }
        assert.equal(wheel.size, 0);
      },
    ),
  );
});

test('a timer that is moved later or earlier keeps only its last time', () => {
  const clock = new ManualClock();
  const wheel = new Wheel(clock, 10);
  const fired: number[] = [];
  const began = clock.now();
  const timer = new WheelTimer(() => fired.push(clock.now() - began));
  wheel.set(timer, 100);
  clock.advance(50);
  wheel.set(timer, 30_000);
  clock.advance(20_000);
  assert.deepEqual(fired, []);
  wheel.set(timer, 40);
  clock.advance(50);
  assert.deepEqual(fired, [20_090]);
  wheel.set(timer, 40);
  wheel.clear(timer);
  clock.advance(60_000);
  assert.equal(fired.length, 1);
});

test('a callback that sets itself again for now does not block the wheel', () => {
  const clock = new ManualClock();
  const wheel = new Wheel(clock, 10);
  let times = 0;
  const timer = new WheelTimer(() => {
    times += 1;
    wheel.set(timer, 0);
  });
  wheel.set(timer, 0);
  clock.advance(100);
  assert.ok(times >= 9 && times <= 11, `${times}`);
});

test('a callback may clear another timer of the same tick', () => {
  const clock = new ManualClock();
  const wheel = new Wheel(clock, 10);
  const fired: string[] = [];
  const one = new WheelTimer(() => {
    fired.push('one');
    wheel.clear(two);
  });
  const two: WheelTimer = new WheelTimer(() => {
    fired.push('two');
    wheel.clear(one);
  });
  wheel.set(one, 5);
  wheel.set(two, 5);
  clock.advance(100);
  assert.equal(fired.length, 1);
});
