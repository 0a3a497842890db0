/** `npm run soak -- exactness [--seconds N] [--seed N]`: Good Uncle's live queries, one session in simulated worlds, and then real ones under faults. */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { simulate } from '../../services/gooduncle-edge/test/simulated.ts';
import { STATES } from '../../services/gooduncle-edge/test/simulated-states.ts';
import { torment } from '../../services/gooduncle-edge/test/torment.ts';

const STEPS = 400;
/** This many seeds reach every state. */
const ENOUGH = 1000;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } } });
const began = performance.now();
const [allMs, first] = [Number(values.seconds) * 1000, Number(values.seed)];

const reached = new Map<string, number>();
let seed = first;
for (; performance.now() < began + allMs / 3; seed += 1) {
  for (const [state, count] of Object.entries(simulate(seed, STEPS))) reached.set(state, (reached.get(state) ?? 0) + count);
}
console.log(`${seed - first} made-up worlds: ${JSON.stringify(Object.fromEntries(reached))}`);
if (seed - first >= ENOUGH) for (const state of STATES) assert.ok((reached.get(state) ?? 0) > 0, `never: ${state}`);

const seen = await torment({ seed: first, untilMs: began + allMs, report: (line) => console.log(line) });
if (seen.rounds >= 20) for (const [what, count] of Object.entries(seen)) assert.ok(count > 0 || what === 'ended', `never: ${what}`);
console.log(`${seen.rounds} rounds, ${seen.subscriptions} subscriptions, ${seen.events} events: each equal to a fresh read`);
process.exit();
