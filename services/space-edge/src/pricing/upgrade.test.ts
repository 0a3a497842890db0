import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePricing, parsingError } from './parse.ts';
import type { Pricing } from './pricing.ts';
import { definition, stored } from './stored.ts';

const today = '2026-01-01';

function parsed(text: string): Pricing {
  const result = parsePricing(text, { today });
  assert.ok(result.ok, result.ok ? '' : parsingError(result.problems));
  return result.pricing;
}

function refused(text: string): string {
  const result = parsePricing(text, { today });
  assert.ok(!result.ok, 'the text was accepted');
  return parsingError(result.problems);
}

/** A small pricing in the form of each version. */
const SHARED = `
saasName: Gantry
currency: EUR
features:
  boards:
    valueType: BOOLEAN
    defaultValue: true
    type: DOMAIN
    expression: planContext['features']['boards'] && userContext['maxBoards'] < planContext['usageLimits']['maxBoards']
  24/7Support:
    valueType: BOOLEAN
    defaultValue: false
    type: SUPPORT
  calendar:
    valueType: BOOLEAN
    defaultValue: false
    type: INTEGRATION
    integrationType: WEB_SAAS
    pricingURLs:
      - https://calendar.example/prices
usageLimits:
  maxBoards:
    type: NON_RENEWABLE
    valueType: NUMERIC
    defaultValue: 3
    unit: board
  exports:
    type: TIME_DRIVEN
    valueType: NUMERIC
    defaultValue: .inf
  openTime:
    type: RESPONSE_DRIVEN
    valueType: NUMERIC
    defaultValue: 40
    trackable: true
`;

const PRICES = `
plans:
  CREW:
    monthlyPrice: 10
    annualPrice: 8
    unit: user/month
    features: null
  YARD:
    monthlyPrice: 20
    annualPrice: 180
    features:
      24/7Support:
        value: true
addOns:
  moreBoards:
    monthlyPrice: 5
    usageLimitsExtensions:
      maxBoards:
        value: 10
  support:
    price: 3
    monthlyPrice: 4
    features:
      24/7Support:
        value: true
`;

const ONE_PRICE = PRICES.replaceAll('monthlyPrice: 10\n    annualPrice: 8', 'price: 10')
  .replace('monthlyPrice: 20\n    annualPrice: 180', 'price: 20')
  .replace('monthlyPrice: 5', 'price: 5');

const FILES = {
  '1.0': `version: "1.0"\nday: 29\nmonth: 2\nyear: 2024\nhasAnnualPayment: true\n${SHARED}${PRICES}`,
  '1.1': `version: "1.1"\ncreatedAt: 2024-02-29\nhasAnnualPayment: true\n${SHARED}${PRICES}`,
  '2.0': `version: "2.0"\ncreatedAt: "2024-02-29"\nbilling: {monthly: 1, annual: 0.8}\n${SHARED}${ONE_PRICE}`,
  '2.1': `syntaxVersion: "2.1"\nversion: 2024-2-29\ncreatedAt: "2024-02-29"\nbilling: {monthly: 1, annual: 0.8}\n${SHARED}${ONE_PRICE}`,
};

