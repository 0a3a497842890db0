/** `npm run soak -- client [--seconds N] [--seed N]`: the Good Uncle client against two replicas and a network that breaks all the time. */
import { parseArgs } from 'node:util';
import { withCuts } from '../../packages/gooduncle-client/test/cuts.ts';
import { startSystem } from '../../services/gooduncle-edge/test/system.ts';

const CUTS_A_ROUND = 500;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } } });
const untilMs = performance.now() + Number(values.seconds) * 1000;
const system = await startSystem();
const other = await system.startEdge();
let cuts = 0;
let synced = 0;
for (let seed = Number(values.seed); performance.now() < untilMs; seed += 1) {
  const report = (line: string): void => console.log(`seed ${seed}: ${line}`);
  const seen = await withCuts({ system, others: [other], seed, cuts: CUTS_A_ROUND, untilMs, restartEvery: 100, report });
  cuts += seen.cuts;
  synced += seen.synced;
}
await system[Symbol.asyncDispose]();
console.log(`${cuts} cuts: the rows were what had been written each of ${synced} times that a subscription said synced`);
process.exit();
