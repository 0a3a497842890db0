import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Document } from './document.ts';
import type { Condition, Filter } from './filter.ts';
import { FilterIndex } from './filter-index.ts';
import type { Json } from './json.ts';
import { key } from './normalize.ts';
import { compile } from './predicate.ts';

const stamp = { on: 1, by: 'b', app: 'a' };
const scalar = fc.constantFrom<Json[]>(
  'ab',
  'abc',
  'Abc',
  'a'.repeat(41),
  '',
  '0.5',
  '9'.repeat(401),
  0.5,
  -1,
  2,
  10n ** 401n,
  'a',
  'b',
  '1',
  '1.0',
  '01',
  'true',
  1,
  0,
  -0,
  true,
  false,
  null,
  1e21,
  '1000000000000000000000',
);
const value = fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) });
const documents: fc.Arbitrary<Document> = fc
  .record({ id: fc.constantFrom('a', 'b', '1'), type: fc.constantFrom('a', 'b'), deleted: fc.boolean(), p: value, q: value })
  .map(({ p, q, ...rest }) => ({
    ...rest,
    kind: 'vertex',
    scope: 's',
    version: 1,
    seq: 1,
    created: stamp,
    modified: stamp,
    attributes: { p, q },
  }));

const path = fc.constantFrom<(readonly string[])[]>(
  ['attributes', 'p'],
  ['attributes', 'q'],
  ['id'],
  ['type'],
  ['deleted'],
  ['version'],
  ['xid'],
);
const bound = fc.constantFrom<(string | number | bigint | boolean)[]>(
  'a',
  'ab',
  '1',
  '',
  0,
  1,
  -1,
  0.5,
  1e21,
  1e-300,
  -1e300,
  10n ** 21n,
  10n ** 400n,
  true,
);
const text = fc.constantFrom(
  'ab',
  '',
  '-1',
  '0.5',
  '2',
  '9'.repeat(400),
  'a',
  'b',
  '1',
  '1.0',
  '+1',
  'true',
  '0',
  '-0',
  '1000000000000000000000',
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ test: fc.constant('equal' as const), path, value }),
  fc.record({ test: fc.constant('in' as const), path, values: fc.array(value, { maxLength: 3 }) }),
  fc.record({ test: fc.constant('text-equal' as const), path, value: text, numeric: fc.boolean() }),
  fc.record({ test: fc.constant('present' as const), path }),
  fc.record({ test: fc.constantFrom('less' as const, 'at-most' as const, 'more' as const, 'at-least' as const), path, value: bound }),
  fc.record({
    test: fc.constantFrom('text-less' as const, 'text-at-most' as const, 'text-more' as const, 'text-at-least' as const),
    path,
    value: text,
  }),
  fc.record({ test: fc.constant('starts-with' as const), path, value: fc.constantFrom('', 'a', 'ab', 'abc', '1', `${'a'.repeat(40)}b`) }),
  fc.record({
    test: fc.constant('text-like' as const),
    path,
    pattern: fc.constantFrom('*', 'a*', 'A*', 'ab?', '\\a*', '1*', '?b', 'tr*', `${'a'.repeat(40)}*`),
    fold: fc.boolean(),
  }),
);
const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: condition },
    { weight: 3, arbitrary: fc.record({ all: fc.array(tie('filter'), { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ any: fc.array(tie('filter'), { maxLength: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ not: tie('filter') }) },
  ),
})).filter;

