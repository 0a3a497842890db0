import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANTED_BUGS } from '../src/groups-servers.ts';
import { GroupsWorld } from '../src/groups-world.ts';

const HISTORIES = 350;
const EVENTS = 200;
/** Every planted bug is found within so many histories. */
const FOUND_WITHIN = 100;

test('consumer groups lose nothing, keep the order of each key and repeat only what was not safe, whatever fails', () => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  let faults = 0;
  let repeats = 0;
  for (let seed = first; seed < first + HISTORIES; seed += 1) {
    const told = new GroupsWorld({ seed, events: EVENTS }).run();
    assert.equal(told.problem, undefined, `npm run soak -- simulate --seed ${seed} --histories 1\n${told.timeline.slice(-30).join('\n')}`);
    faults += told.faults;
    repeats += told.repeats;
  }
  assert.ok(faults > HISTORIES && repeats > 0, 'the histories reached nothing');
});

for (const bug of PLANTED_BUGS) {
  test(`a planted bug is found: ${bug}`, () => {
    for (let seed = 1; seed <= FOUND_WITHIN; seed += 1)
      if (new GroupsWorld({ seed, events: EVENTS, bug }).run().problem !== undefined) return;
    assert.fail(`not found in ${FOUND_WITHIN} histories`);
  });
}

test('a history is the same again under its seed', () => {
  const one = new GroupsWorld({ seed: 7, events: EVENTS }).run();
  const again = new GroupsWorld({ seed: 7, events: EVENTS }).run();
  assert.deepEqual(one, again);
});
