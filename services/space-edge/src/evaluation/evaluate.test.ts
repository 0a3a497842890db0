import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import { grantedBy, type ServiceSelection } from './context.ts';
import { afterService, amountsFor, type Evaluated, evaluate, type Subscribed } from './evaluate.ts';
import { compilePricing } from './pricing.ts';

type Entries = Record<string, JsonObject>;

const within = (feature: string, limit: string, sign = '<') =>
  `pricingContext['features']['${feature}'] && subscriptionContext['${limit}'] ${sign} pricingContext['usageLimits']['${limit}']`;

const SECTIONS = {
  features: {
    boards: { defaultValue: false, expression: within('boards', 'maxBoards'), serverExpression: within('boards', 'maxBoards', '<=') },
    exports: { defaultValue: true, expression: `${within('exports', 'maxExports')} && subscriptionContext['maxBoards'] < 100` },
    tier: { defaultValue: 'basic', expression: "pricingContext['features']['tier'] === 'gold'" },
    plain: { defaultValue: true },
    broken: { defaultValue: true, expression: "pricingContext['features']['broken'] &&" },
    constant: { defaultValue: true, expression: 'true' },
    word: { defaultValue: 'x', expression: "pricingContext['features']['word']" },
    lost: { defaultValue: true, expression: "pricingContext['features']['nowhere']" },
    untracked: { defaultValue: true, expression: "subscriptionContext['size'] < 3" },
    unlimited: { defaultValue: true, expression: "pricingContext['usageLimits']['nothing'] > 3" },
  } as Entries,
  usageLimits: {
    maxBoards: { defaultValue: 1, linkedFeatures: ['boards'] },
    maxExports: { defaultValue: 2 },
    size: { defaultValue: 5 },
  } as Entries,
  plans: {
    FREE: {},
    TEAM: { features: { boards: true }, usageLimits: { maxBoards: 4 } },
  } as Entries,
  addOns: {
    gold: { features: { tier: 'gold' } },
    more: { usageLimitsExtensions: { maxBoards: 10 } },
    unlimited: { usageLimits: { maxExports: 1000 } },
  } as Entries,
};

const PRICING = compilePricing(SECTIONS);

function subscribed(chosen: ServiceSelection, used: Readonly<Record<string, number>> = { maxBoards: 0, maxExports: 0 }): Subscribed {
  return { service: 'gantry', pricing: PRICING, granted: grantedBy(PRICING, chosen), used: new Map(Object.entries(used)) };
}

const verdict = (evaluated: Evaluated) => (evaluated.ok ? evaluated.allowed : evaluated.error.code);

test('space:30 a feature is allowed, denied, or has one of the errors', () => {
  const free = subscribed({ plan: 'FREE', addOns: {} });
  const codes = Object.keys(SECTIONS.features).map((name) => [name, verdict(evaluate(free, name, false))]);
  assert.deepEqual(Object.fromEntries(codes), {
    boards: false,
    exports: true,
    tier: false,
    plain: 'PARSE_ERROR',
    broken: 'EVALUATION_ERROR',
    constant: 'PARSE_ERROR',
    word: 'TYPE_MISMATCH',
    lost: 'PARSE_ERROR',
    untracked: 'PARSE_ERROR',
    unlimited: 'PARSE_ERROR',
  });
  assert.equal(verdict(evaluate(free, 'missing', false)), 'FLAG_NOT_FOUND');
});

test('space:30 plan, add-ons and extensions make up the context', () => {
  const limits = (chosen: ServiceSelection) => Object.fromEntries(grantedBy(PRICING, chosen).usageLimits);
  assert.deepEqual(limits({ plan: 'FREE', addOns: {} }), { maxBoards: 1, maxExports: 2, size: 5 });
  assert.deepEqual(limits({ plan: 'team', addOns: { more: 3, unlimited: 1 } }), { maxBoards: 34, maxExports: 1000, size: 5 });
  assert.deepEqual(limits({ plan: 'TEAM', addOns: { more: 0, MORE: 1 } }), { maxBoards: 4, maxExports: 2, size: 5 });
  // Without a plan only the add-ons grant something.
  assert.deepEqual(limits({ plan: undefined, addOns: { more: 2 } }), { maxBoards: 20 });
  assert.equal(verdict(evaluate(subscribed({ plan: undefined, addOns: { gold: 1 } }), 'tier', false)), true);
  assert.equal(verdict(evaluate(subscribed({ plan: undefined, addOns: {} }), 'tier', false)), 'FLAG_NOT_FOUND');
});

test('space:30 on a server the server expression is used, if there is one', () => {
  const full = subscribed({ plan: 'TEAM', addOns: {} }, { maxBoards: 4, maxExports: 1 });
  assert.equal(verdict(evaluate(full, 'boards', false)), false);
  assert.equal(verdict(evaluate(full, 'boards', true)), true);
  assert.equal(verdict(evaluate(full, 'exports', true)), true);
});

