/** `npm run soak -- runnables [--writes 2000] [--faults 20] [--seconds N] [--seed N]`: the chain of scripts under kills, repeated until time is up. */
import { parseArgs } from 'node:util';
import { runChain } from '../runnables/chain.ts';

const { values } = parseArgs({
  options: {
    writes: { type: 'string', default: '2000' },
    faults: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
});
const untilMs = performance.now() + Number(values.seconds) * 1000;
let seed = Number(values.seed);
do {
  const { problems, ms } = await runChain({
    writes: Number(values.writes),
    bots: 8,
    faults: Number(values.faults),
    seed,
    report: (line) => console.log(line),
  });
  console.log(`seed ${seed}: ${values.writes} writes, ${values.faults} faults, ${ms} ms, ${problems.length} problems`);
  if (problems.length > 0) {
    console.error(problems.join('\n'));
    process.exitCode = 1;
    break;
  }
  seed += 1;
} while (performance.now() < untilMs);
