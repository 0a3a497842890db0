/** `npm run soak -- rolling [--clients 1000] [--rate 50]`: the rolling restart at the size that is promised. */
import { parseArgs } from 'node:util';
import { rollingRestart } from '../rolling/run.ts';

const { values } = parseArgs({ options: { clients: { type: 'string', default: '1000' }, rate: { type: 'string', default: '50' } } });
const result = await rollingRestart({
  clients: Number(values.clients),
  changesPerSecond: Number(values.rate),
  report: (line) => console.log(line),
});
console.log({ ...result, codes: [...result.codes] });
if (result.missed > 0 || result.serverErrors > 0) process.exitCode = 1;
