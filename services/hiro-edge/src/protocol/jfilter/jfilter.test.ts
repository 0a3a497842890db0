import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Action } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import fc from 'fast-check';
import { sampleElement } from '../../../test/sample-element.ts';
import { eventDocument } from '../element/event.ts';
import { compileJfilter } from './jfilter.ts';
import { JFILTER_LIMITS, type Jfilter, parseJfilter } from './parser.ts';

function filterOf(text: string): Filter {
  const outcome = compileJfilter(text, { tenant: 'acme' });
  assert.ok(outcome.ok, `${text}: ${outcome.ok ? '' : outcome.failure.detail}`);
  return outcome.value;
}

const matches = (text: string, parts: Partial<Element> = {}, action: Action = 'create'): boolean =>
  compile(filterOf(text))(eventDocument({ state: sampleElement(parts), action }));

function problemOf(text: string): string {
  const outcome = compileJfilter(text, { tenant: 'acme' });
  assert.ok(!outcome.ok, text);
  assert.equal(outcome.failure.code, 'invalid');
  return outcome.failure.detail ?? '';
}

function parsed(text: string): Jfilter {
  const outcome = parseJfilter(text);
  assert.ok(outcome.ok, text);
  return outcome.value;
}

const issue = { type: 'ogit/Automation/AutomationIssue' };
const settings = { type: 'ogit/CustomApplicationData', attributes: { '/type': 'InstanceSettings' } };
const nested =
  '&(|(action = GET)(action = UPDATE)(action = CREATE)(action = DELETE))(vertex.ogit/_type = ogit/CustomApplicationData)(vertex./type = InstanceSettings)';

test('hiro:E7 every known filter of clients and documents selects the intended events', () => {
  const corpus: readonly [string, Partial<Element>, Action, boolean][] = [
    ['&(element.ogit/_type=ogit/Question)(action=C*)', {}, 'create', true],
    ['&(element.ogit/_type=ogit/Question)(action=C*)', {}, 'connect', true],
    ['&(element.ogit/_type=ogit/Question)(action=C*)', {}, 'update', false],
    ['&(element.ogit/_type=ogit/Question)(action=C*)', issue, 'create', false],
    ['(element.ogit/_type = ogit/Question)', {}, 'update', true],
    ['(element.ogit/_type = ogit/Question)', issue, 'update', false],
    ['(element.ogit/_id = *)', {}, 'delete', true],
    ['(action=*)', {}, 'write-values', true],
    ['(element.ogit/_type = *)', {}, 'create', true],
    ['&(element.ogit/_type = ogit/Automation/AutomationIssue)', issue, 'update', true],
    ['&(element.ogit/_type = ogit/Automation/AutomationIssue)', {}, 'update', false],
    [nested, settings, 'update', true],
    [nested, settings, 'delete', true],
    [nested, settings, 'replace', false],
    [nested, { ...settings, attributes: { '/type': 'Other' } }, 'update', false],
    [nested, { attributes: settings.attributes }, 'update', false],
  ];
  for (const [text, parts, action, expected] of corpus) assert.equal(matches(text, parts, action), expected, `${text} ${action}`);
});

test('hiro:E7 outer parentheses are optional and spaces between the parts are ignored', () => {
  for (const text of [
    'element.ogit/name=My name',
    '(element.ogit/name=My name)',
    '((element.ogit/name=My name))',
    ' ( element.ogit/name =  My name  ) ',
    '&(element.ogit/name=My name)',
    '(&(element.ogit/name=My name)(action=create))',
    '&\n ( element.ogit/name = My name )\n ( action = CREATE )\n',
    '|(action=DELETE)(&(!(action=DELETE))(element.ogit/name=My name))',
  ]) {
    assert.equal(matches(text), true, text);
    assert.equal(matches(text, { attributes: { 'ogit/name': 'Myname' } }), false, text);
  }
});

