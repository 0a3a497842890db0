import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Element, edgeId } from '@polyedge/contracts/element';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import fc from 'fast-check';
import { sampleElement } from '../../../test/sample-element.ts';
import { compileGremlin, runGremlin } from './gremlin.ts';
import type { StoreRead } from './run.ts';

const elements = new Map<string, Element>();
const vertex = (id: string, type: string, attributes: Element['attributes']): void => {
  elements.set(id, sampleElement({ id, type, attributes }));
};
const edge = (out: string, verb: string, into: string): void => {
  const id = edgeId(out, verb, into);
  elements.set(id, sampleElement({ id, kind: 'edge', type: verb, out, in: into, attributes: {} }));
};
vertex('ann', 'ogit/Person', { '/name': 'ann', '/age': '9', '/tags': ['x', 'y'] });
vertex('bob', 'ogit/Person', { '/name': 'bob', '/age': '30' });
vertex('cat', 'ogit/Person', { '/name': 'cat', '/age': '100' });
vertex('n1', 'ogit/Note', { '/name': 'n1' });
edge('ann', 'knows', 'bob');
edge('bob', 'knows', 'cat');
edge('cat', 'knows', 'ann');
edge('ann', 'wrote', 'n1');

const reads: StoreRead[] = [];

function find(read: StoreRead): readonly Element[] {
  reads.push(read);
  if (read.read === 'vertices') return read.ids.flatMap((id) => elements.get(id) ?? []);
  return [...elements.values()].filter(
    (one) => one.kind === 'edge' && read.of.includes(one[read.end] ?? '') && (read.verbs.length === 0 || read.verbs.includes(one.type)),
  );
}

function outcomeOf(query: string, placeholders: Record<string, unknown> = {}, root = 'ann'): Outcome<readonly Json[]> {
  const traversal = compileGremlin(query, placeholders);
  if (!traversal.ok) return traversal;
  const element = elements.get(root);
  assert.ok(element);
  const running = runGremlin(traversal.value, element, { fields: [] });
  let step = running.next();
  while (!step.done) step = running.next(find(step.value));
  return step.value;
}

/** The answer, with elements by their ids. */
function answer(query: string, placeholders: Record<string, unknown> = {}, root = 'ann'): Json {
  const outcome = outcomeOf(query, placeholders, root);
  assert.ok(outcome.ok, `${query}: ${outcome.ok ? '' : outcome.failure.detail}`);
  return JSON.parse(JSON.stringify(outcome.value), (_, value) => (value?.['ogit/_id'] !== undefined ? value['ogit/_id'] : value));
}

function problemOf(query: string): string {
  const outcome = outcomeOf(query);
  assert.ok(!outcome.ok, query);
  assert.equal(outcome.failure.code, 'invalid');
  return outcome.failure.detail ?? '';
}

