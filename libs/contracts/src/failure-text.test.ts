import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutPlace } from './failure-text.ts';

test('the path of a fault is reduced to the attribute that the client knows, or left out', () => {
  assert.equal(withoutPlace(undefined), undefined);
  assert.equal(withoutPlace('operations/0'), undefined);
  assert.equal(withoutPlace('operations/3: before'), 'before');
  assert.equal(withoutPlace('operations/0/set/ogit~1a~0b: is too long'), 'attribute ogit/a~b: is too long');
  assert.equal(withoutPlace('operations/0/target/id: is too long'), 'is too long');
  assert.equal(withoutPlace('something else: as it is'), 'something else: as it is');
});
