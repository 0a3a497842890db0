import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guardsOf } from './guards.ts';
import { compileExpression } from './pricing.ts';
import { readExpression } from './read.ts';
import { run, type Variables } from './run.ts';
import type { Tree, Value } from './tree.ts';

const contexts = (given: {
  readonly features?: Readonly<Record<string, Value>>;
  readonly usageLimits?: Readonly<Record<string, Value>>;
  readonly used?: Readonly<Record<string, number>>;
}): Variables => ({
  contexts: {
    features: new Map(Object.entries(given.features ?? {})),
    usageLimits: new Map(Object.entries(given.usageLimits ?? {})),
    used: new Map(Object.entries(given.used ?? {})),
  },
});

function treeOf(text: string): Tree {
  const read = readExpression(text, { variables: [], contexts: true });
  assert.ok(read.ok, read.ok ? '' : `${text}: ${read.problem}`);
  return read.tree;
}

function evaluated(text: string, environment: Variables): Value {
  const result = run(treeOf(text), environment);
  assert.ok(result.ok, result.ok ? '' : result.problem);
  return result.value;
}

const ENVIRONMENT = contexts({
  features: { chat: true, tier: 'gold', pay: ['CARD', 'INVOICE'] },
  usageLimits: { seats: 5, open: true },
  used: { seats: 4 },
});

test('space:25 expressions may write contexts in all known forms', () => {
  for (const [text, value] of [
    ["pricingContext['features']['chat']", true],
    ['pricingContext["features"]["chat"] && true', true],
    ['pricingContext.features.chat', true],
    ["planContext['features']['chat'] && userContext['seats'] < planContext['usageLimits']['seats']", true],
    ["subscriptionContext['seats'] + 1 < pricingContext['usageLimits']['seats']", false],
    ["pricingContext['features']['tier'] === 'gold' ? subscriptionContext.seats >= 4 : false", true],
    ["pricingContext['features']['pay'].includes('CARD') && !pricingContext['features']['pay'].includes('ACH')", true],
    ["pricingContext['features']['pay'].length == '2'", true],
    ["pricingContext['features']['tier'] === pricingContext['features']['tier'];", true],
    ["(subscriptionContext['seats'] ?? 0) % 3 === 1 || false", true],
    ["pricingContext['features']['none']", undefined],
    ["subscriptionContext['none'] < 3", false],
  ] as const) {
    assert.equal(evaluated(text, ENVIRONMENT), value, text);
  }
});

test('space:25 anything but a pricing expression is rejected', () => {
  for (const text of [
    'process.exit(1)',
    "pricingContext['constructor']",
    "pricingContext['features']['x'].constructor",
    "''.constructor.constructor('return 1')()",
    'globalThis',
    'this',
    'x => x',
    "subscriptionContext[pricingContext['features']['tier']]",
    "subscriptionContext['seats'] = 0",
    '`text`',
    'new Date()',
    "import('node:fs')",
    '[].map',
    '/a+/.test("a")',
    'Math.random()',
    'eval("1")',
    '1;2',
    '',
  ]) {
    assert.equal(readExpression(text, { variables: [], contexts: true }).ok, false, text);
  }
});

test('space:25 an expression is bounded in length, parts, depth and steps', () => {
  const problem = (text: string): string => {
    const read = readExpression(text, { variables: [], contexts: true });
    if (!read.ok) return read.problem;
    const long = contexts({ features: { long: 'x'.repeat(100_000), list: Array.from({ length: 100_000 }, () => 'CARD') } });
    const result = run(read.tree, long);
    return result.ok ? 'none' : result.problem;
  };
  assert.match(problem('1'.repeat(4097)), /is longer than/);
  assert.match(problem('1+'.repeat(600)), /has more than 1000 parts/);
  assert.match(problem(`${'('.repeat(40)}1${')'.repeat(40)}`), /nested too deep/);
  assert.match(problem('!'.repeat(40)), /nested too deep/);
  assert.match(problem('1 ? '.repeat(40)), /nested too deep/);
  assert.match(problem('2 ** '.repeat(40)), /nested too deep/);
  assert.match(problem(`${'pricingContext.features.long + '.repeat(30)}''`), /takes more than 10000 steps/);
  assert.match(problem(`${"pricingContext.features.list.includes('ACH') || ".repeat(30)}true`), /takes more than 10000 steps/);
  assert.equal(problem(`${'true && '.repeat(400)}true`), 'none');
});

// Compared with JavaScript itself: each generated part has its text and its value.

interface Part {
  readonly text: string;
  readonly worth: (environment: Levels) => unknown;
}
interface Levels {
  readonly used: Readonly<Record<string, number>>;
}

const LIMITS = ['one', 'two', 'three'] as const;
const FEATURES: Readonly<Record<string, Value>> = { yes: true, no: false, word: 'gold', ten: 10 };
const BOUNDS: Readonly<Record<string, Value>> = { one: 3, two: 5, three: 0 };

const leaf: fc.Arbitrary<Part> = fc.oneof(
  fc.constantFrom(...LIMITS).map((name) => ({ text: `subscriptionContext['${name}']`, worth: ({ used }: Levels) => used[name] })),
  fc.constantFrom(...LIMITS).map((name) => ({ text: `pricingContext['usageLimits']['${name}']`, worth: () => BOUNDS[name] })),
  fc.constantFrom(...Object.keys(FEATURES)).map((name) => ({ text: `pricingContext['features']['${name}']`, worth: () => FEATURES[name] })),
  fc.constantFrom<Value>(true, false, null, 0, 1, 2.5, '', '3', 'gold', undefined).map((value) => ({
    text: typeof value === 'string' ? `'${value}'` : String(value),
    worth: () => value,
  })),
);

