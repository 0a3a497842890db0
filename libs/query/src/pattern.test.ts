import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compilePattern } from './pattern.ts';

const MAX = 2_000;
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
  '\\u0061\\/?',
  '\\\\1|[\\]1]a',
  '(?<n>a)b',
];

test("a pattern finds what JavaScript's own engine finds", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...patterns),
      fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'x', '1', '2', '@', '-', '/', '\\', '\n', ']'), maxLength: 12 }),
      (pattern, text) => {
        assert.equal(compilePattern(pattern, MAX)?.find(text), new RegExp(pattern, pattern.includes('[a-]') ? '' : 'u').test(text));
      },
    ),
  );
});

test('patterns that take a backtracking engine exponential time cost next to nothing', () => {
  const before = process.threadCpuUsage();
  for (const bomb of ['(a+)+$', '^(a|aa)+$', '(.*)*x', '(a|a?)+b', '([a-zA-Z]+)*$', '(x+x+)+y', '([a-z]*)*[A-Z]{20}$']) {
    assert.notEqual(compilePattern(bomb, MAX)?.find(`${'a'.repeat(50_000)}!`), undefined, bomb);
  }
  assert.ok(process.threadCpuUsage(before).user < 5_000_000, 'at most five seconds of CPU');
});

test('invalid, too large and non-regular patterns are rejected at almost no cost', () => {
  const before = process.threadCpuUsage();
  const refused = [
    '(',
    'a)',
    '[a',
    '*a',
    'a{5,2}',
    'a{9999}',
    '(?=a)',
    '(?!a)',
    '(?<=a)b',
    '(a)\\1',
    '(?<n>a)\\k<n>',
    '((a{90}){90}){90}',
    `(${'a'.repeat(500)}){900}`,
    'a{1000}'.repeat(100),
    'a'.repeat(1_001),
    '\\',
  ];
  for (const bad of refused) assert.equal(compilePattern(bad, MAX), undefined, bad);
  assert.ok(process.threadCpuUsage(before).user < 2_000_000, 'at most two seconds of CPU');
});
