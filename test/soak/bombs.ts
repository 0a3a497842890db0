/** `npm run soak -- bombs [--seconds N]`: a good script next to a hundred hostile ones. */
import { parseArgs } from 'node:util';
import { runBombs } from '../runnables/bombs.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const problems = await runBombs({ seconds: Number(values.seconds), report: (line) => console.log(line) });
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
