/**
 * `npm run soak -- groups [--moves] [--rounds 20] [--seconds N] [--seed N]`: the group under torture, a fresh system for each seed, until the rounds are done
 * or time is up. With `--moves` its organization moves to another journal and back all the time.
 */
import { parseArgs } from 'node:util';
import { torture } from '../groups/torture.ts';

/** Rounds in one system. */
const ROUNDS_PER_SYSTEM = 4;

const { values } = parseArgs({
  options: {
    moves: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '36000' },
    seed: { type: 'string', default: '1' },
  },
});
const until = performance.now() + Number(values.seconds) * 1000;
const total = { rounds: 0, moves: 0, expected: 0, delivered: 0, duplicates: 0, acknowledged: 0 };
for (let seed = Number(values.seed); total.rounds < Number(values.rounds) && performance.now() < until; seed += 1) {
  const rounds = Math.min(ROUNDS_PER_SYSTEM, Number(values.rounds) - total.rounds);
  const report = (line: string): void => console.log(`seed ${seed}: ${line}`);
  const { verdict, acknowledged, moves } = await torture({ seed, rounds, pauseMs: 2500, moves: values.moves, report });
  total.moves += moves;
  total.rounds += rounds;
  total.acknowledged += acknowledged;
  for (const name of ['expected', 'delivered', 'duplicates'] as const) total[name] += verdict[name];
  const { missing, inversions, unexplained } = verdict;
  if (missing.length + inversions.length + unexplained.length > 0) {
    console.error(`Problems under seed ${seed}: ${JSON.stringify({ missing, inversions, unexplained })}`);
    process.exitCode = 1;
    break;
  }
}
console.log(
  `${total.rounds} rounds, ${total.moves} moves: ${total.expected} events (${total.acknowledged} acknowledged writes), ${total.delivered} deliveries, ${total.duplicates} of them again because they were not confirmed; none missing, none out of order`,
);
process.exit();
