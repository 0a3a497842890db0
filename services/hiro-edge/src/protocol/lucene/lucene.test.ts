import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import fc from 'fast-check';
import { sampleElement } from '../../../test/sample-element.ts';
import { compileLucene } from './lucene.ts';
import { LUCENE_LIMITS, type Lucene, type Placeholders, parseLucene } from './parser.ts';

function filterOf(text: string, placeholders: Placeholders = {}): Filter {
  const outcome = compileLucene(text, { tenant: 'acme', placeholders });
  assert.ok(outcome.ok, `${text}: ${outcome.ok ? '' : outcome.failure.detail}`);
  return outcome.value;
}

const finds = (text: string, parts: Partial<Element> = {}, placeholders: Placeholders = {}): boolean =>
  compile(filterOf(text, placeholders))(sampleElement(parts));

/** Which of the words a to e a query over attribute `/x` finds. */
const found = (text: string): string =>
  Array.from('abcde')
    .filter((word) => finds(text, { attributes: { '/x': word } }))
    .join('');

function problemOf(text: string, placeholders: Placeholders = {}): string {
  const outcome = compileLucene(text, { tenant: 'acme', placeholders });
  assert.ok(!outcome.ok, text);
  assert.equal(outcome.failure.code, 'invalid');
  return outcome.failure.detail ?? '';
}

const note = { type: 'ogit/Note' };

test('queries of real clients find the intended elements', () => {
  assert.equal(finds('+ogit\\/_type:"ogit/Note"', note), true);
  assert.equal(finds('+ogit\\/_type:"ogit/Note"'), false);
  assert.equal(finds('+ogit/_type:"ogit/Note"', note), true);
  assert.equal(finds('ogit/_type:ogit/Note', note), true);
  const query = '_exists_:ogit\\/_xid -ogit\\/_creator:("a" "b")';
  assert.equal(finds(query, { xid: 'x' }), true);
  assert.equal(finds(query), false);
  assert.equal(finds(query, { xid: 'x', created: { on: 1, by: 'b', app: '' } }), false);
  const handedOver = '(-\\/teaching_ownerId:*) \\/teaching_is_handedover:"true"';
  assert.equal(finds(handedOver, { attributes: {} }), true);
  assert.equal(finds(handedOver, { attributes: { '/teaching_ownerId': 'me' } }), false);
  assert.equal(finds(handedOver, { attributes: { '/teaching_ownerId': 'me', '/teaching_is_handedover': 'true' } }), true);
  assert.equal(finds('*:*'), true);
  assert.equal(finds('*'), true);
});

test('plus, minus, AND, OR and NOT work as in the classic parser of Lucene', () => {
  for (const [query, expected] of [
    ['/x:a /x:b', 'ab'],
    ['/x:a OR /x:b', 'ab'],
    ['/x:a || /x:b', 'ab'],
    ['/x:(a b)', 'ab'],
    ['/x:(a OR b OR "c")', 'abc'],
    ['+/x:a /x:b', 'a'],
    ['+/x:(a b c) -/x:b', 'ac'],
    ['/x:a -/x:b', 'a'],
    ['-/x:a', 'bcde'],
    ['NOT /x:a', 'bcde'],
    ['!/x:a', 'bcde'],
    ['-/x:a -/x:b', 'cde'],
    ['/x:* AND NOT /x:a', 'bcde'],
    ['/x:* && !/x:a', 'bcde'],
    ['/x:(a b) AND /x:(b c)', 'b'],
    ['/x:a AND /x:b', ''],
    // AND makes both sides required; what an OR adds is then optional.
    ['/x:a OR /x:(a b) AND /x:(b c)', 'b'],
    ['/x:(a b c) AND (/x:a OR /x:b) AND NOT /x:a', 'b'],
    ['/x:(+a b)', 'a'],
    ['/x:(-a)', 'bcde'],
    ['/x:[b TO d]', 'bcd'],
    ['/x:{b TO d}', 'c'],
    ['/x:[b TO d}', 'bc'],
    ['/x:{b TO *]', 'cde'],
    ['/x:[* TO b]', 'ab'],
    ['/x:[* TO *]', 'abcde'],
    ['/x:>c', 'de'],
    ['/x:>=c', 'cde'],
    ['/x:<c', 'ab'],
    ['/x:<= "c"', 'abc'],
    ['/x:?', 'abcde'],
    ['/x:a^2 /x:"b"^0.5', 'ab'],
    ['_exists_:/x', 'abcde'],
    ['_exists_:"/x" AND /x:a', 'a'],
    ['_missing_:"/x"', ''],
    ['_missing_:"/y" /x:a', 'abcde'],
  ] as const) {
    assert.equal(found(query), expected, query);
  }
});

