/** `npm run soak -- kill [--rounds 100] [--seconds N] [--seed N]`: the kill test until its rounds are done or time is up. */
import { parseArgs } from 'node:util';
import { runRounds } from '../kill/rounds.ts';

/** The rounds per system: the comparison covers everything since the system's start. */
const ROUNDS_PER_SYSTEM = 6;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '36000' },
    seed: { type: 'string', default: '1' },
  },
});
const rounds = Number(values.rounds);
const untilMs = performance.now() + Number(values.seconds) * 1000;
const total = { rounds: 0, writes: 0, acknowledged: 0, unknown: 0, changes: 0, faults: 0 };
for (let seed = Number(values.seed); total.rounds < rounds && performance.now() < untilMs; seed += 1) {
  const result = await runRounds({
    seed,
    rounds: Math.min(ROUNDS_PER_SYSTEM, rounds - total.rounds),
    untilMs,
    report: (line) => console.log(line),
  });
  for (const name of ['rounds', 'writes', 'acknowledged', 'unknown', 'changes', 'faults'] as const) total[name] += result[name];
  if (result.problems.length > 0) {
    console.error(`Problems under seed ${seed}:\n${result.problems.join('\n')}`);
    process.exitCode = 1;
    break;
  }
}
console.log(
  `${total.rounds} rounds, ${total.faults} faults, ${total.writes} writes: ${total.acknowledged} acknowledged, ${total.unknown} unknown; ${total.changes} changes`,
);
