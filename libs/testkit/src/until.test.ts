import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './until.ts';

test('it returns the first value that is there, zero and the empty text too', async () => {
  const values = [undefined, null, false, 0];
  assert.equal(await until('a number comes', () => values.shift()), 0);
  assert.equal(await until('a text comes', async () => ''), '');
});

test('the error says what did not hold and what there was instead', async () => {
  await assert.rejects(
    until('a third event comes', () => false, { withinMs: 20, seen: () => ['one', 'two'] }),
    /^Error: not within 0\.02 s: a third event comes\n\["one","two"\]$/,
  );
});

test('it asks once more when the time is over, so that a process that stood still does not fail what holds by now', async () => {
  let asked = 0;
  const holds = () => {
    asked += 1;
    if (asked === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    return asked > 1;
  };
  assert.equal(await until('the second question', holds, { withinMs: 30 }), true);
});

test('what the question throws is thrown at once, or means that it does not hold yet', async () => {
  await assert.rejects(
    until('it never holds', () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  let asked = 0;
  const holds = () => {
    asked += 1;
    if (asked < 3) throw new Error('not there');
    return true;
  };
  assert.equal(await until('it answers', holds, { mayThrow: true }), true);
  await assert.rejects(
    until('it answers', () => assert.fail('never there'), { mayThrow: true, withinMs: 20 }),
    ({ message, cause }) => message === 'not within 0.02 s: it answers' && cause instanceof Error && cause.message === 'never there',
  );
});