test('space:31 the expected consumption names every limit that a feature uses, even with 0, in either form', () => {
  const limits = ['maxExports', 'maxBoards'];
  const amounts = (expected: Readonly<Record<string, number>>) => {
    const result = amountsFor({ service: 'gantry', used: new Map([['maxExports', 1]]) }, limits, expected);
    return result.ok ? Object.fromEntries(result.amounts) : result.error.code;
  };
  assert.deepEqual(amounts({ 'gantry-maxExports': 2, 'gantry-maxBoards': 0 }), { maxExports: 2, maxBoards: 0 });
  assert.deepEqual(amounts({ maxExports: 2, 'Gantry-maxBoards': 1 }), { maxExports: 2, maxBoards: 1 });
  assert.deepEqual(amounts({ 'gantry-maxExports': 2, 'gantry-other': 1 }), 'INVALID_EXPECTED_CONSUMPTION');
  assert.deepEqual(amounts({ maxExports: Number.MAX_SAFE_INTEGER, maxBoards: 0 }), 'INVALID_EXPECTED_CONSUMPTION');
});

test('space:30 random pricings and usage evaluate like a plain model', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{3,6}$/), { minLength: 1, maxLength: 5 });
  const number = fc.nat(20);
  fc.assert(
    fc.property(
      names,
      fc.array(fc.record({ default: fc.boolean(), plan: fc.option(fc.boolean()), addOn: fc.option(fc.boolean()) }), {
        minLength: 5,
        maxLength: 5,
      }),
      fc.array(fc.record({ default: number, plan: fc.option(number), addOn: fc.option(number), more: number, used: number }), {
        minLength: 5,
        maxLength: 5,
      }),
      fc.nat(3),
      fc.boolean(),
      (features, values, numbers, quantity, server) => {
        const limitOf = (feature: string): string => `${feature}Limit`;
        const at = <T>(list: readonly T[], index: number): T => {
          const item = list[index];
          assert.ok(item !== undefined);
          return item;
        };
        const only = <T>(pick: (index: number) => T | null): Record<string, T> =>
          Object.fromEntries(features.flatMap((name, index) => (pick(index) === null ? [] : [[name, pick(index) as T]])));
        const limits = <T>(pick: (index: number) => T | null): Record<string, T> =>
          Object.fromEntries(Object.entries(only(pick)).map(([name, value]) => [limitOf(name), value]));
        const pricing = compilePricing({
          features: only((index) => ({
            defaultValue: at(values, index).default,
            expression: within(at(features, index), limitOf(at(features, index))),
            serverExpression: within(at(features, index), limitOf(at(features, index)), '<='),
          })) as Entries,
          usageLimits: limits((index) => ({ defaultValue: at(numbers, index).default })) as Entries,
          plans: {
            ONE: { features: only((index) => at(values, index).plan), usageLimits: limits((index) => at(numbers, index).plan) },
          } as Entries,
          addOns: {
            extra: {
              features: only((index) => at(values, index).addOn),
              usageLimits: limits((index) => at(numbers, index).addOn),
              usageLimitsExtensions: limits((index) => at(numbers, index).more),
            },
          } as Entries,
        });
        const used = new Map(features.map((name, index) => [limitOf(name), at(numbers, index).used]));
        const chosen = { plan: 'ONE', addOns: { extra: quantity } };
        for (const [index, name] of features.entries()) {
          const { default: usual, plan, addOn } = at(values, index);
          const numbersHere = at(numbers, index);
          const has = (quantity > 0 ? addOn : null) ?? plan ?? usual;
          const base = (quantity > 0 ? numbersHere.addOn : null) ?? numbersHere.plan ?? numbersHere.default;
          const bound = base + numbersHere.more * quantity;
          const model = has && (server ? numbersHere.used <= bound : numbersHere.used < bound);
          const evaluated = evaluate({ service: 's', pricing, granted: grantedBy(pricing, chosen), used }, name, server);
          assert.equal(verdict(evaluated), model);
          assert.deepEqual(evaluated.ok && evaluated.used, [[limitOf(name), numbersHere.used]]);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the service in a name matches in any case, also where its lower case is longer or it has dashes', () => {
  const cases: readonly (readonly [name: string, service: string, rest: string | undefined])[] = [
    ['Zoom-minutes', 'zoom', 'minutes'],
    ['\u0130stanbul-rides', '\u0130stanbul'.toLowerCase(), 'rides'],
    ['\u0130stanbul-rides'.toLowerCase(), '\u0130stanbul'.toLowerCase(), 'rides'],
    ['Big-Corp-max-rides', 'big-corp', 'max-rides'],
    ['zoom', 'zoom', undefined],
    ['zoomer-minutes', 'zoom', undefined],
    ['-minutes', 'zoom', undefined],
  ];
  for (const [name, service, rest] of cases) assert.equal(afterService(name, service), rest, name);
  const { ok } = amountsFor({ service: '\u0130stanbul'.toLowerCase(), used: new Map([['rides', 1]]) }, ['rides'], {
    '\u0130stanbul-rides': 1,
  });
  assert.ok(ok);
});
