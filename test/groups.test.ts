import assert from 'node:assert/strict';
import { test } from 'node:test';
import { torture } from './groups/torture.ts';

test('hiro:C15 hiro:E14 hiro:E15 a group loses nothing and keeps the order of each vertex while members, edges, Redis and the store die', async (context) => {
  const seed = Number(process.env.GROUPS_SEED ?? '1');
  const { verdict, acknowledged } = await torture({ seed, rounds: 1, pauseMs: 1200, report: (line) => context.diagnostic(line) });
  context.diagnostic(JSON.stringify({ ...verdict, acknowledged }));
  assert.deepEqual(verdict.missing, []);
  assert.deepEqual(verdict.inversions, []);
  assert.deepEqual(verdict.unexplained, []);
  assert.ok(verdict.expected >= acknowledged, 'an acknowledged write is not in the journal');
  assert.ok(verdict.expected > 200, 'too little was written to show anything');
});
