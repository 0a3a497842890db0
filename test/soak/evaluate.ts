/**
 * `npm run soak -- evaluate [--evaluations 20000] [--seconds N] [--seed N]`: evaluations that consume, from 64 clients on two replicas of
 * space-edge, while graph-store and an edge are killed; a fresh system for each seed, until time is over.
 */
import { parseArgs } from 'node:util';
import { consumeUnderFire } from '../../services/space-edge/test/exactness.ts';
import { startSystem } from '../../services/space-edge/test/system.ts';
import { randomFrom } from '../kill/random.ts';

const { values } = parseArgs({
  options: {
    evaluations: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});

const until = performance.now() + Number(values.seconds) * 1000;
const evaluations = Number(values.evaluations);
const users = 64;
for (let seed = Number(values.seed); ; seed += 1) {
  await using system = await startSystem();
  const began = performance.now();
  // Four fifths of the requested consumption are granted.
  const limit = Math.floor((evaluations * 0.8) / users);
  const outcome = await consumeUnderFire(system, {
    clients: 64,
    users,
    evaluations,
    limit,
    killEvery: Math.ceil(evaluations / 10),
    random: randomFrom(seed).next,
  });
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `seed ${seed}: ${evaluations} evaluations in ${seconds.toFixed(0)} s, ${outcome.kills} kills: ${outcome.allowed} allowed, ${outcome.refused} refused, ` +
      `${outcome.lost} answers lost; ${outcome.consumed} consumed, no level given twice, no limit passed`,
  );
  if (performance.now() >= until) break;
}
process.exit();
