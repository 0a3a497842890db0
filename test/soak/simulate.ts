/**
 * `npm run soak -- simulate [--seconds N] [--seed N] [--histories N]`: consumer groups of several edges in one process, on virtual time, with
 * faults from a seed. A failing seed is shrunk to the fewest events, and its timeline printed.
 */
import { parseArgs } from 'node:util';
import { PLANTED_BUGS } from '@polyedge/simulation/groups-servers';
import { GroupsWorld, type Told } from '@polyedge/simulation/groups-world';

const EVENTS = 200;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    histories: { type: 'string', default: '10000' },
  },
});
const [seconds, first, most] = [Number(values.seconds), Number(values.seed), Number(values.histories)];
const began = performance.now();
let count = 0;
let problems = 0;
const sums = { events: 0, faults: 0, given: 0, repeats: 0 };
for (; count < most && performance.now() - began < seconds * 1000; count += 1) {
  const told = new GroupsWorld({ seed: first + count, events: EVENTS }).run();
  for (const key of ['events', 'faults', 'given', 'repeats'] as const) sums[key] += told[key];
  if (told.problem === undefined) continue;
  problems += 1;
  const [events, shortest] = shrunk(first + count);
  console.log(`seed ${first + count}: ${shortest.problem} (${events} events)`);
  for (const line of shortest.timeline.slice(-60)) console.log(`  ${line}`);
  console.log(`again: npm run soak -- simulate --seed ${first + count} --histories 1`);
}
const took = Math.round((performance.now() - began) / 1000);
console.log(`${count} histories in ${took} s, ${problems} problems: ${JSON.stringify(sums)}`);
if (most > 1) {
  for (const bug of PLANTED_BUGS) {
    let seed = 1;
    while (seed < 2000 && new GroupsWorld({ seed, events: EVENTS, bug }).run().problem === undefined) seed += 1;
    console.log(`planted bug ${bug}: found after ${seed} histories`);
  }
}
process.exit(problems === 0 ? 0 : 1);

/** The same seed with the fewest events that still show a problem. */
function shrunk(seed: number): readonly [events: number, told: Told] {
  let events = EVENTS;
  let told = new GroupsWorld({ seed, events }).run();
  for (let fewer = events - 10; fewer > 0; fewer -= 10) {
    const shorter = new GroupsWorld({ seed, events: fewer }).run();
    if (shorter.problem === undefined) continue;
    events = fewer;
    told = shorter;
  }
  return [events, told];
}
