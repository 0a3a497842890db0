import type { Document } from '@polyedge/query/document';
import type { Condition, Filter, Path, Position } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { Sort } from '@polyedge/query/query';
import { parseRegexp } from '@polyedge/query/regexp';
import fc from 'fast-check';

/*
 * Random elements, filters and orders out of small pools, so that they often meet, with the strings and numbers on which JavaScript
 * and PostgreSQL are known to differ.
 */

const storable = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '0'));

const texts = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('', 'a', 'A', 'b', 'ab', 'aXb', 'a%b', 'a_b', 'a*b', 'a?b', 'a\\b', '\\', "it's", '"', '$1', ' a '),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom('true', 'false', 'null', '0', '-0', '1', '+1', '1.0', '01', '1.50', '-1', '10', '9', '1e21', '.5', '5.'),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '1000000000000000000000',
      '1000000000000000000001',
      '-1000000000000000000001.5',
      '0.0000001',
      '9007199254740991',
      `${'9'.repeat(999)}`,
      `${'9'.repeat(1000)}`,
      `${'9'.repeat(1001)}`,
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '\u{1f600}',
      '\uff5e',
      '\ue000',
      '\u{1f600}a',
      'Ä',
      'ä',
      'ÄÖÜ×',
      'äöü÷',
      'İ',
      'ı',
      'ß',
      'ẞ',
      'Σς',
      'é',
      'e\u0301',
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'Hello, World! foo-bar',
      'hello world',
      'world hello',
      'foo bar',
      'foo_bar',
      'foo\u00a0bar',
      'foo\u2028bar',
      '\ufeffhello',
      'Größe: über-ALLES',
      'über alles',
      'it1 2it',
      '\ttab\nline\r\n',
      '日本。語',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('x'.repeat(255), 'x'.repeat(256), 'x'.repeat(257), `${'x'.repeat(256)}y`, '\u{1f600}'.repeat(257)),
  },
  { weight: 4, arbitrary: storable },
);

/** As they come out of a text: beyond 2^53 integers. */
const numbers = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        0,
        -0,
        1,
        -1,
        1.5,
        10,
        9,
        0.1 + 0.2,
        1e21,
        1e-7,
        1.25e-9,
        5e-324,
        Number.MAX_VALUE,
        -1e300,
        2 ** 53 - 1,
        123456789012345680000,
      ),
    },
    { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  )
  .map((number) => parseOwnJson(JSON.stringify(number)) as number | bigint);

/** Neighbours that are one double, and what is next to the last safe integer. */
const integers = fc.constantFrom(
  9_007_199_254_740_992n,
  9_007_199_254_740_993n,
  -9_007_199_254_740_993n,
  750_727_362_669_608_961n,
  750_727_362_669_608_960n,
  1_000_000_000_000_000_000_001n,
);

const degrees = (limit: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(0, -0, 1, -1, 5e-324, 1e-10, 1e-9, limit, -limit, limit / 2, 10, 10.5),
    fc.double({ min: -limit, max: limit, noNaN: true }),
  );
const position: fc.Arbitrary<Position> = fc.tuple(degrees(180), degrees(90));

const points: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: position.map((coordinates): Json => ({ type: 'Point', coordinates })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Json>(
      { type: 'Point', coordinates: [181, 0] },
      { type: 'Point', coordinates: ['1', 2] },
      { type: 'Point', coordinates: 5 },
      { type: 'Point', coordinates: [5] },
      { type: 'Point', coordinates: { 0: 1, 1: 2 } },
      { type: ['Point'], coordinates: [1, 2] },
      { type: 'Point', coordinates: [1, 2, 3] },
      [1, 2],
    ),
  },
);

const scalars: fc.Arbitrary<Json> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(null, true, false) },
  { weight: 2, arbitrary: numbers },
  { weight: 1, arbitrary: integers },
  { weight: 4, arbitrary: texts },
);

const keys = fc.constantFrom('a', 'b', 'c', '0', '-1', 'ogit/name', '/free', '__proto__', 'constructor', "it's", '"', '$1', 'é');
const otherKeys = fc.oneof(keys, storable);

const object = (value: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.array(fc.tuple(otherKeys, value), { maxLength: 3 }).map((entries): Json => Object.fromEntries(entries));

const { value: values } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 6, arbitrary: scalars },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 2, arbitrary: object(tie('value')) },
  ),
}));

const attributes = fc
  .array(fc.tuple(keys, fc.oneof({ weight: 4, arbitrary: values }, { weight: 1, arbitrary: points })), { maxLength: 8 })
  .map((entries) => Object.fromEntries(entries));

const names = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'A', '1', '1.0', '\u{1f600}', '\uff5e', 'true') },
  { weight: 1, arbitrary: storable },
);
const times = fc.constantFrom(0, 1, 2, 10, 1_700_000_000_000);
const stamp = fc.record({ on: times, by: names, app: names });
const maybe = fc.option(names, { nil: undefined });

/** An element; the caller makes its id unique. */
export const documents: fc.Arbitrary<Document> = fc.record({
  id: names,
  kind: fc.constantFrom('vertex', 'edge'),
  type: names,
  scope: names,
  xid: maybe,
  version: fc.constantFrom(1, 2, 10),
  seq: fc.nat({ max: 50 }),
  deleted: fc.boolean(),
  created: stamp,
  modified: stamp,
  attributes,
  out: maybe,
  in: maybe,
  outType: maybe,
  inType: maybe,
});

