import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compilePattern, plainFilter } from './pattern.ts';

const patterns = [
  '^admin$',
  'a.c',
  '^(a|b)+c?$',
  '[^a-c]x',
  '\\d{2,3}$',
  'a*b',
  '(?:ab)*?c',
  '^$',
  'a|^b',
  '[a-]b',
  '\\w+@\\w+',
  '',
  'a{0}b',
  '(a*)*b',
];

test('a search finds what the language`s own engine finds', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...patterns),
      fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'x', '1', '2', '@', '-'), maxLength: 12 }),
      (pattern, text) => {
        assert.equal(compilePattern(pattern)?.(text), new RegExp(pattern, 'u').test(text));
      },
    ),
  );
});

test('patterns that make a backtracking engine take for ever cost next to nothing', () => {
  const began = performance.now();
  for (const bomb of ['(a+)+$', '^(a|aa)+$', '(.*)*x', '(a|a?)+b', '([a-zA-Z]+)*$']) {
    assert.notEqual(compilePattern(bomb)?.(`${'a'.repeat(2000)}!`), undefined);
  }
  assert.ok(performance.now() - began < 5000);
});

test('what is invalid, too large or not regular is refused', () => {
  for (const bad of ['(', 'a)', '[a', '*a', 'a{2', 'a{5,2}', 'a{999}', '(?=a)', '(a)\\1', '((a{90}){90}){90}', 'a'.repeat(201), '\\']) {
    assert.equal(compilePattern(bad), undefined, bad);
  }
});

test('saga:12 the Unity client`s search for one name needs no scan', () => {
  const path = ['attributes', 'username'];
  assert.deepEqual(plainFilter('^ann$', path), { test: 'equal', path, value: 'ann' });
  assert.deepEqual(plainFilter('^a\\.b$', path), { test: 'equal', path, value: 'a.b' });
  assert.deepEqual(plainFilter('^an', path), { test: 'starts-with', path, value: 'an' });
  assert.equal(plainFilter('^a.n$', path), undefined);
});
