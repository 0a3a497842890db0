import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRegexp } from './regexp.ts';

const matches = (source: string, text: string): boolean => {
  const parsed = parseRegexp(source);
  assert.ok(parsed.ok, `${source}: ${parsed.ok ? '' : parsed.problem}`);
  return parsed.value.matches(text);
};
const problemOf = (source: string): string => {
  const parsed = parseRegexp(source);
  assert.ok(!parsed.ok, source);
  return parsed.problem;
};

test('an expression matches the whole text, in the syntax of Lucene', () => {
  const cases: readonly [source: string, yes: readonly string[], no: readonly string[]][] = [
    ['Ma.*', ['Ma', 'Max', 'Ma\nx', 'Ma😀'], ['xMa', 'ma']],
    ['a|bc?', ['a', 'b', 'bc'], ['ac', 'abc', '']],
    ['(ab){2,3}', ['abab', 'ababab'], ['ab', 'abababab']],
    ['a{2}', ['aa'], ['a', 'aaa']],
    ['a{2,}', ['aa', 'aaaa'], ['a']],
    ['[a-c^\\]-]+', ['a^]-c'], ['d', '']],
    ['[^a-c]', ['d', '😀', '\n'], ['a', 'dd']],
    ['a.c', ['a😀c', 'a\nc'], ['ac', 'abbc']],
    ['"a.b*"', ['a.b*'], ['axb']],
    ['a@b', ['ab', 'a…\nb'], ['a']],
    ['#|x', ['x'], ['', '#']],
    ['<7-12>', ['7', '10', '12'], ['6', '07', '13']],
    ['<08-12>', ['08', '12'], ['8', '13']],
    ['\\d+\\.\\D\\w\\s', ['12.x_ '], ['12.1_ ', '12.xx-']],
    ['()a', ['a'], ['']],
    ['a**', ['', 'aa'], ['b']],
    ['$^', ['$^'], ['']],
    ['(a|b)c', ['ac', 'bc'], ['a', 'bc ']],
    ['a/b', ['a/b'], ['a']],
  ];
  for (const [source, yes, no] of cases) {
    for (const text of yes) assert.ok(matches(source, text), `${source} ${JSON.stringify(text)}`);
    for (const text of no) assert.ok(!matches(source, text), `${source} ${JSON.stringify(text)}`);
  }
});

test('an expression that cannot be run is rejected with a reason', () => {
  for (const source of [
    '(a',
    'a)',
    '[a',
    '*a',
    'a{2',
    'a{300}',
    'a{3,2}',
    '"a',
    'a\\',
    '<a-b>',
    '<1-100000>',
    'a&b',
    '~a',
    '[b-a]',
    '('.repeat(40),
  ]) {
    assert.match(problemOf(source), /^the regular expression is wrong at position \d+: /, source);
  }
  for (const source of ['a'.repeat(600), '(((a{200}){200}){200})', '(a{250}b){250}']) assert.match(problemOf(source), /regular expression/);
});

test('no expression takes long, whatever the text', () => {
  const before = process.threadCpuUsage();
  assert.equal(matches('(a*)*(a|a)*(.*.*.*)b', 'a'.repeat(20_000)), false);
  assert.ok(process.threadCpuUsage(before).user < 5_000_000, 'at most five seconds of CPU');
});

test('any text is parsed or rejected, and a quoted text matches only itself', () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'a.?*+{}[]()|"@#<>-1,\\^~&\n😀') }), (source) => void parseRegexp(source)));
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.string(), (text, other) => {
      if (text.includes('"') || text.includes('\0') || !text.isWellFormed()) return;
      assert.ok(matches(`"${text}"`, text));
      assert.equal(matches(`"${text}"`, other), text === other);
    }),
  );
});
