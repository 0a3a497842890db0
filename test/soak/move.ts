/**
 * `npm run soak -- move [--elements 200000] [--seconds N] [--seed N]`: a tenant moves from journal to journal under writers and a subscriber, once
 * undisturbed and then while one process after the other is killed, until time is up.
 */
import { parseArgs } from 'node:util';
import { FAULTS, moveUnderLoad } from '../moves/under-load.ts';

const { values } = parseArgs({
  options: {
    elements: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '36000' },
    seed: { type: 'string', default: '1' },
  },
});
const { legs, acknowledged, problems } = await moveUnderLoad({
  seed: Number(values.seed),
  elements: Number(values.elements),
  faults: FAULTS,
  untilMs: performance.now() + Number(values.seconds) * 1000,
  report: (line) => console.log(line),
});
if (problems.length > 0) {
  console.error(`Problems under seed ${values.seed}:\n${problems.join('\n')}`);
  process.exitCode = 1;
}
const longest = (of: (leg: (typeof legs)[number]) => number): number => Math.max(...legs.map(of));
console.log(
  `${legs.length} moves of ${values.elements} elements: fenced for ${longest(({ fencedMs }) => fencedMs)} ms at most, ${longest(({ outageMs }) => outageMs)} ms at most without an acknowledged write; ${acknowledged} acknowledged writes`,
);
process.exit();
