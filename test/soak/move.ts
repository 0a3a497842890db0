/**
 * `npm run soak -- move [--elements 200000] [--seconds N] [--seed N]`: a tenant moves from journal to journal under writers and a subscriber, while each
 * process is killed in turn, then undisturbed, then with each process killed at every part of a move of its own. No move begins after that time but the
 * first, which takes some minutes.
 */
import { parseArgs } from 'node:util';
import { EACH_IN_TURN, moveUnderLoad, ONE_EACH, UNDISTURBED } from '../moves/under-load.ts';

/** How long writes may be refused, beyond the time for which a server was away. */
const REFUSED_MS = 5000;

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
  plans: [EACH_IN_TURN, UNDISTURBED, ...ONE_EACH],
  untilMs: performance.now() + Number(values.seconds) * 1000,
  report: (line) => console.log(line),
});
const refused = legs.filter(({ fencedMs, outageMs, awayMs }) => Math.max(fencedMs, outageMs - awayMs) > REFUSED_MS);
const found = [
  ...problems,
  ...refused.map(
    ({ name, fencedMs, outageMs, awayMs }) =>
      `with ${name}, writes were refused for too long: ${fencedMs} ms fenced, ${outageMs - awayMs} ms besides the server's own time`,
  ),
];
if (found.length > 0) {
  console.error(`Problems under seed ${values.seed}:\n${found.slice(0, 100).join('\n')}`);
  process.exitCode = 1;
}
const longest = (of: (leg: (typeof legs)[number]) => number): number => Math.max(...legs.map(of));
console.log(
  `${legs.length} moves of ${values.elements} elements: fenced for ${longest(({ fencedMs }) => fencedMs)} ms at most, ${longest(({ outageMs }) => outageMs)} ms at most without an acknowledged write; ${acknowledged} acknowledged writes`,
);
process.exit();