test('hiro:E7 groups, negations and wildcards nest', () => {
  assert.equal(matches('!(action=UPDATE)'), true);
  assert.equal(matches('! ( !(action=create))'), true);
  assert.equal(matches('!(&(action=CREATE)(element.ogit/_v=1))'), false);
  for (const [pattern, expected] of [
    ['My*', true],
    ['*name', true],
    ['M*n*e', true],
    ['*y n*', true],
    ['My name*', true],
    ['M?*', false],
    ['*x*', false],
    ['my*', false],
  ] as const) {
    assert.equal(matches(`element.ogit/name=${pattern}`), expected, pattern);
  }
});

test('hiro:E8 operators compare numbers as numbers and other texts by code point', () => {
  const age = (value: string): Partial<Element> => ({ attributes: { '/age': value } });
  assert.equal(matches('element./age=10', age('10.0')), true);
  assert.equal(matches('element./age!=10', age('10.0')), false);
  assert.equal(matches('element./age>9', age('10')), true);
  assert.equal(matches('element./age>10', age('10')), false);
  assert.equal(matches('element./age>=10', age('10')), true);
  assert.equal(matches('element./age<9', age('10')), false);
  assert.equal(matches('element./age <= 10.5', age('10.5')), true);
  assert.equal(matches('element./age>b', age('c')), true);
  assert.equal(matches('element.ogit/_v>=1'), true);
  assert.equal(matches('element.ogit/_v=01'), true);
  assert.equal(matches('element.ogit/_modified-on>1502437236522'), true);
  assert.equal(matches('element.ogit/name~=mY NAME'), true);
  assert.equal(matches('element.ogit/name~=mY*'), true);
  assert.equal(matches('element.ogit/name=mY NAME'), false);
});

test('hiro:E8 an absent attribute differs from everything, equals nothing and has no order', () => {
  assert.equal(matches('element./none=x'), false);
  assert.equal(matches('element./none!=x'), true);
  assert.equal(matches('!(element./none=x)'), true);
  assert.equal(matches('element./none>0'), false);
  assert.equal(matches('element./none<0'), false);
  assert.equal(matches('element./none!=x', { attributes: { '/none': null } }), true);
});

test('hiro:E8 presence means present and not empty', () => {
  for (const text of ['element./a', '(element./a)', 'element./a=*', 'element./a = **', 'element./a~=*']) {
    assert.equal(matches(text, { attributes: { '/a': 'x' } }), true, text);
    assert.equal(matches(text, { attributes: { '/a': '' } }), false, text);
    assert.equal(matches(text, { attributes: { '/a': null } }), false, text);
    assert.equal(matches(text, { attributes: { '/a': { b: 1 } } }), false, text);
    assert.equal(matches(text), false, text);
  }
  assert.equal(matches('element./a!=*'), true);
  assert.equal(matches('element.ogit/_xid', { xid: 'x' }), true);
  assert.equal(matches('element.ogit/_xid'), false);
  assert.equal(matches('element./a=', { attributes: { '/a': '' } }), true);
});

test('hiro:E8 hex escapes are decoded before the comparison and are never wildcards or syntax', () => {
  assert.equal(matches('element./a=\\2a', { attributes: { '/a': '*' } }), true);
  assert.equal(matches('element./a=\\2a', { attributes: { '/a': 'x' } }), false);
  assert.equal(matches('element./a=a\\28b\\29*', { attributes: { '/a': 'a(b)c' } }), true);
  assert.equal(matches('element./a=\\c3\\a4\\5c', { attributes: { '/a': 'ä\\' } }), true);
  assert.equal(matches('element./a=C:\\Temp', { attributes: { '/a': 'C:\\Temp' } }), true);
  assert.equal(matches('element./a=f(x', { attributes: { '/a': 'f(x' } }), true);
  assert.equal(matches('element./a=a?b', { attributes: { '/a': 'axb' } }), false);
});

test('hiro:E8 lists match if an element does, booleans by their text, objects never', () => {
  const attributes = { '/l': ['a', 'b'], '/n': [1, 2], '/t': true, '/o': { x: 'y' }, '/num': 1.5 };
  assert.equal(matches('element./l=b', { attributes }), true);
  assert.equal(matches('element./l=c', { attributes }), false);
  assert.equal(matches('element./l!=a', { attributes }), false);
  assert.equal(matches('element./n>1', { attributes }), true);
  assert.equal(matches('element./t=true', { attributes }), true);
  assert.equal(matches('element./t=TRUE', { attributes }), false);
  assert.equal(matches('element./num=1.50', { attributes }), true);
  assert.equal(matches('element./o=y', { attributes }), false);
  assert.equal(matches('element./o={"x":"y"}', { attributes }), false);
  assert.equal(matches('element.ogit/_is-deleted=true', { deleted: true }), true);
});

