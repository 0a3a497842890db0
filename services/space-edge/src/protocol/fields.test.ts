import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directoryPage, fieldsOf, servicePage, textField } from './fields.ts';

test('space:41 null counts as absent, and a body that is no object has no fields', () => {
  assert.deepEqual(fieldsOf({ a: null, b: 1 }), { b: 1 });
  for (const body of [null, undefined, [], 'x', 5]) assert.deepEqual(fieldsOf(body), {});
  assert.deepEqual(textField(fieldsOf({ name: null }), 'name', { min: 1, max: 5 }), { ok: true, value: undefined });
  for (const name of [5, '', '  ', 'longer', 'a\0', '\ud800']) {
    const read = textField({ name }, 'name', { min: 1, max: 5 });
    assert.equal(read.ok ? 200 : read.answer.status, 422, JSON.stringify(name));
  }
});

test('pages of services count from 1, and an offset above 0 wins', () => {
  assert.deepEqual(servicePage({}), { offset: 0, limit: 20, order: 'asc' });
  assert.deepEqual(servicePage({ page: '3', limit: '5', order: 'desc' }), { offset: 10, limit: 5, order: 'desc' });
  assert.deepEqual(servicePage({ page: '3', offset: '7' }), { offset: 7, limit: 20, order: 'asc' });
  assert.deepEqual(servicePage({ page: '-1', limit: 'x', offset: '1e99' }), { offset: 1_000_000, limit: 20, order: 'asc' });
});

test('pages of users and organizations have 1 to 50 entries', () => {
  assert.deepEqual(directoryPage({}), { ok: true, value: { offset: 0, limit: 10 } });
  for (const query of [{ limit: '0' }, { limit: '51' }, { limit: 'x' }, { offset: '-1' }]) assert.equal(directoryPage(query).ok, false);
});
