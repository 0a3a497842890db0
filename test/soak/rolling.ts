/** `npm run soak -- rolling [--edge saga-edge] [--clients 1000] [--rate 50]`: the rolling restart at the documented size. */
import { parseArgs } from 'node:util';
import { rollingRestart } from '../rolling/run.ts';

const { values } = parseArgs({
  options: {
    edge: { type: 'string', default: 'hiro-edge' },
    clients: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '50' },
  },
});
const result = await rollingRestart({
  edge: values.edge === 'saga-edge' ? 'saga-edge' : 'hiro-edge',
  clients: Number(values.clients),
  changesPerSecond: Number(values.rate),
  report: (line) => console.log(line),
});
console.log({ ...result, codes: [...result.codes] });
if (result.missed.length > 0 || result.unacknowledged.length > 0) process.exitCode = 1;
