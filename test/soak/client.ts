/**
 * `npm run soak -- client [--seconds N] [--seed N]`: the Good Uncle client against two replicas and a network that keeps breaking, and
 * next to it the example page in a hidden tab with a stable connection.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { withCuts } from '../../packages/gooduncle-client/test/cuts.ts';
import { openTab } from '../../packages/gooduncle-client/test/hidden-tab.ts';
import { Client } from '../../services/gooduncle-edge/test/client.ts';
import { startSystem } from '../../services/gooduncle-edge/test/system.ts';

const CUTS_A_ROUND = 500;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } } });
const untilMs = performance.now() + Number(values.seconds) * 1000;
const system = await startSystem();
const other = await system.startEdge();
const tab = await openTab(system.edge.url.replace('http', 'ws'));
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
while (tab.reports.at(-1)?.state !== 'open') await wait(100);
await tab.hide();
const hiddenAt = performance.now();
let cuts = 0;
let synced = 0;
for (let seed = Number(values.seed); performance.now() < untilMs; seed += 1) {
  const report = (line: string): void => console.log(`seed ${seed}: ${line}`);
  const seen = await withCuts({ system, others: [other], seed, cuts: CUTS_A_ROUND, untilMs, restartEvery: 100, report });
  cuts += seen.cuts;
  synced += seen.synced;
}
const opened = tab.reports.findIndex(({ state }) => state === 'open');
const losses = tab.reports.slice(opened).filter(({ state }) => state === 'connecting').length;
const writer = await Client.open(system.edge.url, 'admin');
await writer.one({ type: 'create', topic: 'products', params: { name: '! last', price: 1 } });
const deadline = performance.now() + 90_000;
while (tab.reports.at(-1)?.products[0] !== '! last: 1') {
  assert.ok(performance.now() < deadline, `the hidden tab shows ${JSON.stringify(tab.reports.at(-1))}`);
  await wait(100);
}
const hiddenSeconds = Math.round((performance.now() - hiddenAt) / 1000);
console.log(`hidden for ${hiddenSeconds} s: ${losses} connections lost, ${tab.reports.at(-1)?.ticks} ticks of a timer of 100 ms`);
await tab[Symbol.asyncDispose]();
await system[Symbol.asyncDispose]();
console.log(`${cuts} cuts: the rows were what had been written each of ${synced} times that a subscription said synced`);
process.exit();
