import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from './predicate.ts';
import { parseQuery } from './query.ts';
import { FILTER_LIMITS, parseFilter } from './validate.ts';

const a = ['attributes', 'a'];
const refused = (value: unknown): string => {
  const parsed = parseFilter(value);
  assert.ok(!parsed.ok, 'accepted');
  return parsed.problem;
};

test('any JSON is accepted or rejected without an exception, and everything accepted compiles', () => {
  const words = fc.constantFrom('all', 'any', 'not', 'test', 'path', 'value', 'values', 'equal', 'in', 'text-like', 'attributes', 'id');
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      words,
      fc.jsonValue(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(words, tie('value'), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const parsed = parseFilter(value);
      if (parsed.ok) compile(parsed.value);
      else assert.ok(parsed.problem.length < 400);
      parseQuery(value);
    }),
    { numRuns: 2000 },
  );
});

test('nesting of any depth is rejected, in groups and in values', () => {
  const depth = 100_000;
  refused(JSON.parse(`${'{"not":'.repeat(depth)}{"all":[]}${'}'.repeat(depth)}`));
  refused(JSON.parse(`{"test":"equal","path":["id"],"value":${'['.repeat(depth)}${']'.repeat(depth)}}`));
  refused(JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`));
});

test('bounds on conditions, items, characters, patterns and corners', () => {
  const equal = (value: unknown) => ({ test: 'equal', path: a, value });
  assert.ok(parseFilter({ all: Array.from({ length: FILTER_LIMITS.conditions - 1 }, () => equal(1)) }).ok);
  refused({ all: Array.from({ length: FILTER_LIMITS.conditions }, () => equal(1)) });
  refused({ test: 'in', path: a, values: Array.from({ length: FILTER_LIMITS.items + 1 }, () => 1) });
  refused(equal('x'.repeat(FILTER_LIMITS.characters)));
  refused({ test: 'text-like', path: a, pattern: '*'.repeat(FILTER_LIMITS.patternCharacters + 1) });
  refused({ test: 'inside', path: a, polygon: [Array.from({ length: FILTER_LIMITS.corners }, () => [0, 0])] });
  refused(equal(Array.from({ length: FILTER_LIMITS.nodes }, () => 0)));
});

test('what PostgreSQL cannot store is rejected everywhere', () => {
  for (const text of ['\0', '\ud800', 'a\udc00']) {
    refused({ test: 'equal', path: a, value: text });
    refused({ test: 'equal', path: a, value: { [text]: 1 } });
    refused({ test: 'equal', path: ['attributes', text], value: 1 });
    refused({ test: 'text-like', path: a, pattern: text });
  }
  refused({ test: 'equal', path: a, value: Number.POSITIVE_INFINITY });
  refused({ test: 'near', path: a, point: [0, Number.NaN], maxMeters: 1 });
});

test('unknown paths, tests and keys are rejected, so that a typo never widens a filter', () => {
  for (const path of [[], ['attributes'], ['created'], ['created', 'at'], ['id', 'x'], ['__proto__'], ['tenant'], 'id', [1]]) {
    refused({ test: 'present', path });
  }
  refused({ test: 'matches', path: a });
  refused({ all: [], any: [] });
  refused({ test: 'equal', path: a });
  assert.match(refused({ test: 'equal', path: a, value: 1, vlaue: 2 }), /vlaue/);
  refused({ test: 'less', path: a, value: null });
});

test('__proto__ is a key like any other', () => {
  const parsed = parseFilter(JSON.parse('{"test":"equal","path":["attributes","__proto__"],"value":{"__proto__":1}}'));
  assert.ok(parsed.ok && 'test' in parsed.value && parsed.value.test === 'equal');
  assert.equal(JSON.stringify(parsed.value.value), '{"__proto__":1}');
});

test('a query has a limit, few sort keys, and a cursor that fits its order', () => {
  assert.ok(parseQuery({ limit: 0 }).ok);
  for (const query of [
    {},
    { limit: -1 },
    { limit: 1.5 },
    { limit: 1e9 },
    { limit: 1, cursor: 'x' },
    { limit: 1, sort: [{ path: ['id'] }] },
  ]) {
    assert.ok(!parseQuery(query).ok, JSON.stringify(query));
  }
  assert.ok(!parseQuery({ limit: 1, sort: Array.from({ length: 9 }, () => ({ path: ['id'], order: 'asc' })) }).ok);
});
