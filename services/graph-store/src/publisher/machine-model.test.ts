import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ModelSystem, randomFrom } from '../../test/publisher-model.ts';

/** Ten seconds of two replicas with faults, and then none until everything must be where it belongs. */
function history(seed: number): ModelSystem {
  const random = randomFrom(seed);
  const system = new ModelSystem(random);
  system.start();
  system.start();
  system.faults.failing = random() < 0.3 ? 0 : random() * 0.1;
  system.faults.late = random() < 0.5 ? 0 : random() * 0.1;
  for (let step = 0; step < 200; step += 1) {
    system.run(random() * 100);
    const replica = system.replicas[Math.floor(random() * system.replicas.length)] ?? system.start();
    const what = random();
    if (what < 0.8) system.commit(replica, 1 + Math.floor(random() * (random() < 0.1 ? 60 : 3)));
    else if (what < 0.84) replica.frozenUntil = system.now + random() * 9000;
    else if (what < 0.87) {
      system.kill(replica);
      system.start();
    } else if (what < 0.9) {
      system.stop(replica);
      system.start();
    } else if (what < 0.93) system.redis.wipe();
    else if (what < 0.96) system.lose(replica);
    else system.blind = 2;
    system.checkRedis();
  }
  Object.assign(system.faults, { failing: 0, late: 0 });
  const settle = (): void => {
    for (let waited = 0; waited < 30_000 && !system.isDone; waited += 500) system.run(500);
  };
  settle();
  // An idle Redis that forgets everything is filled again without a commit.
  system.redis.wipe();
  settle();
  system.checkRedis();
  return system;
}

test('two publishers never publish a seq out of order, twice under one fence, or without the lease, and skip none', () => {
  let runs = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const system = history(seed);
      assert.ok(system.isDone, `${system.published} of ${system.journal.length} were published, or Redis lacks some`);
      runs += system.runs;
    }),
    { numRuns: 40 },
  );
  assert.ok(runs > 500, `${runs} runs were published`);
});
