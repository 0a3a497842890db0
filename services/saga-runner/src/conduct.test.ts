import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conducts } from './conduct.ts';

const good = { broke: false, cpuMs: 5, memoryBytes: 1 };
const slow = { broke: false, cpuMs: 400, memoryBytes: 2 };
const bad = { broke: true, cpuMs: 1000, memoryBytes: 0 };

test('a runnable shares a process when its runs are quick, and loses that when they are not any more', () => {
  const conducts = new Conducts();
  assert.equal(conducts.of('a').alone, true);
  conducts.ended('a', good, 0);
  assert.equal(conducts.of('a').alone, false);
  conducts.ended('a', slow, 0);
  assert.equal(conducts.of('a').alone, false);
  for (let one = 0; one < 3; one += 1) conducts.ended('a', slow, 0);
  assert.equal(conducts.of('a').alone, true);
  assert.deepEqual([conducts.of('a').memoryBytes, conducts.of('b').memoryBytes], [2, 0]);
});

test('five broken limits in a row suspend a runnable, each further one for longer; a good run ends it', () => {
  const conducts = new Conducts();
  for (let one = 0; one < 4; one += 1) conducts.ended('a', bad, 1000);
  assert.equal(conducts.of('a').suspendedUntil, 0);
  conducts.ended('a', bad, 1000);
  assert.equal(conducts.of('a').suspendedUntil, 11_000);
  conducts.ended('a', bad, 11_000);
  assert.equal(conducts.of('a').suspendedUntil, 31_000);
  conducts.ended('a', good, 31_000);
  conducts.ended('a', bad, 31_000);
  assert.equal(conducts.of('a').suspendedUntil, 31_000);
});