test('every step that clients use returns the documented result', () => {
  const knows = 'ann$$knows$$bob';
  const cases: readonly [string, Json][] = [
    ['out()', ['bob', 'n1']],
    ["out('knows')", ['bob']],
    ["out('knows','wrote').count()", [2]],
    ["in('knows')", ['cat']],
    ["both('knows')", ['bob', 'cat']],
    ["outE('knows')", [knows]],
    ['inE()', ['cat$$knows$$ann']],
    ["bothE('knows').otherV()", ['bob', 'cat']],
    ["outE('knows').inV()", ['bob']],
    ["outE('knows').outV()", ['ann']],
    ["outE('knows').bothV()", ['ann', 'bob']],
    ["out().has('/name','bob')", ['bob']],
    ["out().has('/age')", ['bob']],
    ["out().hasNot('/age')", ['n1']],
    ["out().has('ogit/Person','/name','bob')", ['bob']],
    ["out().has('/age', gt(9))", ['bob']],
    ["out().has('/age', P.gt('9'))", ['bob']],
    ["out().has('/age', 30.0)", ['bob']],
    ["out().has('/name', within('bob','n1'))", ['bob', 'n1']],
    ["out().has('/name', within(['bob']))", ['bob']],
    ["out().has('/name', without('bob'))", ['n1']],
    ["identity().has('/tags','y')", ['ann']],
    ["out().has('ogit/_type','ogit/Note')", ['n1']],
    ["outE().has('ogit/_in-id','n1')", ['ann$$wrote$$n1']],
    ["out().hasLabel('ogit/Note')", ['n1']],
    ["out().hasId('bob','cat')", ['bob']],
    ["out().has(T.id, 'bob')", ['bob']],
    ['out().range(1,2)', ['n1']],
    ['out().limit(1)', ['bob']],
    ['out().skip(1)', ['n1']],
    ['out().tail(1)', ['n1']],
    ["both('knows').order().by('/age', desc)", ['cat', 'bob']],
    ["both('knows').order().by('/age', Order.decr).values('/age')", ['100', '30']],
    ["both('knows').values('/age').order()", ['30', '100']],
    ["both('knows').order().by(out('wrote').count()).by('/name', desc)", ['cat', 'bob']],
    ["out('none').count()", [0]],
    ["out('knows').in('knows').dedup()", ['ann']],
    ["union(out('knows'),out('knows')).dedup().by('/name')", ['bob']],
    ["out('knows').values('/name','/age')", ['bob', '30']],
    ["out('knows').valueMap('/name')", [{ '/name': ['bob'] }]],
    ["outE('knows').valueMap('ogit/_type')", [{ 'ogit/_type': 'knows' }]],
    ['out().id()', ['bob', 'n1']],
    ['out().label()', ['ogit/Person', 'ogit/Note']],
    ["as('a').out('knows').as('b').select('a','b')", [{ a: 'ann', b: 'bob' }]],
    ["as('a').out('knows').as('b').select('a','b').by('/name').by('/age')", [{ a: 'ann', b: '30' }]],
    ["as('a').out('knows').select('a')", ['ann']],
    ["as('a').out('knows').out().where(eq('a'))", []],
    ["as('a').out('knows').out().where(neq('a'))", ['cat']],
    ["as('a').out('knows').out('knows').out('knows').where(eq('a'))", ['ann']],
    ["out().where(out('knows'))", ['bob']],
    ["out().where(__.out('knows').has('/name','cat'))", ['bob']],
    ['out().where(out().count().is(0))', ['n1']],
    ["out().not(out('knows'))", ['n1']],
    ["out().or(has('/name','n1'), out('knows'))", ['bob', 'n1']],
    ["out().and(has('/age'), out('knows'))", ['bob']],
    ["union(out('wrote'), in('knows'))", ['n1', 'cat']],
    ["out().coalesce(out('knows'), identity())", ['cat', 'n1']],
    ["out().optional(out('knows'))", ['cat', 'n1']],
    ["repeat(out('knows')).times(2)", ['cat']],
    ["times(2).repeat(out('knows'))", ['cat']],
    ["repeat(out('knows')).until(has('/name','cat'))", ['cat']],
    ["repeat(out('knows')).emit().times(2)", ['bob', 'cat']],
    ["emit().repeat(out('knows')).times(2)", ['ann', 'bob', 'cat']],
    ["repeat(out('knows').simplePath()).emit()", ['bob', 'cat']],
    ["repeat(out('knows')).times(3).simplePath()", []],
    ["repeat(out('knows')).times(3).cyclicPath()", ['ann']],
    ["out('knows').out('knows').path()", [['ann', 'bob', 'cat']]],
    ["out('knows').out('knows').path().by('/name').by('/age')", [['ann', '30', 'cat']]],
    ["both('knows').group().by('ogit/_type').by('/name')", [{ 'ogit/Person': ['bob', 'cat'] }]],
    ["both('knows').group().by('ogit/_type').by(count())", [{ 'ogit/Person': 2 }]],
    ['out().groupCount().by(label)', [{ 'ogit/Person': 1, 'ogit/Note': 1 }]],
    ["project('n','c').by('/name').by(out().count())", [{ n: 'ann', c: 2 }]],
    ['out().fold()', [['bob', 'n1']]],
    ['out().fold().count(local)', [2]],
    ['out().fold().unfold()', ['bob', 'n1']],
    ["both('knows').values('/age').sum()", [130]],
    ["both('knows').values('/age').max()", ['100']],
    ["both('knows').values('/age').mean()", [65]],
    ["out().constant('x')", ['x', 'x']],
    ['out().map(out().count())', [1, 0]],
    ['out().local(out().limit(1))', ['cat']],
    [' out ( "knows" ) . values ( \'/name\' ) ', ['bob']],
  ];
  for (const [query, expected] of cases) assert.deepEqual(answer(query), expected, query);
});

