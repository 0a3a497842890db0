/**
 * `npm run soak -- archive [--contracts 10000] [--seconds N]`: a version that so many contracts have is archived on two replicas of space-edge,
 * of which the one that does it is killed, and graph-store too when half of the contracts have moved; a fresh system each time, until time is over.
 */
import { parseArgs } from 'node:util';
import { archiveUnderFire } from '../../services/space-edge/test/archiving.ts';
import { startSystem } from '../../services/space-edge/test/system.ts';

const { values } = parseArgs({
  options: { contracts: { type: 'string', default: '10000' }, seconds: { type: 'string', default: '1' }, seed: { type: 'string' } },
});

const until = performance.now() + Number(values.seconds) * 1000;
const contracts = Number(values.contracts);
do {
  await using system = await startSystem();
  const began = performance.now();
  const { ms, movedAtKills } = await archiveUnderFire(system, { contracts, killsStore: true });
  const all = (performance.now() - began) / 1000;
  console.log(
    `${contracts} contracts moved in ${(ms / 1000).toFixed(1)} s, with kills after ${movedAtKills.join(' and ')} of them; each once, with its history ` +
      `(with making and reading them ${all.toFixed(0)} s)`,
  );
} while (performance.now() < until);
process.exit();
