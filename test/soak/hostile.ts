/** `npm run soak -- hostile [--seconds N] [--seed N]`: hostile clients against all edges, until time is up. */
import { parseArgs } from 'node:util';
import { hostile } from '../hostile/run.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } } });
const problems = await hostile({
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  report: (line) => console.log(line),
});
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