test('sums and means of integers beyond 2^53 are exact, or refused', () => {
  const constants = (...values: readonly string[]) => `union(${values.map((value) => `constant(${value})`).join()})`;
  const result = (query: string) => {
    const outcome = outcomeOf(query);
    return outcome.ok ? outcome.value[0] : outcome.failure.detail;
  };
  assert.equal(result(`${constants('9007199254740993', "'9007199254740995'")}.sum()`), 18014398509481988n);
  assert.equal(result(`${constants('9007199254740993', "'9007199254740995'")}.mean()`), 9007199254740994n);
  assert.equal(result(`${constants('9007199254740992', '1')}.sum()`), 9007199254740993n);
  assert.equal(result(`${constants('0.1', "'0.2'", "'1e-1'", "'word'", "' 1 '")}.sum()`), 1.4);
  for (const query of ["constant('0.5')", "constant('9e307')"].map((more) => `union(constant(9007199254740993),${more}).sum()`)) {
    assert.match(String(result(query)), query.includes('0.5') ? /^gremlin: the sum is beyond/ : /^9{0}90+9007199254740993$/);
  }
});

test('placeholders are values', () => {
  assert.deepEqual(answer("out($verb).has('/name', $name)", { verb: 'knows', name: 'bob' }), ['bob']);
  assert.deepEqual(answer("out().has('/name', within($names))", { names: ['bob', "x') .drop("] }), ['bob']);
  assert.deepEqual(answer("out().has('/name', $name)", { name: "bob').drop('" }), []);
});

test('steps that write or scan the whole graph, and code, are rejected with their position', () => {
  for (const step of ['V()', 'E()', "addV('x')", 'drop()', "property('a','b')", 'sideEffect(out())', "addE('x')"]) {
    assert.match(problemOf(`out().${step}`), /gremlin: the step ".*" is not allowed at position 6/, step);
  }
  assert.equal(problemOf('out().fly()'), 'gremlin: the step "fly" is not known at position 6');
  assert.equal(problemOf('out().where(drop())'), 'gremlin: the step "drop" is not allowed at position 12');
  for (const [query, problem] of [
    ['', /expected a step at position 0/],
    ['out', /expected "\(" at position 3/],
    ['out(', /expected an argument at position 4/],
    ["out('a", /the text is not closed at position 4/],
    ['out() in()', /unexpected "i" at position 6/],
    ['out().filter{it.x}', /expected "\(" at position 12/],
    ['has(x)', /unknown word "x"/],
    ['out(System.exit(0))', /unknown word "System"/],
    ['limit()', /expected a number at position 0/],
    ['times(2)', /times stands without repeat/],
    ["by('x')", /the step "by" is not known/],
    ['has($x)', /no plain value for this placeholder/],
  ] as const) {
    assert.match(problemOf(query), problem, query);
  }
});

