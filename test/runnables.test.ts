import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChain } from './runnables/chain.ts';

test('saga:22 every write is handled by its script in order and counted once, whatever is killed meanwhile', {
  timeout: 300_000,
}, async (t) => {
  const { problems, ms } = await runChain({ writes: 240, bots: 4, faults: 4, seed: 7, report: (line) => t.diagnostic(line) });
  t.diagnostic(`${ms} ms`);
  assert.deepEqual(problems, []);
});
