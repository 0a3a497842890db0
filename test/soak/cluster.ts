/** `npm run soak -- cluster --kind nats|postgres|redis|redis-cluster [--seconds N] [--seed N]`: the kill test on a cluster of servers, until time is up. */
import { parseArgs } from 'node:util';
import { grounds } from '../cluster/grounds.ts';
import { runRounds } from '../kill/rounds.ts';

const ROUNDS_PER_SYSTEM = 4;
const { values } = parseArgs({
  options: { kind: { type: 'string' }, seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } },
});
const kind = (['nats', 'postgres', 'redis', 'redis-cluster'] as const).find((name) => name === values.kind);
if (kind === undefined) {
  console.error('Usage: npm run soak -- cluster --kind nats|postgres|redis|redis-cluster [--seconds N] [--seed N]');
  process.exit(2);
}
const untilMs = performance.now() + Number(values.seconds) * 1000;
const silences = new Map<string, number[]>();
const total = { rounds: 0, writes: 0, acknowledged: 0, unknown: 0, changes: 0, faults: 0 };
for (let seed = Number(values.seed); performance.now() < untilMs; seed += 1) {
  const on = grounds[kind]((what, ms) => {
    console.log(`    ${what}: ${Math.round(ms)} ms without an answered write`);
    silences.set(what, [...(silences.get(what) ?? []), ms]);
  });
  const result = await runRounds({ seed, rounds: ROUNDS_PER_SYSTEM, untilMs, report: (line) => console.log(line), on });
  for (const name of ['rounds', 'writes', 'acknowledged', 'unknown', 'changes', 'faults'] as const) total[name] += result[name];
  if (result.problems.length > 0) {
    console.error(`Problems under seed ${seed}:\n${result.problems.join('\n')}`);
    process.exitCode = 1;
    break;
  }
}
for (const [what, all] of silences) {
  const sorted = all.toSorted((left, right) => left - right);
  console.log(
    `${what}: ${all.length} times, ${Math.round(sorted[sorted.length >> 1] ?? 0)} ms in the middle, ${Math.round(sorted.at(-1) ?? 0)} ms at most`,
  );
}
console.log(
  `${total.rounds} rounds, ${total.faults} faults, ${total.writes} writes: ${total.acknowledged} acknowledged, ${total.unknown} unknown; ${total.changes} changes`,
);
process.exit();
