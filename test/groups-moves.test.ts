/** The torture of `groups.test.ts` while the group's organization moves. The same, for longer: `npm run soak -- groups --moves`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { torture } from './groups/torture.ts';

test('a group keeps its place by content while its organization moves to another journal and back, and everything is killed', async (context) => {
  const seed = Number(process.env.GROUPS_SEED ?? '2');
  const report = (line: string): void => context.diagnostic(line);
  const { verdict, acknowledged, moves } = await torture({ seed, rounds: 1, pauseMs: 1200, moves: true, report });
  context.diagnostic(JSON.stringify({ ...verdict, acknowledged, moves }));
  assert.deepEqual(verdict.missing, []);
  assert.deepEqual(verdict.inversions, []);
  assert.deepEqual(verdict.unexplained, []);
  assert.ok(verdict.expected >= acknowledged, 'an acknowledged write is not in the journal');
  assert.ok(verdict.expected > 200, 'too little was written to show anything');
  assert.ok(moves >= 2, `only ${moves} moves`);
});