test('the index visits exactly the items whose filter matches, each once, while items come and go', () => {
  const steps = fc.array(fc.record({ item: fc.nat({ max: 15 }), filter: fc.option(filters, { nil: undefined, freq: 4 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(steps, fc.array(documents, { minLength: 1, maxLength: 8 }), (changes, given) => {
      const index = new FilterIndex<number>();
      const model = new Map<number, Filter>();
      for (const { item, filter } of changes) {
        if (filter === undefined) {
          assert.equal(index.remove(item), model.delete(item));
        } else {
          index.add(filter, item);
          model.set(item, filter);
        }
      }
      assert.equal(index.size, model.size);
      for (const document of given) {
        const visited: number[] = [];
        index.match(document, (item) => visited.push(item));
        const expected = [...model].filter(([, filter]) => compile(filter)(document)).map(([item]) => item);
        assert.deepEqual(visited.sort(), expected.sort());
      }
    }),
    { numRuns: 1000 },
  );
});

test('of many filters only few are evaluated, whether they have an equality, a prefix, a range, or one of several', () => {
  const p = ['attributes', 'p'];
  const q = ['attributes', 'q'];
  const kinds: Readonly<Record<string, (at: number) => Filter>> = {
    equality: (at) => ({ test: 'equal', path: p, value: at }),
    'equality of text': (at) => ({ test: 'text-equal', path: p, value: `${at}`, numeric: true }),
    prefix: (at) => ({ test: 'starts-with', path: q, value: `name-${at}-` }),
    pattern: (at) => ({ test: 'text-like', path: q, pattern: `NAME-${at}-*x`, fold: true }),
    range: (at) => ({
      all: [
        { test: 'at-least', path: p, value: at },
        { test: 'less', path: p, value: at + 1 },
      ],
    }),
    'range of text': (at) => ({
      all: [{ test: 'text-more', path: p, value: `${at - 0.5}` }, { all: [{ test: 'text-less', path: p, value: `${at + 0.5}` }] }],
    }),
    'threshold of which few are reached': (at) => ({ test: 'at-least', path: p, value: at + 5 }),
    'one of several': (at) => ({
      any: [
        { test: 'starts-with', path: q, value: `name-${at}-` },
        {
          all: [
            { test: 'more', path: p, value: at - 1 },
            { test: 'less', path: p, value: at },
          ],
        },
      ],
    }),
    'range beside something that many have': (at) => ({
      all: [
        { test: 'equal', path: ['type'], value: 'a' },
        { test: 'at-least', path: p, value: at },
        { test: 'less', path: p, value: at + 1 },
      ],
    }),
  };
  for (const [kind, filter] of Object.entries(kinds)) {
    const index = new FilterIndex<number>();
    for (let at = 0; at < 2000; at += 1) index.add(filter(at), at);
    const read: string[] = [];
    const seen = (value: Json, name: string) => ({ enumerable: true, get: () => (read.push(name) > 0 ? value : null) });
    const attributes = Object.defineProperties({}, { p: seen(7, 'p'), q: seen('name-7-x', 'q') });
    const document = {
      kind: 'vertex',
      id: 'a',
      type: 'a',
      scope: 's',
      version: 1,
      seq: 1,
      deleted: false,
      created: stamp,
      modified: stamp,
      attributes,
    } as Document; // with getters in the place of values
    const found: number[] = [];
    index.match(document, (item) => found.push(item));
    assert.ok(found.length >= 1 && found.length <= 10, `${kind}: ${found.join()}`);
    assert.ok(read.length <= 40, `${kind}: ${read.length} values were read`);
  }
});

test('filters with the same key match the same documents', () => {
  fc.assert(
    fc.property(fc.array(filters, { minLength: 2, maxLength: 20 }), documents, (given, document) => {
      const byKey = new Map<string, boolean>();
      for (const filter of given) {
        const matches = compile(filter)(document);
        assert.equal(byKey.get(key(filter)) ?? matches, matches);
        byKey.set(key(filter), matches);
      }
    }),
  );
});

test('the key does not depend on the order of parts, values and keys', () => {
  const p = ['attributes', 'p'];
  const one: Filter = {
    all: [
      { test: 'in', path: p, values: [1, 'a'] },
      { test: 'equal', path: p, value: { x: 1, y: 2 } },
    ],
  };
  const two: Filter = {
    all: [{ value: { y: 2, x: 1 }, path: p, test: 'equal' }, { all: [{ test: 'in', path: p, values: ['a', 1, 1] }] }],
  };
  assert.equal(key(one), key(two));
  assert.notEqual(key({ all: [] }), key({ any: [] }));
});

test('a visit may add and remove items', () => {
  const index = new FilterIndex<string>();
  const everything: Filter = { all: [] };
  index.add(everything, 'a');
  index.add(everything, 'b');
  const visited: string[] = [];
  const document = fc.sample(documents, 1)[0];
  assert.ok(document !== undefined);
  index.match(document, (item) => {
    visited.push(item);
    index.remove('a');
    index.remove('b');
    index.add(everything, 'c');
  });
  assert.deepEqual(visited, ['a', 'b']);
});
