/** Guarantees 1 to 4 under load while processes die. For longer runs: `npm run soak -- kill`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRounds } from './kill/rounds.ts';

test('nothing acknowledged is lost, doubled, out of order or kept from a subscriber while everything is killed and stopped', async (t) => {
  const seed = Number(process.env.KILL_SEED ?? 1);
  const result = await runRounds({ seed, rounds: 3, report: (line) => t.diagnostic(line) });
  assert.deepEqual(result.problems, []);
  assert.equal(result.rounds, 3);
  assert.ok(result.acknowledged > 300, `only ${result.acknowledged} writes were acknowledged`);
});
