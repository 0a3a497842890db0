import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fingerprintsOf } from './fingerprints.ts';
import { SYSTEM_BUGS, type SystemBug } from './planted.ts';
import { REGRESSIONS } from './regressions.ts';
import { numbersOf, rangesOf } from './shrink.ts';
import { SystemWorld } from './system-world.ts';

/** Together with those of consumer groups alone (libs/simulation/test/groups.test.ts), a run of the tests has five hundred histories. */
const HISTORIES = 150;
/** Events of each history here; `npm run soak -- simulate` runs longer ones. */
const EVENTS = 40;
/** A planted bug must be found within this many histories of the soak's length. */
const FOUND_WITHIN = 100;
const LONG = 200;
/** The seeds that last found the rare ones, which are tried first. */
const BEGIN: Partial<Record<SystemBug, number>> = {
  'epoch-unnoticed': 45,
  'no-fence-check': 320,
  'read-after-lock': 681,
};

test('a system in which everything fails that can fail keeps what it promises', async () => {
  // The same seeds in every run of the tests; the soak uses others.
  const first = Number(process.env.SEED ?? 1);
  const sums: Record<string, number> = {};
  for (let seed = first; seed < first + HISTORIES; seed += 1) {
    const { problem, timeline, counts } = await new SystemWorld({ seed, events: EVENTS }).run();
    assert.equal(problem, undefined, `SEED=${seed} with ${EVENTS} events:\n${timeline.slice(-40).join('\n')}`);
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  }
  for (const name of ['acknowledged', 'shown', 'given', 'windows', 'repeats', 'bridged', 'faults'])
    assert.ok((sums[name] ?? 0) > HISTORIES / 4, `the histories reached too little: ${JSON.stringify(sums)}`);
  assert.ok((sums.moves ?? 0) > 0, 'no tenant was moved to another journal');
});

for (const bug of SYSTEM_BUGS) {
  test(`a planted bug is found in the whole system: ${bug}`, async () => {
    const { [bug]: known = 1 } = BEGIN;
    for (const seed of [known, ...Array.from({ length: FOUND_WITHIN }, (_, at) => at + 1)])
      if ((await new SystemWorld({ seed, events: LONG, bug }).run()).problem !== undefined) return;
    assert.fail(`not found in ${FOUND_WITHIN} histories`);
  });
}

test('a history is the same in every process, whatever ran there before it', async () => {
  const seeds = [7, 8];
  const file = fileURLToPath(new URL('fingerprints.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file, `${LONG}`, ...seeds.map(String)]);
  assert.deepEqual(JSON.parse(stdout), await fingerprintsOf(LONG, seeds.toReversed()));
});

for (const { seed, found, whole = false } of REGRESSIONS) {
  test(`the history ${seed} stays right: ${found}`, async () => {
    const { problem, timeline } = await new SystemWorld({ seed, events: LONG, whole }).run();
    assert.equal(problem, undefined, timeline.slice(-40).join('\n'));
  });
}

test('events that are left out leave the others as they are named', () => {
  assert.equal(rangesOf([0, 1, 2, 5, 7, 8]), '0-2,5,7-8');
  assert.deepEqual(numbersOf('0-2,5,7-8'), [0, 1, 2, 5, 7, 8]);
});
