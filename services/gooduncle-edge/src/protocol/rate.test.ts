import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Excesses, GRACE } from './rate.ts';

test('gooduncle:F17 patience ends after three seconds above the rate, or after a thousand requests', () => {
  const steady = new Excesses();
  for (let at = 0; at < GRACE.ms; at += 500) assert.equal(steady.add(at), false);
  assert.equal(steady.add(GRACE.ms), true);

  const burst = new Excesses();
  for (let count = 0; count < GRACE.requests; count += 1) assert.equal(burst.add(5), false);
  assert.equal(burst.add(5), true);
});

test('gooduncle:F17 a client that slows down has all of the patience again', () => {
  const excesses = new Excesses();
  for (let at = 0; at < 100_000; at += 2000) {
    for (let count = 0; count < GRACE.requests; count += 1) assert.equal(excesses.add(at), false);
  }
});
