import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerClocks } from './peer-clocks.ts';

test('a delay is the excess over the fastest message, however far the clocks differ', () => {
  const clocks = new PeerClocks();
  const apart = -7_200_000;
  assert.equal(clocks.delayOf('edge', 1000, 1002 + apart), undefined, 'nothing to compare it with');
  assert.equal(clocks.delayOf('edge', 2000, 2001 + apart), 0);
  assert.equal(clocks.delayOf('edge', 3000, 9001 + apart), 6000);
  assert.equal(clocks.delayOf('edge', 9500, 9503 + apart), 2);
});

test('the clocks of peers are independent', () => {
  const clocks = new PeerClocks();
  clocks.delayOf('a', 0, 500);
  assert.equal(clocks.delayOf('b', 0, 90_000), undefined);
  assert.equal(clocks.delayOf('a', 100, 650), 50);
});

test('a clock that stood still for an hour is believed again after a minute', () => {
  const clocks = new PeerClocks();
  clocks.delayOf('edge', 0, 0);
  const hour = 3_600_000;
  assert.equal(clocks.delayOf('edge', 1000, 1000 + hour), hour);
  clocks.delayOf('edge', 32_000, 32_000 + hour);
  assert.equal(clocks.delayOf('edge', 64_000, 64_000 + hour), 0);
});