test('a traversal is limited in length, depth, steps, rounds and traversers', () => {
  assert.match(problemOf(`out('${'x'.repeat(20_000)}')`), /longer than/);
  assert.match(problemOf('where('.repeat(2_000)), /nested more than 16 deep/);
  assert.match(problemOf(`out()${'.out()'.repeat(500)}`), /more than 500 steps/);
  assert.match(problemOf("repeat(out('knows')).until(has('/never'))"), /more than 64 rounds/);
  const doubling = `union(${Array.from({ length: 10 }, () => 'identity()').join()})`;
  assert.match(problemOf(Array.from({ length: 5 }, () => doubling).join('.')), /more than 10000 traversers/);
});

test('a step reads everything it needs at once, and nothing twice', () => {
  reads.length = 0;
  answer("both('knows').out('knows').where(out('knows')).values('/name')");
  // Both directions, the vertices at the other ends, then one read per step: by then the vertices of the triangle are cached.
  assert.deepEqual(
    reads.map(({ read }) => read),
    ['edges', 'edges', 'vertices', 'edges', 'edges'],
  );
});

test('no text makes the parser or a run throw', () => {
  const soup = fc
    .array(
      fc.constantFrom(
        'out()',
        'in("knows")',
        '.',
        '(',
        ')',
        "'a'",
        ',',
        '__',
        'repeat(out())',
        'times(2)',
        'emit()',
        'by(',
        'order()',
        'path()',
        'select("a")',
        'as("a")',
        'group()',
        'limit(',
        '1',
        '[',
        ']',
        '$a',
        'P.',
        'gt(1)',
        'where(',
        'has(',
        '"x"',
        'local',
        '\ud83d',
      ),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), soup), (query) => {
      const outcome = outcomeOf(query);
      if (!outcome.ok) assert.equal(outcome.failure.code, 'invalid');
    }),
  );
});

test('values that contain the same value many times are rejected before they are converted or named', () => {
  const doubled = (times: number) => Array(times).fill("project('a', 'b')").join('.');
  const folded = (times: number) => Array(times).fill('union(identity(), identity()).fold()').join('.');
  const texts = `$texts`;
  assert.ok(outcomeOf(doubled(4)).ok);
  for (const query of [doubled(40), folded(40), `${doubled(40)}.dedup().count()`, `${folded(40)}.groupCount()`]) {
    assert.match(problemOf(query), /handles more than 2000000 values/, query);
  }
  assert.match(problemOf(`repeat(repeat(repeat(fold()).times(60)).times(60)).times(2)`), /nested more than 100 deep/);
  assert.match(problemOf(`repeat(repeat(constant(1)).times(60)).times(60)`), /path is longer/);
  const many = `union(${Array(100).fill('identity()').join()})`;
  const names = Array(1500).fill("'/name'").join();
  assert.match(problemOf(`${many}.${many}.values(${names})`), /more than/);
  assert.match(problemOf(`${many}.${many}.project(${names}).by(id())`), /more than/);
  const wanted = { texts: Array(100_000).fill('x') };
  const outcome = outcomeOf(`${many}.${many}.has('/name', within(${texts}))`, wanted);
  assert.ok(!outcome.ok && /handles more than/.test(outcome.failure.detail ?? ''));
  // A chain of lists has a name as long as itself, not twice as long at each step.
  assert.deepEqual(answer(`${Array(60).fill('fold()').join('.')}.dedup().count()`), [1]);
});