// JavaScript's own operators are the model.
const BINARY: Readonly<Record<string, (left: never, right: never) => unknown>> = {
  '===': (left, right) => left === right,
  '!==': (left, right) => left !== right,
  // biome-ignore lint/suspicious/noDoubleEquals: the model of the operator
  '==': (left, right) => left == right,
  // biome-ignore lint/suspicious/noDoubleEquals: the model of the operator
  '!=': (left, right) => left != right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '&&': (left, right) => left && right,
  '||': (left, right) => left || right,
};

const { part } = fc.letrec<{ part: Part; joined: Part; turned: Part; chosen: Part }>((tie) => ({
  part: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('joined'), tie('turned'), tie('chosen')),
  joined: fc.tuple(fc.constantFrom(...Object.keys(BINARY)), tie('part'), tie('part')).map(([sign, left, right]) => ({
    text: `(${left.text} ${sign} ${right.text})`,
    worth: (environment) => BINARY[sign]?.(left.worth(environment) as never, right.worth(environment) as never),
  })),
  turned: fc.tuple(fc.constantFrom('!', '-'), tie('part')).map(([sign, of]) => ({
    text: `${sign}(${of.text})`,
    worth: (environment) => (sign === '!' ? !of.worth(environment) : -(of.worth(environment) as never)),
  })),
  chosen: fc.tuple(tie('part'), tie('part'), tie('part')).map(([condition, then, otherwise]) => ({
    text: `(${condition.text} ? ${then.text} : ${otherwise.text})`,
    worth: (environment) => (condition.worth(environment) ? then.worth(environment) : otherwise.worth(environment)),
  })),
}));

const levels = fc.record({ one: fc.nat(6), two: fc.nat(6), three: fc.nat(6) });
const environment = (used: Readonly<Record<string, number>>): Variables => contexts({ features: FEATURES, usageLimits: BOUNDS, used });

test('space:25 random expressions have the same value as in JavaScript', () => {
  fc.assert(
    fc.property(part, levels, ({ text, worth }, used) => {
      const read = readExpression(text, { variables: [], contexts: true });
      // A long expression may exceed the limits; then it is rejected.
      if (!read.ok) return assert.match(read.problem, /too deep|more than|longer than/);
      const result = run(read.tree, environment(used));
      assert.ok(result.ok);
      assert.ok(Object.is(result.value, worth({ used })), `${text} is ${result.value}`);
    }),
    { numRuns: 2000 },
  );
});

test('space:31 while the guards of an expression hold, it keeps its value', () => {
  const holds = ({ test, value }: { test: string; value: number }, level: number): boolean =>
    test === 'equal'
      ? level === value
      : test === 'less'
        ? level < value
        : test === 'at-most'
          ? level <= value
          : test === 'more'
            ? level > value
            : level >= value;
  fc.assert(
    fc.property(part, levels, fc.array(levels, { minLength: 20, maxLength: 20 }), ({ text, worth }, now, later) => {
      const read = readExpression(text, { variables: [], contexts: true });
      if (!read.ok || typeof worth({ used: now }) !== 'boolean') return;
      const guards = guardsOf(read.tree, environment(now));
      for (const used of later) {
        if (guards.every((guard) => holds(guard, used[guard.limit as keyof typeof used]))) {
          assert.equal(Boolean(worth({ used })), worth({ used: now }), `${text} with ${JSON.stringify({ now, used, guards })}`);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('space:31 the guard of a typical expression allows concurrent consumption', () => {
  const guards = (text: string) => guardsOf(treeOf(text), ENVIRONMENT);
  assert.deepEqual(guards("pricingContext['features']['chat'] && subscriptionContext['seats'] < pricingContext['usageLimits']['seats']"), [
    { limit: 'seats', test: 'less', value: 5 },
  ]);
  assert.deepEqual(guards("pricingContext['usageLimits']['seats'] >= subscriptionContext['seats']"), [
    { limit: 'seats', test: 'at-most', value: 5 },
  ]);
  assert.deepEqual(guards("subscriptionContext['seats'] < 5 && subscriptionContext['seats'] < 7"), [
    { limit: 'seats', test: 'less', value: 5 },
  ]);
  assert.deepEqual(guards("subscriptionContext['seats'] * 2 < 10"), [{ limit: 'seats', test: 'equal', value: 4 }]);
  assert.deepEqual(guards("pricingContext['features']['chat'] || subscriptionContext['seats'] < 1"), []);
});

test('an expression lists the names it uses, in the order of its text', () => {
  const { features, usageLimits, used, mentionsContext } = compileExpression(
    "pricingContext['features']['b'] && subscriptionContext['y'] < pricingContext['usageLimits']['y'] && subscriptionContext['x'] < 1 && subscriptionContext['y'] > 0",
  );
  assert.deepEqual(
    { features, usageLimits, used, mentionsContext },
    { features: ['b'], usageLimits: ['y'], used: ['y', 'x'], mentionsContext: true },
  );
  assert.equal(compileExpression('true').mentionsContext, false);
});
