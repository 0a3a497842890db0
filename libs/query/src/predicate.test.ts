import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document } from './document.ts';
import { type Condition, EVERYTHING, type Filter, literalPattern, NOTHING } from './filter.ts';
import type { Json, JsonObject } from './json.ts';
import { compile } from './predicate.ts';

const stamp = { on: 1000, by: 'ada', app: 'app' };
const note = (attributes: JsonObject, rest: Partial<Document> = {}): Document => ({
  id: 'n1',
  kind: 'vertex',
  type: 'ogit/Note',
  scope: 's',
  version: 1,
  seq: 7,
  deleted: false,
  created: stamp,
  modified: stamp,
  attributes,
  ...rest,
});
const holds = (filter: Filter, document: Document): boolean => compile(filter)(document);
type Unplaced<C> = C extends Condition ? Omit<C, 'path'> : never;
/** Whether a condition holds for attribute `a` with this value; without a second argument for its absence. */
const on = (condition: Unplaced<Condition>, ...value: readonly Json[]): boolean =>
  holds({ ...condition, path: ['attributes', 'a'] } as Condition, note(value[0] === undefined ? {} : { a: value[0] }));

test('an empty all always holds, an empty any never does, and not inverts both', () => {
  const document = note({});
  assert.equal(holds(EVERYTHING, document), true);
  assert.equal(holds(NOTHING, document), false);
  assert.equal(holds({ not: NOTHING }, document), true);
  assert.equal(holds({ all: [EVERYTHING, { any: [NOTHING, EVERYTHING] }, { not: NOTHING }] }, document), true);
});

test('fields, stamps and attributes are read by their paths', () => {
  const edge = note({ deep: { er: 1 } }, { kind: 'edge', out: 'a', in: 'b', outType: 'A', inType: 'B', xid: 'x' });
  const equals = (path: readonly string[], value: Json): boolean => holds({ test: 'equal', path, value }, edge);
  assert.ok(equals(['kind'], 'edge') && equals(['out'], 'a') && equals(['inType'], 'B') && equals(['xid'], 'x') && equals(['seq'], 7));
  assert.ok(equals(['created', 'by'], 'ada') && equals(['modified', 'on'], 1000));
  assert.ok(equals(['attributes', 'deep', 'er'], 1));
  assert.ok(equals(['nonsense'], null), 'an unknown path reads as absent');
});

test('only own keys are attributes, and keys never reach into lists', () => {
  const equals = (path: readonly string[], value: Json, attributes: JsonObject): boolean =>
    holds({ test: 'equal', path: ['attributes', ...path], value }, note(attributes));
  assert.ok(equals(['constructor'], null, {}));
  assert.ok(equals(['__proto__'], null, {}));
  assert.ok(equals(['__proto__'], 1, JSON.parse('{"__proto__":1}')));
  assert.ok(equals(['a', 'length'], null, { a: [1] }));
  assert.ok(equals(['a', '0'], null, { a: [1] }));
  assert.ok(equals(['a', '0'], null, { a: 'text' }));
});

test('equal compares deeply, regardless of the order of keys, and null equals null or absent', () => {
  assert.ok(on({ test: 'equal', value: { x: [1, { y: null }], z: 'ä' } }, { z: 'ä', x: [1, { y: null }] }));
  assert.ok(!on({ test: 'equal', value: { x: null } }, {}));
  assert.ok(!on({ test: 'equal', value: [1] }, [1, 2]));
  assert.ok(!on({ test: 'equal', value: [] }, {}));
  assert.ok(!on({ test: 'equal', value: 1 }, '1'));
  assert.ok(on({ test: 'equal', value: -0 }, 0));
  assert.ok(on({ test: 'equal', value: null }, null) && on({ test: 'equal', value: null }) && !on({ test: 'equal', value: null }, 0));
});

test('in, contains, present and starts-with', () => {
  assert.ok(on({ test: 'in', values: [1, [2]] }, [2]) && on({ test: 'in', values: [null] }) && !on({ test: 'in', values: [] }));
  assert.ok(on({ test: 'contains', value: { b: 1 } }, [0, { b: 1 }]) && !on({ test: 'contains', value: 1 }, 1));
  assert.ok(on({ test: 'contains', value: null }, [null]) && !on({ test: 'contains', value: null }, []));
  assert.ok(on({ test: 'present' }, '') && !on({ test: 'present' }, null) && !on({ test: 'present' }));
  assert.ok(on({ test: 'starts-with', value: 'ab' }, 'abc') && !on({ test: 'starts-with', value: '1' }, 12));
});

test('order compares only within one type, and strings by code point', () => {
  assert.ok(on({ test: 'less', value: 10 }, 9) && !on({ test: 'less', value: 10 }, '9') && !on({ test: 'less', value: 10 }));
  assert.ok(
    on({ test: 'less', value: '9' }, '10') && on({ test: 'at-least', value: true }, true) && on({ test: 'less', value: true }, false),
  );
  assert.ok(on({ test: 'more', value: '\uff5e' }, '\u{1f600}'), 'UTF-16 units would order them the other way');
});