test('hiro:E9 the roots are the element under either name, the metadata and the fields of the event', () => {
  for (const text of [
    'vertex.ogit/_id=v1',
    'metadata.ogit/_modified-by=bob',
    'metadata.ogit/_modified-by-app=app2',
    'metadata.ogit/_modified-on=1502437236523',
    'element.ogit/_modified-by=bob',
    'action=create',
    'type=CREATE',
    'type~=cReAtE',
    'action!=UPDATE',
    'id=v1',
    'identity=bob',
    'timestamp>=1502437236523',
    'nanotime=7',
    'nanotime<8',
    'element.ogit/_creator=alice',
    'element.ogit/_created-on=1000',
    'element.ogit/_owner=alice',
    'element.ogit/_organization=acme',
    'element.ogit/_scope=s1',
    'element.ogit/_graphtype=vertex',
    'element.ogit/_v-id=*',
  ]) {
    assert.equal(matches(text), true, text);
  }
  for (const text of [
    'id=v2',
    'metadata.ogit/_id=v1',
    'metadata.ogit/_id',
    'element',
    'element=x',
    'element.ogit/_owner=bob',
    'element.ogit/_organization=other',
    'element.ogit/_deleted-on=*',
    'element.ogit/_edge-id=*',
    'action.x=CREATE',
    'other=1',
    'other!=1',
    'ogit/_type=ogit/Question',
    '.a=1',
  ]) {
    assert.equal(matches(text), false, text);
  }
  assert.equal(matches('element.ogit/a.b=1', { attributes: { 'ogit/a.b': '1' } }), true);
  assert.equal(matches('element.ogit/_owner=bob', { attributes: { 'ogit/_owner': 'bob' } }), true);
  assert.equal(matches('element.ogit/_owner=alice', { attributes: { 'ogit/_owner': 'bob' } }), false);
  const edge = { kind: 'edge', out: 'a', in: 'b', inType: 'ogit/Note' } as const;
  assert.equal(matches('&(element.ogit/_out-id=a)(element.ogit/_in-type=ogit/Note)(element.ogit/_edge-id=v1)', edge, 'connect'), true);
});

test('a filter by type and action has equalities for the index', () => {
  assert.deepEqual(filterOf('&(element.ogit/_type=ogit/Question)(action=UPDATE)'), {
    all: [
      { test: 'equal', path: ['type'], value: 'ogit/Question' },
      { test: 'equal', path: ['action'], value: 'update' },
    ],
  });
  assert.deepEqual(filterOf('action=C*'), { test: 'in', path: ['action'], values: ['create', 'connect'] });
  assert.deepEqual(filterOf('(element.ogit/_id = *)'), { all: [] });
  assert.deepEqual(filterOf('action=GET'), { any: [] });
});

test('an invalid filter is rejected with the position of the problem', () => {
  for (const [text, problem] of [
    ['', 'jfilter: expected "(", "&", "|", "!" or an attribute at position 0'],
    ['(', 'jfilter: expected "(", "&", "|", "!" or an attribute at position 1'],
    ['(action=CREATE', 'jfilter: expected ")" at position 14'],
    ['&', 'jfilter: expected "(" at position 1'],
    ['&action=CREATE', 'jfilter: expected "(" at position 1'],
    ['!action=CREATE', 'jfilter: expected "(" at position 1'],
    ['!(a=b)(c=d)', 'jfilter: expected the end of the filter at position 6'],
    ['(a=b)(c=d)', 'jfilter: expected the end of the filter at position 5'],
    ['(a=b))', 'jfilter: expected the end of the filter at position 5'],
    ['element.=x', 'jfilter: expected an attribute after "." at position 8'],
    ['a b=c', 'jfilter: expected the end of the filter at position 2'],
    ['(a!b)', 'jfilter: expected ")" at position 2'],
    ['a=\\00', 'jfilter: a value cannot contain NUL at position 2'],
    ['a=\ud800', 'the filter contains NUL or an unpaired surrogate'],
  ] as const) {
    assert.equal(problemOf(text), problem, text);
  }
});