test('wildcards match parts of a value, quotes and escapes make them literal', () => {
  const value = (text: string): Partial<Element> => ({ attributes: { '/name': text } });
  assert.equal(finds('/name:fo*', value('foobar')), true);
  assert.equal(finds('/name:f?o', value('foo')), true);
  assert.equal(finds('/name:*o*a?', value('foobar')), true);
  assert.equal(finds('/name:fo*', value('Foobar')), false);
  assert.equal(finds('/name:"fo*"', value('foobar')), false);
  assert.equal(finds('/name:"fo*"', value('fo*')), true);
  assert.equal(finds('/name:fo\\*', value('fo*')), true);
  assert.equal(finds('/name:fo\\*', value('foobar')), false);
  assert.equal(finds('/name:a\\ b\\:c\\(d\\)', value('a b:c(d)')), true);
  assert.equal(finds('/name:"a \\"b\\" \\\\"', value('a "b" \\')), true);
  assert.equal(finds('/name:a-b+c', value('a-b+c')), true);
  assert.equal(finds('/name:"AND"', value('AND')), true);
  assert.equal(finds('/name:""', value('')), true);
  assert.equal(finds('\\/na\\+me:x', { attributes: { '/na+me': 'x' } }), true);
});

test('attributes are compared by their types', () => {
  assert.equal(finds('ogit/_is-deleted:true', { deleted: true }), true);
  assert.equal(finds('ogit/_is-deleted:false'), true);
  assert.match(problemOf('ogit/_is-deleted:yes'), /compared with true or false/);
  assert.equal(finds('ogit/_created-on:1000'), true);
  assert.equal(finds('ogit/_created-on:[00000000999 TO 00000001001]'), true);
  assert.equal(finds('ogit/_created-on:>999 ogit/_v:2'), true);
  assert.match(problemOf('ogit/_created-on:[yesterday TO *]'), /ogit\/_created-on is compared with milliseconds, an ISO date/);
  assert.equal(finds('ogit/_v:1'), true);
  assert.equal(finds('ogit/_owner:alice'), true);
  assert.equal(finds('ogit/_organization:acme'), true);
  assert.equal(finds('ogit/_organization:other'), false);
  assert.equal(finds('/n:[5 TO 10]', { attributes: { '/n': '7' } }), true);
  assert.equal(finds('/n:1.0', { attributes: { '/n': '1' } }), false);
  assert.equal(finds('/n:1', { attributes: { '/n': 1 } }), true);
  const tags = { attributes: { 'ogit/_tags': 'red,green, blue' } };
  for (const tag of ['red', 'green', 'blue', 'gr*']) assert.equal(finds(`ogit/_tags:${tag}`, tags), true, tag);
  for (const tag of ['re', 'red,green', 'yellow']) assert.equal(finds(`ogit/_tags:${tag}`, tags), tag === 'red,green', tag);
  const content = { attributes: { 'ogit/_content': 'The quick, brown Fox' } };
  assert.equal(finds('ogit/_content:fox', content), true);
  assert.equal(finds('ogit/_content:"quick brown"', content), true);
  assert.equal(finds('ogit/_content:"brown quick"', content), false);
  assert.equal(finds('ogit/_content:bro', content), false);
  assert.equal(finds('ogit/_content:bro*', content), true);
  assert.equal(finds('ogit/_content.ngram:rown', content), true);
  assert.equal(finds('QUICK', content), true);
  assert.equal(finds('+quick +"brown fox" -dog', content), true);
  assert.equal(finds('name'), true);
  assert.equal(finds('other'), false);
});

