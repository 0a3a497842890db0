import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalJson } from './equality.ts';
import type { Json } from './json.ts';
import { exactJson, MAX_JSON_DEPTH, parseJson, parseOwnJson } from './json-text.ts';

function parsed(text: string): Json {
  const result = parseJson(text);
  assert.ok(result.ok, `${text.slice(0, 100)}: ${result.ok ? '' : result.problem}`);
  return result.value;
}

const problemOf = (text: string): string => {
  const result = parseJson(text);
  return result.ok ? 'none' : result.problem;
};

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

test('ordinary JSON is parsed as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      if (parseJson(text).ok && !/\d{16}|\de/i.test(text)) assert.deepEqual(parsed(text), JSON.parse(text));
    }),
  );
  assert.equal(problemOf('[1,]'), 'is not JSON');
  assert.equal(problemOf(''), 'is not JSON');
});

test('integers beyond 2^53 are exact, however they are written, and have one representation', () => {
  const same = ['100000000000000000000', '1e20', '1E+20', '100000000000000000000.0', '0.1e21', '1000000000000000000000e-1'];
  for (const text of same) assert.equal(parsed(text), 100_000_000_000_000_000_000n, text);
  assert.equal(parsed('9007199254740993'), 9_007_199_254_740_993n);
  assert.equal(parsed('-9007199254740993'), -9_007_199_254_740_993n);
  assert.equal(parsed('9007199254740992'), 9_007_199_254_740_992n);
  assert.equal(parsed('9007199254740991'), 9_007_199_254_740_991);
  assert.equal(parsed('9007199254740991.0'), 9_007_199_254_740_991);
  assert.deepEqual(parsed('{"a":[{"b":750727362669608961}],"c":1.5}'), { a: [{ b: 750_727_362_669_608_961n }], c: 1.5 });
});

test('what looks like a number inside a text, a key or an escape stays a text', () => {
  const text = String.raw`{"9007199254740993":"9007199254740993","\\":"\"9007199254740993","\\\"":"\\","n":9007199254740993,"u":"\ud83d\ude00"}`;
  const value = parsed(text);
  assert.deepEqual(value, {
    '9007199254740993': '9007199254740993',
    '\\': '"9007199254740993',
    '\\"': '\\',
    n: 9_007_199_254_740_993n,
    u: '😀',
  });
});

test('__proto__ is a key like any other, and the last of two equal keys counts', () => {
  const value = parsed('{"__proto__":9007199254740993,"a":1,"a":9007199254740995}');
  assert.deepEqual(Object.entries(value ?? {}), [
    ['__proto__', 9_007_199_254_740_993n],
    ['a', 9_007_199_254_740_995n],
  ]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test('numbers without an exact representation are rejected, not rounded', () => {
  assert.equal(problemOf('[1e400]'), 'has a number that is out of range');
  assert.equal(problemOf(`-${'9'.repeat(400)}`), 'has a number that is out of range');
  assert.equal(problemOf('9007199254740993.5'), 'has a number beyond 2^53 with a fraction');
  assert.equal(problemOf(String.raw`["\ud8007",9007199254740993]`), 'has an unpaired surrogate');
  assert.equal(problemOf(`[${'1e308,'.repeat(1000)}1]`), 'has too many numbers with large exponents');
});

test('nesting is checked first, for text of any depth', () => {
  assert.ok(parseJson(nested(MAX_JSON_DEPTH)).ok);
  for (const levels of [MAX_JSON_DEPTH + 1, 5000, 1_000_000])
    assert.match(problemOf(nested(levels)), /^is nested more than 64 levels deep$/);
  const deep = parseJson(`{"id":7,"body":${nested(5000)}}`);
  assert.ok(!deep.ok && deep.reason === 'depth');
  assert.equal((deep.read as { readonly id: number }).id, 7, 'the uppermost members can still be read');
  assert.equal(parseOwnJson(nested(MAX_JSON_DEPTH + 20)) !== undefined, true, 'between processes there is an envelope');
  assert.equal(parseOwnJson(nested(5000)), undefined);
});

test('any value with large integers survives a round trip through its text unchanged', () => {
  const integer = fc
    .bigInt({ min: -(10n ** 40n), max: 10n ** 40n })
    .map((value): Json => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
  const { value: values } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      integer,
      fc.string({ unit: 'grapheme' }),
      fc.double({ min: -1e15, max: 1e15, noNaN: true }).map((number) => number + 0),
      fc.constantFrom<Json>(null, true, '9007199254740993', '\\', '"'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', '9007199254740993')), tie('value'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(values, (value) => {
      const text = JSON.stringify(value);
      assert.ok(equalJson(parsed(text), value), text);
      assert.equal(JSON.stringify(parsed(text)), text);
      assert.deepEqual(exactJson(JSON.parse(text), text), parseJson(text));
    }),
  );
});