test('length, depth and number of conditions are limited', () => {
  assert.match(problemOf(`a=${'x'.repeat(JFILTER_LIMITS.bytes)}`), /longer than 16384 bytes/);
  assert.match(problemOf(`a=${'ä'.repeat(JFILTER_LIMITS.bytes / 2)}`), /longer than 16384 bytes/);
  assert.equal(matches(`${'('.repeat(32)}action=CREATE${')'.repeat(32)}`), true);
  assert.match(problemOf(`${'('.repeat(33)}a=b${')'.repeat(33)}`), /nested more than 32 deep at position 33/);
  assert.match(problemOf('('.repeat(16_000)), /nested more than 32 deep/);
  assert.match(problemOf('!('.repeat(8_000)), /nested more than 32 deep/);
  assert.equal(matches(`|${'(action=UPDATE)'.repeat(255)}(action=CREATE)`), true);
  assert.match(problemOf(`|${'(a=b)'.repeat(257)}`), /more than 256 conditions/);
});

const OPERATORS = ['=', '!=', '>', '>=', '<', '<=', '~='] as const;
const path = fc
  .tuple(fc.constantFrom('element', 'vertex', 'metadata', 'action', 'id', 'other'), fc.stringMatching(/^[a-z/._:-]{1,8}$/))
  .map(([root, attribute]) => (attribute.length % 3 === 0 ? root : `${root}.${attribute}x`));
const value = fc.array(
  fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => text.replaceAll('\0', '')),
  {
    minLength: 1,
    maxLength: 3,
  },
);
const jfilter = fc.letrec<{ node: Jfilter }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5 },
    fc.record({ kind: fc.constant('item' as const), path, op: fc.constantFrom(...OPERATORS), value }, { noNullPrototype: true }),
    fc.record(
      { kind: fc.constant('item' as const), path, op: fc.constant('present' as const), value: fc.constant(['']) },
      { noNullPrototype: true },
    ),
    fc.record({ kind: fc.constant('not' as const), part: tie('node') }, { noNullPrototype: true }),
    fc.record(
      {
        kind: fc.constantFrom('and' as const, 'or' as const),
        parts: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      },
      { noNullPrototype: true },
    ),
  ),
})).node;

const escaped = (text: string): string =>
  text.replace(/[()*\\\s]/g, (character) =>
    Array.from(Buffer.from(character), (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  );

function printed(node: Jfilter): string {
  switch (node.kind) {
    case 'item':
      return node.op === 'present' ? node.path : `${node.path} ${node.op} ${node.value.map(escaped).join('*')}`;
    case 'not':
      return `!(${printed(node.part)})`;
    case 'and':
      return `&${node.parts.map((part) => `(${printed(part)})`).join(' ')}`;
    case 'or':
      return `|${node.parts.map((part) => `( ${printed(part)} )`).join('')}`;
  }
}

test('hiro:E8 printing and parsing a filter is the identity', () => {
  fc.assert(
    fc.property(jfilter, (node) => {
      assert.deepEqual(parsed(printed(node)), node);
    }),
  );
});

test('no text and no filter makes the parser or the evaluation throw', () => {
  const soup = fc
    .array(fc.constantFrom('(', ')', '&', '|', '!', '=', '<', '~', '*', '\\', '\\2', ' ', 'a', 'element.', 'action', '\0', '\ud83d'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), soup), (text) => {
      const outcome = compileJfilter(text, { tenant: 'acme' });
      if (outcome.ok) compile(outcome.value)(eventDocument({ state: sampleElement(), action: 'update' }));
      else assert.equal(outcome.failure.code, 'invalid');
    }),
  );
  fc.assert(
    fc.property(jfilter, (node) => {
      const text = printed(node);
      assert.equal(matches(`!(${text})`), !matches(text));
    }),
  );
});
