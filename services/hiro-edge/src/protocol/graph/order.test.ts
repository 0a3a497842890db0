import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFields, parseOrder, storedFields } from './order.ts';

test('order names attributes with directions, as one text or a list', () => {
  const keys = [
    { path: ['attributes', 'ogit/name'], order: 'asc' },
    { path: ['modified', 'on'], order: 'desc' },
    { path: ['attributes', '/a'], order: 'asc' },
  ];
  assert.deepEqual(parseOrder('ogit/name asc, ogit/_modified-on desc,/a'), { ok: true, value: keys });
  assert.deepEqual(parseOrder(['ogit\\/name  ASC', 'ogit/_modified-on DESC,\\/a']), { ok: true, value: keys });
  for (const nothing of [undefined, null, '', false, [], ' , ']) assert.deepEqual(parseOrder(nothing), { ok: true, value: [] });
  for (const wrong of ['a up', 'a asc b', 5, [5], 'a\0 asc', 'a,'.repeat(9)]) assert.equal(parseOrder(wrong).ok, false);
});

test('fields are split after they are decoded', () => {
  assert.deepEqual(parseFields('ogit/name, /a,'), ['ogit/name', '/a']);
  assert.deepEqual(parseFields('ogit%2Fname%2Cogit%2F_id'), ['ogit/name', 'ogit/_id']);
  assert.deepEqual(parseFields(['ogit/name', '/a,/b']), ['ogit/name', '/a', '/b']);
  assert.deepEqual(parseFields('/100%'), ['/100%']);
  for (const nothing of [undefined, null, '', [], false, {}]) assert.equal(parseFields(nothing), undefined);
});

test('only stored attributes are requested from the store', () => {
  assert.deepEqual(storedFields(['/a', 'ogit/_v', 'ogit/_owner']), ['/a', 'ogit/_owner', 'ogit/_organization', 'hiro/lists']);
  assert.equal(storedFields(undefined), undefined);
});