test('placeholders are replaced by their values, inside and outside of quotes', () => {
  const value = (text: string): Partial<Element> => ({ attributes: { '/name': text } });
  assert.equal(finds('/name:$ph_0', value('a b'), { ph_0: 'a b' }), true);
  assert.equal(finds('/name:"$ph_0"', value('a "b"'), { ph_0: 'a "b"' }), true);
  assert.equal(finds('/name:"x $a y"', value('x 1 y'), { a: 1 }), true);
  assert.equal(finds('/name:x$a*', value('x*yz'), { a: '*y' }), true);
  assert.equal(finds('/name:$a', value('true'), { a: true }), true);
  assert.equal(finds('/name:$b', value('x'), { $b: 'x' }), true);
  assert.equal(finds('/name:$a', value('$a')), true);
  assert.equal(finds('/name:\\$a', value('$a'), { a: 'x' }), true);
  assert.equal(finds('/name:[$from TO $to]', value('5'), { from: '1', to: 10 }), true);
  assert.equal(finds('/name:[$from TO z]', value('5'), { from: '*' }), true);
  assert.equal(finds('/name:[$from TO z]', value('('), { from: '*' }), false);
  assert.equal(finds('/name:>=$a', value('5'), { a: 5 }), true);
  assert.equal(finds('/name:($list)', value('b'), { list: ['a', 'b'] }), true);
  assert.equal(finds('-/name:$list', value('b'), { list: ['a', 'b'] }), false);
  assert.equal(finds('/name:$list', value('b'), { list: [] }), false);
  assert.equal(finds('_exists_:$a', value('b'), { a: '/name' }), true);
  assert.equal(finds('$field:b', value('b'), { field: '/name' }), false);
  for (const a of [null, {}, [[]], [null], '\ud800', 'a\0b', Number.NaN]) assert.match(problemOf('/name:$a', { a }), /position 6/);
  assert.match(problemOf('/name:[$a TO z]', { a: ['x', 'y'] }), /a list cannot stand here/);
});

test('a placeholder can never become syntax', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom(
      '" OR *:*',
      'x) OR (*:*',
      '*',
      '?',
      '\\',
      '"',
      'a" "b',
      '[* TO *]',
      'x OR y',
      '$b',
      '/y:1',
      '-x',
      'AND',
      '~',
      '^2',
      ']',
      ' ',
    ),
  );
  fc.assert(
    fc.property(
      hostile.filter((text) => !text.includes('\0')),
      hostile.filter((text) => !text.includes('\0')),
      (wanted, other) => {
        for (const query of ['/a:$v', '/a:"$v"', '+/a:($v)', '/a:[$v TO $v]']) {
          const holds = finds(query, { attributes: { '/a': other } }, { v: wanted, b: other });
          // Ranges of numbers compare numbers: 01 is in [1 TO 1].
          if (query.includes('TO') && wanted !== other) continue;
          assert.equal(holds, wanted === other, query);
        }
        assert.equal(finds('/a:$v AND _exists_:"/b"', { attributes: { '/a': wanted } }, { v: wanted }), false);
        assert.equal(finds('/a:x$v', { attributes: { '/a': `x${wanted}` } }, { v: wanted }), true);
      },
    ),
  );
});

test('many alternatives of one field become one lookup', () => {
  assert.deepEqual(filterOf('+ogit/_type:("a" "b") +ogit/_scope:$s', { s: ['x'] }), {
    all: [
      { test: 'in', path: ['type'], values: ['a', 'b'] },
      { test: 'equal', path: ['scope'], value: 'x' },
    ],
  });
});

test('an invalid query is rejected with the position of the problem', () => {
  for (const [text, problem] of [
    ['', 'query: expected a clause at position 0'],
    ['   ', 'query: expected a clause at position 3'],
    ['/x:', 'query: expected a value after "/x" at position 3'],
    ['(/x:a', 'query: expected ")" at position 5'],
    ['/x:a)', 'query: unexpected ")" at position 4'],
    ['()', 'query: expected a clause at position 1'],
    ['/x:"a', 'query: the quoted text is not closed at position 3'],
    ['/x:a\\', 'query: nothing follows the backslash at position 5'],
    ['/x:[a b]', 'query: expected TO at position 6'],
    ['/x:[a TO b', 'query: expected "]" or "}" at position 10'],
    ['/x:[ TO b]', 'query: expected TO at position 8'],
    ['/x:a~2', 'query: "~" (fuzzy and near) is not supported at position 4'],
    ['/x:"a b"~2', 'query: "~" (fuzzy and near) is not supported at position 8'],
    ['/x:a^', 'query: expected a number after "^" at position 4'],
    ['AND /x:a', 'query: expected a clause before AND or OR at position 4'],
    ['/x:a AND', 'query: expected a clause at position 8'],
    ['/x:a OR OR /x:b', 'query: expected a clause at position 8'],
    ['+', 'query: expected a clause at position 1'],
    [':a', 'query: unexpected ":" at position 0'],
    ['/x*:a', 'query: a field name has no wildcards and at most 512 characters at position 0'],
    ['*:a', 'query: expected "*" after "*:" at position 3'],
    ['_exists_:', 'query: expected an attribute after _exists_: at position 9'],
    ['_exists_:a*', 'query: expected an attribute after _exists_: at position 11'],
    ['[a TO b]', 'query: unexpected "[" at position 0'],
    ['/x:\ud800', 'the query contains NUL or an unpaired surrogate'],
  ] as const) {
    assert.equal(problemOf(text), problem, text);
  }
});

