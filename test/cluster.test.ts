/** A round of the kill test on a cluster of each kind of server. The same, for longer: `npm run soak -- cluster --kind nats|postgres|redis|redis-cluster`. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { grounds } from './cluster/grounds.ts';
import { runRounds } from './kill/rounds.ts';

const seed = Number(process.env.CLUSTER_SEED ?? 1);

suite('nothing acknowledged is lost, doubled, out of order or kept from a subscriber', { concurrency: true }, () => {
  for (const [kind, what] of [
    ['nats', 'while one of three NATS servers is killed, and one is cut off from the others'],
    ['postgres', 'when PostgreSQL fails over to its synchronous standby'],
    ['redis', 'when Sentinels choose another Redis primary'],
    ['redis-cluster', 'when a replica takes over from a primary of a Redis Cluster'],
  ] as const) {
    test(what, async (t) => {
      const on = grounds[kind]((fault, ms) => t.diagnostic(`${fault}: ${Math.round(ms)} ms without an answered write`), true);
      const result = await runRounds({ seed, rounds: 1, report: (line) => t.diagnostic(line), on });
      assert.deepEqual(result.problems, []);
      assert.ok(result.acknowledged > 20, `only ${result.acknowledged} writes were acknowledged`);
    });
  }
});
