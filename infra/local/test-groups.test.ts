import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupsToRun, neighbours } from './test-groups.ts';

const namesOf = (wanted?: readonly string[], apart?: string) => groupsToRun(wanted, apart)?.map(({ short }) => short);

test('all groups run but the container tests, or those that are named, in their order', () => {
  assert.deepEqual(namesOf(), ['static', 'unit', 'wire', 'system']);
  assert.deepEqual(namesOf(undefined, 'containers'), ['static', 'unit', 'wire', 'containers', 'system']);
  assert.deepEqual(namesOf(['system', 'unit']), ['unit', 'system']);
});

test('an unknown group, and one that does not run, are not taken for an empty one', () => {
  assert.equal(namesOf(['units']), undefined);
  assert.equal(namesOf(['unit', 'containers']), undefined);
});

test('a file that compares what it sees with real time has no neighbours, or one; all others have some', () => {
  assert.equal(neighbours('test/rolling.test.ts'), 'none');
  assert.equal(neighbours('test/groups-moves.test.ts'), 'one');
  assert.equal(neighbours('test/groups-life.test.ts'), 'some');
});
