import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainFilter } from './search.ts';

test("saga:12 the Unity client's search for one name needs no scan", () => {
  const path = ['attributes', 'username'];
  assert.deepEqual(plainFilter('^ann$', path), { test: 'equal', path, value: 'ann' });
  assert.deepEqual(plainFilter('^a\\.b$', path), { test: 'equal', path, value: 'a.b' });
  assert.deepEqual(plainFilter('^an', path), { test: 'starts-with', path, value: 'an' });
  assert.equal(plainFilter('^a.n$', path), undefined);
});
