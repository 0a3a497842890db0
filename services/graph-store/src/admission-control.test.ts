import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdmissionControl } from './admission-control.ts';

function setUp() {
  const did: string[] = [];
  let at = 0;
  const responder = { leave: () => did.push('leave'), join: () => did.push('join') };
  const admission = new AdmissionControl({ leave: () => void responder.leave(), join: () => void responder.join() }, () => at);
  const tick = (afterMs: number): void => {
    at += afterMs;
    admission.tick();
  };
  return { did, admission, tick };
}

test('a loop that stood still leaves, and is back after three ticks in time', () => {
  const { did, admission, tick } = setUp();
  for (let round = 0; round < 5; round += 1) tick(100);
  tick(1050);
  assert.deepEqual(did, [], 'late, but not for long');
  tick(1200);
  assert.deepEqual(did, ['leave']);
  tick(100);
  tick(100);
  tick(450);
  tick(100);
  tick(100);
  assert.deepEqual(did, ['leave'], 'one was late again');
  tick(100);
  assert.deepEqual(did, ['leave', 'join']);
  assert.equal(admission.stats.stalls, 1);
});

test('it takes writes only while neither is so, and never again once the process ends', () => {
  const { did, admission, tick } = setUp();
  admission.overloaded(true);
  tick(2000);
  admission.overloaded(false);
  assert.deepEqual(did, ['leave'], 'still stalled');
  for (let round = 0; round < 3; round += 1) tick(100);
  assert.deepEqual(did, ['leave', 'join']);
  admission.overloaded(true);
  admission.end();
  admission.overloaded(false);
  assert.deepEqual(did.slice(2), ['leave', 'leave']);
});