test('space:24 a pricing of each older version becomes the same one of 3.0', () => {
  const [oldest, ...others] = Object.values(FILES).map(parsed);
  for (const other of others) assert.deepEqual(other, oldest);
  assert.ok(oldest !== undefined);
  const { plans, addOns, usageLimits, features } = oldest;
  assert.deepEqual([oldest.syntaxVersion, oldest.version, oldest.createdAt], ['3.0', '2024-2-29', '2024-02-29']);
  // The first plan with both prices determines the factor of a year; the second has the price of a whole year.
  assert.deepEqual(oldest.billing, { monthly: 1, annual: 0.8 });
  assert.deepEqual([plans.CREW?.price, plans.CREW?.unit, plans.YARD?.price, plans.YARD?.unit], [10, 'user/month', 20, '']);
  assert.equal(plans.YARD?.features['24/7Support'], true);
  assert.deepEqual([addOns.moreBoards?.price, addOns.support?.price, addOns.support?.monthlyPrice], [5, 3, 4]);
  assert.deepEqual(addOns.moreBoards?.subscriptionConstraints, { minQuantity: 1, maxQuantity: 100_000_000, quantityStep: 1 });
  assert.equal(addOns.support?.subscriptionConstraints, undefined);
  assert.deepEqual(
    Object.values(usageLimits).map(({ type, period, trackable, defaultValue }) => [type, period, trackable, defaultValue]),
    [
      ['NON_RENEWABLE', undefined, false, 3],
      ['RENEWABLE', { value: 1, unit: 'MONTH' }, undefined, 100_000_000],
      ['NON_RENEWABLE', undefined, false, 40],
    ],
  );
  assert.equal(
    features.boards?.expression,
    "pricingContext['features']['boards'] && subscriptionContext['maxBoards'] < pricingContext['usageLimits']['maxBoards']",
  );
  assert.deepEqual(features.calendar?.pricingURLs, ['https://calendar.example/prices']);
});

test('an upgraded pricing can be uploaded again as what it became', () => {
  const pricing = parsed(FILES['1.0']);
  assert.deepEqual(parsed(JSON.stringify(definition(stored(pricing, { organizationId: 'o', serviceId: 's' })))), pricing);
});

test('an annual price without a monthly one is the price, and texts give no factor', () => {
  const only = parsed(FILES['1.1'].replace('monthlyPrice: 10\n    annualPrice: 8', 'annualPrice: 8').replace('monthlyPrice: 20\n', '\n'));
  assert.deepEqual([only.plans.CREW?.price, only.plans.YARD?.price, only.billing], [8, 180, { annual: 1, monthly: 1 }]);
  const texts = parsed(FILES['1.1'].replace('10\n    annualPrice: 8', 'ask\n    annualPrice: us').replace('annualPrice: 180', ''));
  assert.deepEqual([texts.plans.CREW?.price, texts.billing], ['ask', { monthly: 1 }]);
});

/** Files that the upgrade cannot handle. */
const BAD: readonly (readonly [what: string, text: string, error: RegExp])[] = [
  ['no day', FILES['1.0'].replace('day: 29\n', ''), /day: must be a number/],
  ['a month as text', FILES['1.0'].replace('month: 2', 'month: "2"'), /month: must be a number/],
  ['no price at all', FILES['1.1'].replace('monthlyPrice: 10\n    annualPrice: 8', 'price: 9'), /plans\.CREW: needs a monthlyPrice or/],
  ['a number beside a text', FILES['1.1'].replace('annualPrice: 8', 'annualPrice: ask'), /plans\.CREW\.annualPrice: must be a number/],
  ['a year for more than twelve months', FILES['1.1'].replace('annualPrice: 8', 'annualPrice: 800'), /billing\.annual: must be a number/],
  [
    'an unknown kind of limit',
    FILES['2.1'].replace('TIME_DRIVEN', 'SEASONAL'),
    /usageLimits\.exports\.type: must be one of RENEWABLE, NON/,
  ],
  ['a plan without features', FILES['2.0'].replace('    features: null\n', ''), /plans\.CREW: must have features/],
  ['a number as version', FILES['1.1'].replace('version: "1.1"', 'version: 1.1'), /syntaxVersion: is required/],
  ['a list for a plan', FILES['1.1'].replace('  CREW:\n', '  CREW: [1]\n  DECK:\n'), /plans\.CREW/],
];

test('a file that cannot be upgraded is rejected with the place and the reason', async (t) => {
  for (const [what, text, error] of BAD) await t.test(what, () => assert.match(refused(text), error));
});

test('files of 2.0 may name their version twice, and names may have any character', () => {
  assert.deepEqual(parsed(`syntaxVersion: "2.0"\n${FILES['2.0']}`), parsed(FILES['2.0']));
  assert.match(refused(FILES['2.1'].replace('"2.1"', '"3.0"').replace('24/7Support:', 'day.Support:')), /Invalid key/);
});