test('the Gremlin 2 syntax that hiro-graph-js generates works', () => {
  const cases: readonly [string, Json][] = [
    ['out("knows").out("knows")[0..0]', ['cat']],
    ['both()[1..2].count()', [2]],
    ['out()[1]', ['n1']],
    ['out()[0..-1].count()', [2]],
    ['union(_(),_().out("knows"))', ['ann', 'bob']],
    ['out().or(__.has("/name","n1"),__.has("/name","bob"))', ['bob', 'n1']],
    ['or(__,__.has("foo","bar"))', ['ann']],
    ['union(_(),_()).dedup{it.getProperty("ogit/_id")}', ['ann']],
    ['out().has("/age",T.gt,29)', ['bob']],
    ['out().has("/name",T.in,["bob","x"])', ['bob']],
    ['out().has("/name",T.notin,["bob","x"])', ['n1']],
    ['out().has("/name",T.neq,"n1")', ['bob']],
    ['out().hasNot("/name","n1")', ['bob']],
    ['out().hasNot("/age")', ['n1']],
    ['out().groupCount{it.label}.cap', [{ 'ogit/Person': 1, 'ogit/Note': 1 }]],
    ['out().groupBy{it.getProperty("/name")}{it.getProperty("/age")}.cap', [{ bob: ['30'], n1: [] }]],
    ['out("knows").groupBy{it.label}{it}.cap', [{ 'ogit/Person': ['bob'] }]],
    ['out("knows").out("knows").tree.cap', [{ ann: { bob: { cat: {} } } }]],
    ['out("knows").property("/name")', ['bob']],
    ['out().getProperty("/name")', ['bob', 'n1']],
  ];
  for (const [query, expected] of cases) assert.deepEqual(answer(query), expected, query);
  assert.deepEqual(answer('out().has("/name", who)', { who: 'n1' }), ['n1']);
  for (const query of [
    'filter{it.age > 5}',
    'transform{[a:it]}',
    'dedup{System.exit(1)}',
    'dedup{it.x}',
    'out(){it}',
    'out()[a..b]',
    'out()[1..2',
    'property("a","b")',
  ]) {
    assert.match(problemOf(query), /^gremlin: .* at position \d+$/, query);
  }
});

test('other read-only steps work', () => {
  const cases: readonly [string, Json][] = [
    ["out().choose(has('/age'), out('knows'), values('/name'))", ['cat', 'n1']],
    ["out().choose(has('/age'), out('knows'))", ['cat', 'n1']],
    ["out().choose(values('/name')).option('bob', out()).option('n1', values('/name'))", ['cat', 'n1']],
    ["out().choose(label()).option('ogit/Note', constant('note')).option(none, constant('other'))", ['note', 'other']],
    ["properties('/name', '/tags').value()", ['ann', 'x', 'y']],
    ["properties('/name').key()", ['/name']],
    ["properties('/name')", [{ key: '/name', value: 'ann' }]],
    ['both().coin(0).count()', [0]],
    ['both().coin(1).count()', [3]],
    ['both().sample(2).count()', [2]],
    ['both().shuffle().count()', [3]],
    ["out('knows').tree().by('/name')", [{ ann: { bob: {} } }]],
    ["out('knows').aggregate('x').out('knows').out('knows').out('knows').where(without('x'))", []],
    ["out('knows').aggregate('x').out('knows').out('knows').out('knows').where(within('x'))", ['bob']],
    ["out('knows').store('x').by('/name').out('knows').cap('x')", [['bob']]],
    ["out().groupCount('m').by(label).out().cap('m')", [{ 'ogit/Person': 1, 'ogit/Note': 1 }]],
    ["out('knows').tree('t').out().cap('t')", [{ ann: { bob: {} } }]],
    [
      "match(__.as('a').out('knows').as('b'), __.as('b').out('knows').as('c'), __.as('c').out('knows').as('a')).select('b','c')",
      [{ b: 'bob', c: 'cat' }],
    ],
    ["match(as('b').has('/age', '31'), as('a').out('knows').as('b'))", []],
    ["match(as('a').out().as('b'), as('b').hasLabel('ogit/Note')).select('b')", ['n1']],
  ];
  for (const [query, expected] of cases) {
    if (query.startsWith("match(as('b')")) assert.match(problemOf(query), /begins at a label/);
    else assert.deepEqual(answer(query), expected, query);
  }
  // Repeating the query gives the same choice.
  assert.deepEqual(answer('both().coin(0.5)'), answer('both().coin(0.5)'));
  assert.match(problemOf("repeat(both().aggregate('x')).times(60).cap('x')"), /more than/);
});