const paths: fc.Arbitrary<Path> = fc.oneof(
  { weight: 5, arbitrary: fc.array(keys, { minLength: 1, maxLength: 2 }).map((rest) => ['attributes', ...rest]) },
  { weight: 3, arbitrary: keys.map((name) => ['attributes', name]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...['id', 'kind', 'type', 'scope', 'xid', 'version', 'seq', 'deleted', 'out', 'in', 'outType', 'inType'].map((name) => [name]),
      ...['created', 'modified'].flatMap((name) => ['on', 'by', 'app'].map((part) => [name, part])),
    ),
  },
);

/** Expressions of `text-regexp` that can be read: parts in any order, and texts with what is special made plain. */
const regexps = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'a',
        'b',
        '.',
        '@',
        '#',
        '[a-c]',
        '[^a]',
        '\\d',
        '\\W',
        '[\\s\\-]',
        '<1-12>',
        '|',
        '(',
        ')',
        '*',
        '+',
        '?',
        '{1,3}',
        '"é😀"',
        '\n',
        '$',
        '^',
      ),
      texts.map((text) => text.replaceAll(/[^0-9A-Za-z]/gu, '\\$&')),
    ),
    { maxLength: 7 },
  )
  .map((parts) => parts.join(''))
  .filter((source) => parseRegexp(source).ok);

const patterns = fc.oneof(
  fc
    .array(fc.oneof(fc.constantFrom('*', '?', '\\*', '\\?', '\\\\', '\\', '%', '_', 'a', 'b', 'A', 'Ä', '\u{1f600}'), texts), {
      maxLength: 5,
    })
    .map((parts) => parts.join('').slice(0, 1024).toWellFormed()),
  texts,
);

const comparable = fc.oneof(numbers, integers, texts, fc.boolean());
const corner = fc.oneof(position, fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })));

export const conditions: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ test: fc.constant('equal' as const), path: paths, value: fc.oneof(values, points) }),
  fc.record({ test: fc.constant('in' as const), path: paths, values: fc.array(values, { maxLength: 5 }) }),
  fc.record({ test: fc.constant('in' as const), path: paths, values: fc.array(values, { minLength: 33, maxLength: 40 }) }),
  fc.record({
    test: fc.constantFrom('less' as const, 'at-most' as const, 'more' as const, 'at-least' as const),
    path: paths,
    value: comparable,
  }),
  fc.record({ test: fc.constant('present' as const), path: paths }),
  fc.record({ test: fc.constant('contains' as const), path: paths, value: values }),
  fc.record({ test: fc.constant('starts-with' as const), path: paths, value: texts }),
  fc.record({ test: fc.constant('text-equal' as const), path: paths, value: texts, numeric: fc.boolean() }),
  fc.record({
    test: fc.constantFrom('text-less' as const, 'text-at-most' as const, 'text-more' as const, 'text-at-least' as const),
    path: paths,
    value: texts,
  }),
  fc.record({ test: fc.constant('text-like' as const), path: paths, pattern: patterns, fold: fc.boolean() }),
  fc.record({ test: fc.constant('text-regexp' as const), path: paths, pattern: regexps }),
  fc.record({ test: fc.constant('text-words' as const), path: paths, value: texts, phrase: fc.boolean() }),
);

/** Conditions on places; apart, because only elements full of Points meet them often. */
export const geoConditions: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    test: fc.constant('near' as const),
    path: fc.constant(['attributes', 'a']),
    point: position,
    maxMeters: fc.oneof(
      fc.constantFrom(0, 1, 20_015_086, 20_015_088, 1e9, Number.MAX_VALUE),
      fc.double({ min: 0, max: 2.1e7, noNaN: true }),
    ),
  }),
  fc.record({
    test: fc.constant('within' as const),
    path: fc.constant(['attributes', 'a']),
    box: fc.tuple(degrees(180), degrees(90), degrees(180), degrees(90)),
  }),
  fc.record({
    test: fc.constant('inside' as const),
    path: fc.constant(['attributes', 'a']),
    polygon: fc.array(fc.array(corner, { maxLength: 6 }), { maxLength: 2 }),
  }),
);

export const placed: fc.Arbitrary<Document> = fc
  .tuple(documents, points)
  .map(([document, a]) => ({ ...document, attributes: { ...document.attributes, a } }));

export const filtersOf = (condition: fc.Arbitrary<Condition>): fc.Arbitrary<Filter> =>
  fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3 },
      { weight: 6, arbitrary: condition },
      { weight: 1, arbitrary: fc.record({ all: fc.array(tie('filter'), { maxLength: 3 }) }) },
      { weight: 1, arbitrary: fc.record({ any: fc.array(tie('filter'), { maxLength: 3 }) }) },
      { weight: 1, arbitrary: fc.record({ not: tie('filter') }) },
    ),
  })).filter;

export const sorts: fc.Arbitrary<readonly Sort[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ path: paths, order: fc.constantFrom('asc' as const, 'desc' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        path: fc.constant(['attributes', 'a']),
        order: fc.constantFrom('asc' as const, 'desc' as const),
        near: position,
      }),
    },
  ),
  { maxLength: 3 },
);
