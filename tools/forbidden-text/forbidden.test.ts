import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findForbidden, forbiddenTexts } from './forbidden.ts';

const planted = ['const x = y as any;', '// @ts-ignore', "test.only('x', f);", "test('x', { skip: true }, f);", "bus.publish('pe.evt.x');"];

test('each forbidden text is found where it is planted', () => {
  assert.equal(planted.length, forbiddenTexts.length);
  for (const line of planted) assert.equal(findForbidden('libs/x/src/x.ts', `\n${line}\n`).length, 1, line);
});

test('contracts may build subjects, and tests may say which one they expect', () => {
  for (const path of ['libs/contracts/src/subject.ts', 'libs/x/src/x.test.ts', 'test/x.ts'])
    assert.deepEqual(findForbidden(path, "'pe.evt'"), []);
});

test('sources that only look similar are left alone', () => {
  for (const line of ['const anyone = 1 as number;', 'latest.skipped', "'people.x'", 'rows.skip'])
    assert.deepEqual(findForbidden('libs/x/src/x.ts', line), []);
});