test('length, depth and number of clauses are limited', () => {
  assert.match(problemOf('x'.repeat(LUCENE_LIMITS.bytes + 1)), /longer than/);
  assert.match(problemOf('('.repeat(60_000)), /nested more than 32 deep at position 33/);
  assert.match(problemOf('a '.repeat(1025)), /more than 1024 clauses/);
  assert.match(problemOf('/x:$list', { list: Array.from({ length: 2000 }, String) }), /more than 1024 clauses/);
  assert.match(problemOf('/x:a '.repeat(1001)), /at most 1000/);
  assert.equal(finds(`${'('.repeat(32)}*:*${')'.repeat(32)}`), true);
});

const word = fc.stringMatching(/^[a-z*?$" \\:()[\]+!~^-]{1,6}$/);
const field = fc.constantFrom('/x', 'ogit/_type', 'ogit/name', 'a b', 'x:y', '+z');
const leaf: fc.Arbitrary<Lucene> = fc.oneof(
  fc.constant<Lucene>({ kind: 'everything' }),
  fc.record({ kind: fc.constant('term' as const), field, values: fc.tuple(word), quoted: fc.boolean() }, { noNullPrototype: true }),
  fc.record({ kind: fc.constant('exists' as const), field }, { noNullPrototype: true }),
  fc.record(
    {
      kind: fc.constant('range' as const),
      field,
      from: fc.record({ value: word, inclusive: fc.boolean() }, { noNullPrototype: true }),
      to: fc.record({ value: word, inclusive: fc.boolean() }, { noNullPrototype: true }),
    },
    { requiredKeys: ['kind', 'field', 'from'], noNullPrototype: true },
  ),
);
const lucene = fc.letrec<{ node: Lucene }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc
      .record({
        must: fc.array(tie('node'), { maxLength: 2 }),
        should: fc.array(tie('node'), { maxLength: 2 }),
        not: fc.array(tie('node'), { maxLength: 2 }),
      })
      .filter(({ must, should, not }) => must.length + should.length + not.length > 1 || not.length === 1)
      .map((clauses) => ({ kind: 'clauses' as const, ...clauses })),
  ),
})).node;

const escaped = (text: string): string => text.replace(/[^a-z]/g, '\\$&');
const quoted = (text: string): string => `"${text.replace(/["\\$]/g, '\\$&')}"`;

function printed(node: Lucene): string {
  switch (node.kind) {
    case 'everything':
      return '*:*';
    case 'exists':
      return `_exists_:${quoted(node.field)}`;
    case 'term':
      return `${escaped(node.field ?? '')}:${node.values.map(node.quoted ? quoted : escaped).join('')}`;
    case 'wildcard':
      return node.pattern;
    case 'regexp':
      return `${escaped(node.field)}:/${node.pattern.replaceAll('/', '\\/')}/`;
    case 'range': {
      const [from, to] = [node.from, node.to].map((bound) => (bound === undefined ? '*' : quoted(bound.value)));
      return `${escaped(node.field)}:${node.from?.inclusive ? '[' : '{'}${from} TO ${to}${node.to?.inclusive === false ? '}' : ']'}`;
    }
    case 'clauses':
      return [
        ...node.must.map((part) => `+${enclosed(part)}`),
        ...node.should.map(enclosed),
        ...node.not.map((part) => `-${enclosed(part)}`),
      ].join(' ');
  }
}

const enclosed = (node: Lucene): string => (node.kind === 'clauses' ? `(${printed(node)})` : printed(node));

test('printing and parsing a query is the identity', () => {
  fc.assert(
    fc.property(lucene, (node) => {
      const outcome = parseLucene(printed(node));
      assert.ok(outcome.ok, printed(node));
      assert.deepEqual(outcome.value, node);
    }),
  );
});

test('no text makes the parser or the evaluation throw', () => {
  const soup = fc
    .array(
      fc.constantFrom(
        '(',
        ')',
        '"',
        ':',
        '+',
        '-',
        '!',
        'AND ',
        'OR ',
        'NOT ',
        '[',
        ']',
        '{',
        '}',
        ' TO ',
        '*',
        '?',
        '\\',
        '$a',
        '~',
        '^',
        '^1',
        '>',
        '=',
        ' ',
        'x',
        '/y:',
        '_exists_:',
        'ogit/_v:',
        '\ud83d',
      ),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), soup), fc.jsonValue(), (text, a) => {
      const outcome = compileLucene(text, { tenant: 'acme', placeholders: { a } });
      if (outcome.ok) compile(outcome.value)(sampleElement());
      else assert.equal(outcome.failure.code, 'invalid');
    }),
  );
});