test('text conditions treat scalars as text and look into lists, never into objects', () => {
  assert.ok(on({ test: 'text-equal', value: '1' }, 1) && on({ test: 'text-equal', value: 'true' }, true));
  assert.ok(on({ test: 'text-equal', value: '1000000000000000000000' }, 1e21) && on({ test: 'text-equal', value: '0.0000001' }, 1e-7));
  assert.ok(on({ test: 'text-equal', value: 'b' }, ['a', 'b']) && !on({ test: 'text-equal', value: 'a' }, [['a']]));
  assert.ok(!on({ test: 'text-like', pattern: '*' }, { x: 'a' }) && !on({ test: 'text-like', pattern: '*' }, null));
  assert.ok(!on({ test: 'text-equal', value: '1.0' }, 1) && on({ test: 'text-equal', value: '1.0', numeric: true }, 1));
  assert.ok(on({ test: 'text-equal', value: 'x', numeric: true }, 'x') && !on({ test: 'text-equal', value: '1', numeric: true }, 'x'));
});

test('text order is numeric where both sides are decimals, however long', () => {
  assert.ok(
    on({ test: 'text-less', value: '10' }, '9') &&
      on({ test: 'text-less', value: 'a' }, '9') &&
      on({ test: 'text-more', value: '10' }, 'a'),
  );
  const big = '9'.repeat(40);
  assert.ok(on({ test: 'text-more', value: big }, `1${'0'.repeat(40)}`) && on({ test: 'text-at-least', value: `-${big}` }, `-${big}.0`));
  assert.ok(on({ test: 'text-less', value: '-1.5' }, `-${big}`) && on({ test: 'text-less', value: '0.10000000000000000001' }, '0.1'));
});

test('patterns know any run, exactly one character, and escapes', () => {
  const like = (pattern: string, text: string, fold = false): boolean => on({ test: 'text-like', pattern, fold }, text);
  assert.ok(like('a*c', 'abbbc') && like('a*c', 'ac') && !like('a*c', 'acb') && like('*', '') && like('', '') && !like('', 'a'));
  assert.ok(like('*b*b*', 'abcb') && !like('*b*b*', 'abc') && like('ab*ab', 'abab') && !like('ab*ab', 'aba'));
  assert.ok(like('?', '\u{1f600}') && !like('??', '\u{1f600}') && like('a?*', 'ab') && !like('a?*', 'a') && like('*?b', 'abb'));
  assert.ok(like('a\\*', 'a*') && !like('a\\*', 'ab') && like('a\\', 'a\\') && like('100%_', '100%_'));
  assert.ok(like('GRÜN*', 'grünlich', true) && !like('GRÜN*', 'grünlich') && !like('İ', 'i', true));
  assert.ok(like(literalPattern('a*?\\b'), 'a*?\\b'));
});

test('a pattern of many stars costs no more than text times pattern', () => {
  const before = process.threadCpuUsage();
  assert.equal(on({ test: 'text-like', pattern: `${'*a'.repeat(400)}*b` }, 'a'.repeat(100_000)), false);
  assert.equal(on({ test: 'text-like', pattern: `${'*a?'.repeat(300)}*b` }, 'a'.repeat(20_000)), false);
  assert.ok(process.threadCpuUsage(before).user < 2_000_000, 'at most two seconds of CPU');
});

test('words are found in any order, phrases only in theirs, regardless of case and punctuation', () => {
  const found = (value: string, text: string, phrase = false): boolean => on({ test: 'text-words', value, phrase }, text);
  assert.ok(found('World HELLO', 'Hello, world!') && !found('wor', 'world') && found('über', 'ÜBER-all'));
  assert.ok(found('hello world', 'Hello, world!', true) && !found('world hello', 'Hello, world!', true) && !found('ello', 'hello', true));
  assert.ok(!found('!?', 'anything !?'));
});

test('places: near by metres over the sphere, box, and polygon with holes', () => {
  const berlin = { type: 'Point', coordinates: [13.405, 52.52] };
  const near = (maxMeters: number): boolean => on({ test: 'near', point: [11.5755, 48.1372], maxMeters }, berlin);
  assert.ok(near(505_000) && !near(503_000));
  assert.ok(on({ test: 'near', point: [179.9, 0], maxMeters: 30_000 }, { type: 'Point', coordinates: [-179.9, 0] }));
  assert.ok(on({ test: 'within', box: [170, -10, -170, 10] }, { type: 'Point', coordinates: [-175, 0] }));
  assert.ok(!on({ test: 'within', box: [170, -10, -170, 10] }, { type: 'Point', coordinates: [0, 0] }));
  const ring = (size: number): readonly (readonly [number, number])[] => [
    [-size, -size],
    [size, -size],
    [size, size],
    [-size, size],
    [-size, -size],
  ];
  const inside = (x: number): boolean => on({ test: 'inside', polygon: [ring(10), ring(5)] }, { type: 'Point', coordinates: [x, 0] });
  assert.ok(inside(7) && !inside(3) && !inside(11));
  assert.ok(!on({ test: 'near', point: [0, 0], maxMeters: 1e9 }, [0, 0]));
});

test('a long text is folded once, however many filters look at it', () => {
  const text = 'aB'.repeat(100_000);
  const filters = Array.from({ length: 2000 }, (_, at) =>
    compile({ test: 'text-like', path: ['attributes', 'a'], pattern: `*x${at}*`, fold: true }),
  );
  const before = process.threadCpuUsage();
  assert.equal(
    filters.some((matches) => matches(note({ a: text }))),
    false,
  );
  assert.ok(process.threadCpuUsage(before).user < 2_000_000, 'at most two seconds of CPU');
  assert.ok(compile({ test: 'text-like', path: ['attributes', 'a'], pattern: '*Bab*', fold: true })(note({ a: text })));
});
