import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePricing, parsingError } from './parse.ts';
import type { Pricing } from './pricing.ts';
import { definition, published, stored } from './stored.ts';

const folder = new URL('../../test/pricings/', import.meta.url);
const FILES = ['harbourdesk', 'tidemark', 'quillbox', 'loomworks', 'signalhut', 'wiremock'] as const;
const today = '2026-01-01';

const textOf = (name: string): string => readFileSync(new URL(`${name}.yml`, folder), 'utf8');

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

test('space:24 complete pricings of 3.0 and 3.1 are parsed with their defaults filled in', () => {
  const pricings = FILES.map((name) => parsed(textOf(name)));
  assert.deepEqual(
    pricings.map(({ saasName, version, createdAt }) => [saasName, version, createdAt]),
    [
      ['Harbourdesk', '2024', '2024-07-17'],
      ['Tidemark Maps', '2023-11-2', '2023-11-02'],
      ['Quillbox', '2025.1', '2025-03-06'],
      ['Loomworks', 'spring_2024', '2024-02-29'],
      ['Signalhut', 'v2/beta 1', '2025-01-15'],
      ['WireMock', '2024', '2024-05-04'],
    ],
  );
});

test('the complete pricings use every construct of the language', () => {
  const pricings = FILES.map((name) => parsed(textOf(name)));
  const of = (section: 'features' | 'usageLimits' | 'plans' | 'addOns') => pricings.flatMap((pricing) => Object.values(pricing[section]));
  const values = (items: readonly object[], name: string) =>
    [...new Set(items.map((item) => Reflect.get(item, name)).filter((value) => value !== undefined))].sort();
  assert.deepEqual(values(of('features'), 'type').length, 8);
  assert.deepEqual(values(of('features'), 'integrationType').length, 6);
  assert.deepEqual(values(of('features'), 'automationType').length, 4);
  assert.deepEqual(values(of('features'), 'valueType'), ['BOOLEAN', 'NUMERIC', 'TEXT']);
  assert.deepEqual(values(of('features'), 'render'), ['AUTO', 'DISABLED', 'ENABLED']);
  assert.deepEqual(values(of('usageLimits'), 'valueType'), ['BOOLEAN', 'NUMERIC', 'TEXT']);
  const periods = pricings.flatMap(({ usageLimits }) => Object.values(usageLimits)).flatMap(({ period }) => period?.unit ?? []);
  assert.deepEqual([...new Set(periods)].sort(), ['DAY', 'HOUR', 'MIN', 'MONTH', 'SEC', 'YEAR']);
  const keys = new Set(
    [...of('features'), ...of('usageLimits'), ...of('plans'), ...of('addOns'), ...pricings].flatMap((item) => Object.keys(item)),
  );
  for (const key of 'docUrl pricingUrls expression serverExpression tag trackable linkedFeatures unit private description availableFor dependsOn excludes subscriptionConstraints usageLimitsExtensions billing variables custom tags url'.split(
    ' ',
  )) {
    assert.ok(keys.has(key), `no file uses ${key}`);
  }
});

test('omitted fields get their defaults', () => {
  const harbour = parsed(textOf('harbourdesk'));
  assert.deepEqual(harbour.usageLimits.tickets?.period, { value: 1, unit: 'MONTH' });
  assert.equal(harbour.plans.ENTERPRISE?.usageLimits.agents, 100_000_000);
  assert.equal(harbour.plans.ENTERPRISE?.usageLimits.tickets, 100_000_000);
  assert.equal(harbour.plans.ENTERPRISE?.price, 'Contact us');
  assert.equal(harbour.addOns['forum-only']?.price, 0);
  assert.deepEqual(harbour.addOns['forum-only']?.availableFor, ['FREE', 'TEAM', 'ENTERPRISE']);
  assert.deepEqual(harbour.addOns['extra-tickets']?.subscriptionConstraints, { minQuantity: 2, maxQuantity: 20, quantityStep: 2 });
  const tide = parsed(textOf('tidemark'));
  assert.equal(tide.plans.SURVEYOR?.price, 34);
  assert.equal(tide.plans.CARTOGRAPHER?.price, 66.5);
  assert.equal(tide.usageLimits.styles?.trackable, false);
  assert.deepEqual(tide.addOns['more-styles']?.subscriptionConstraints, { minQuantity: 1, maxQuantity: 100_000_000, quantityStep: 1 });
  const signal = parsed(textOf('signalhut'));
  assert.deepEqual(signal.usageLimits.messages?.period, { value: 1, unit: 'MONTH' });
  assert.deepEqual(signal.plans.HUT?.features, {});
  const loom = parsed(textOf('loomworks'));
  assert.equal(loom.features.export?.name, 'export');
  assert.deepEqual(loom.custom, { contact: 'prices@loomworks.example', reviewed: true, rounds: [1, 2.5, null, { by: 'nobody' }] });
});

// SPACE's library (Pricing4TS) makes both empty; suites of its clients upload such files.
test('space:24 a pricing needs neither plans nor add-ons', () => {
  const text = textOf('wiremock');
  const { plans, addOns, features } = parsed(text.slice(0, text.indexOf('plans:')));
  assert.deepEqual([plans, addOns], [{}, {}]);
  assert.ok(Object.keys(features).length > 0);
});

test('a published pricing shows the effective value of every feature and limit of a plan, and keeps units and order', () => {
  const attributes = stored(parsed(textOf('harbourdesk')), { organizationId: 'o', serviceId: 's' });
  // Attributes as from a store that sorts keys.
  const sorted = JSON.parse(JSON.stringify(attributes), (_key, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : value,
  );
  const shown = published(sorted, 'static/pricings/x.yaml');
  assert.deepEqual(Object.keys(shown), [
    '_organizationId',
    'yamlPath',
    'version',
    'currency',
    'createdAt',
    'features',
    'usageLimits',
    'plans',
    'addOns',
  ]);
  assert.deepEqual(Object.keys(shown.plans ?? {}), ['FREE', 'TEAM', 'ENTERPRISE']);
  const { FREE, TEAM } = shown.plans as unknown as Record<string, { features: object; usageLimits: object; unit: string }>;
  assert.deepEqual(FREE?.features, {
    'shared-inbox': true,
    'canned-answers': false,
    routing: false,
    'spam-filter': 'basic',
    'single-sign-on': false,
    'answer-time': 48,
    help: 'forum',
    payment: ['CARD', 'INVOICE'],
  });
  assert.deepEqual(TEAM?.usageLimits, { agents: 25, tickets: 5000 });
  assert.equal(TEAM?.unit, 'user/month');
});

test('the definition of a stored pricing can be uploaded again', () => {
  for (const name of FILES) {
    const pricing = parsed(textOf(name));
    const again = JSON.stringify(definition(stored(pricing, { organizationId: 'o', serviceId: 's' })));
    assert.deepEqual(parsed(again), pricing);
  }
});

const base = textOf('wiremock');
const swap = (from: string, to: string): string => {
  assert.ok(base.includes(from), from);
  return base.replace(from, () => to);
};

test('a number beyond 2^53 is rejected where it would be rounded, and accepted where a maximum applies anyway', () => {
  for (const [from, to] of [
    ['price: 0', 'price: 9007199254740993'],
    ['price: 0', 'price: 1\n    annualPrice: 9007199254740993'],
    ['currency: USD', 'currency: USD\nvariables: {many: 9007199254740993}'],
    ['currency: USD', 'currency: USD\ncustom: {many: [9007199254740993]}'],
  ] as const) {
    assert.match(refused(swap(from, to)), /is a number beyond 2\^53/);
  }
  assert.equal(parsed(swap('defaultValue: 1000', 'defaultValue: 99999999999999999999')).usageLimits.calls?.defaultValue, 100_000_000);
  assert.equal(parsed(swap('price: 0', 'price: 100000000000000000')).plans.FREE?.price, 100_000_000_000_000_000);
  assert.equal(parsed(swap('price: 0', 'price: 250000000.5')).plans.FREE?.price, 250_000_000.5);
});

/** Invalid files, and the error of each. */
const BAD: readonly (readonly [what: string, text: string, error: RegExp])[] = [
  ['nothing', '', /line 1, column 1: is not a pricing/],
  ['a list', '- a\n- b\n', /is not a pricing/],
  ['broken YAML', 'saasName: "open\nplans: {', /Pricing parsing error: line \d+, column \d+/],
  ['a key twice', `${base}\nplans: {}\n`, /line \d+, column 1: Map keys must be unique/],
  ['a tag of another type', swap('version: "2024"', 'version: !!js/function "function () {}"'), /line 5, .*tag/i],
  [
    'no syntaxVersion',
    swap('syntaxVersion: "3.0"', ''),
    /syntaxVersion: is required \(supported versions: 1\.0, 1\.1, 2\.0, 2\.1, 3\.0, 3\.1\)/,
  ],
  ['a number as syntaxVersion', swap('"3.0"', '3.0'), /syntaxVersion: must be a text: write it in quotes, "3\.0"/],
  ['a version that does not exist', swap('"3.0"', '"4.0"'), /line 2, column 16, syntaxVersion: Unsupported version "4\.0" \(supported/],
  ['an older version in the wrong place', swap('"3.0"', '"1.1"'), /syntaxVersion: names a version before 2\.1/],
  ['no saasName', swap('saasName: WireMock', ''), /saasName: is required/],
  ['a short saasName', swap('saasName: WireMock', 'saasName: " W "'), /saasName: must have 3 to 255 characters/],
  [
    'a number as version',
    swap('version: "2024"', 'version: 2024'),
    /line 5, column 10, version: must be a text: write it in quotes, "2024"/,
  ],
  ['an empty version', swap('version: "2024"', 'version: " "'), /version: must have 1 to 100 characters/],
  ['no createdAt', swap('createdAt: "2024-05-04"', ''), /createdAt: is required/],
  ['a day that does not exist', swap('2024-05-04', '2024-02-30'), /createdAt: must be a day/],
  ['another date form', swap('2024-05-04', '04/05/2024'), /createdAt: must be a day/],
  ['a day in the future', swap('2024-05-04', '2026-01-02'), /createdAt: must not be in the future/],
  ['no currency', swap('currency: USD', ''), /currency: is required/],
  ['an unknown currency', swap('currency: USD', 'currency: COINS'), /currency: must be a currency code/],
  ['no features', base.replace(/features:\n {2}mock[\s\S]*?usageLimits:\n {2}calls/, 'usageLimits:\n  calls'), /features: is required/],
  ['a feature without a type', swap('    type: DOMAIN\n', ''), /features\.mock-interface\.type: is required: one of INFORMATION/],
  ['an unknown feature type', swap('type: DOMAIN', 'type: DOMANE'), /line 9, column 11, features\.mock-interface\.type: must be one of/],
  ['no valueType', swap('    valueType: BOOLEAN\n', ''), /features\.mock-interface\.valueType: is required/],
  ['no defaultValue', swap('    defaultValue: true\n', ''), /features\.mock-interface\.defaultValue: is required/],
  [
    'a value of another type',
    swap('defaultValue: true', 'defaultValue: "yes"'),
    /defaultValue: must be true or false, since valueType is BOOLEAN/,
  ],
  ['an integration of no kind', swap('type: DOMAIN', 'type: INTEGRATION'), /integrationType: is required for type INTEGRATION/],
  ['an automation of no kind', swap('type: DOMAIN', 'type: AUTOMATION'), /automationType: is required for type AUTOMATION/],
  [
    'a payment that is no list',
    swap('type: DOMAIN\n    valueType: BOOLEAN\n    defaultValue: true', 'type: PAYMENT\n    valueType: TEXT\n    defaultValue: CARD'),
    /must be a list of CARD, GATEWAY/,
  ],
  ['a key with a dot', swap('  chaos:\n    type', '  cha.os:\n    type'), /features\.cha\.os: Invalid key/],
  ['a key of two letters', swap('  FREE:', '  FR:'), /plans\.FR: the name must have 3 to 255 characters/],
  ['a key that objects understand', swap('  chaos:\n    type', '  __proto__:\n    type'), /features\.__proto__: Invalid key/],
  ['a limit of no kind', swap('type: RENEWABLE', 'type: SOMETIMES'), /usageLimits\.calls\.type: must be one of RENEWABLE, NON_RENEWABLE/],
  [
    'a link to nothing',
    swap('linkedFeatures: [mock-interface]', 'linkedFeatures: [mocking]'),
    /line 22, column 22, usageLimits\.calls\.linkedFeatures\[0\]: names the feature "mocking"/,
  ],
  [
    'a limit that is not a number',
    swap('defaultValue: 1000', 'defaultValue: many'),
    /defaultValue: must be a number, since valueType is NUMERIC/,
  ],
  ['a bare date as version', swap('version: "2024"', 'version: 2024-05-04'), /version: must be a text/],
  ['another kind of address', `${base}url: "ftp://prices.example"\n`, /url: must be a URL that begins with http/],
  ['a tag that the pricing does not have', swap('type: DOMAIN', 'type: DOMAIN\n    tag: tools'), /tag: must be one of the tags/],
  [
    'an extension without a value',
    `${base}addOns:\n  more:\n    price: 1\n    usageLimitsExtensions: {calls: 5}\n`,
    /usageLimitsExtensions\.calls: must be given as a map with a value/,
  ],
  ['a formula that is not a number', swap('price: 0', `price: "'#' + 'a'"`), /the formula has a value that is not a number/],
  ['an unknown period', swap('unit: call', 'period: {value: 1, unit: FORTNIGHT}'), /period\.unit: must be one of SEC/],
  ['a period of nothing', swap('unit: call', 'period: {value: 0, unit: DAY}'), /period\.value: must be a whole number of at least 1/],
  ['a plan without a price', swap('    price: 0\n', '    unit: month\n'), /plans\.FREE\.price: is required/],
  ['a negative price', swap('price: 0', 'price: -3'), /plans\.FREE\.price: must be a number of at least 0/],
  [
    'a plan with an unknown feature',
    swap('chaos: { value: true }', 'order: { value: true }'),
    /plans\.ENTERPRISE\.features\.order: names a feature that does not exist/,
  ],
  [
    'a plan with an unknown limit',
    swap('calls: { value: 100000000 }', 'callz: { value: 1 }'),
    /plans\.ENTERPRISE\.usageLimits\.callz: names a usage limit/,
  ],
  ['a formula with an unknown variable', swap('price: 0', 'price: "#seats * 2"'), /plans\.FREE\.price: the formula uses #seats/],
  ['a formula that is a program', swap('price: 0', `price: "#a; process.exit(1)"`), /the formula /],
  ['a formula over zero', `${swap('price: 0', 'price: "1 / #zero"')}variables: {zero: 0}\n`, /the formula has no finite value/],
  ['an empty add-on', `${base}addOns:\n  nothing: {}\n`, /addOns\.nothing: must not be empty/],
  [
    'an add-on for no plan',
    `${base}addOns:\n  more:\n    price: 1\n    availableFor: [GOLD]\n`,
    /availableFor\[0\]: names the plan "GOLD"/,
  ],
  [
    'an add-on that needs nothing',
    `${base}addOns:\n  more:\n    price: 1\n    dependsOn: [less]\n`,
    /dependsOn\[0\]: names the add-on "less"/,
  ],
  [
    'an add-on that excludes nothing',
    `${base}addOns:\n  more:\n    price: 1\n    excludes: [less]\n`,
    /excludes\[0\]: names the add-on "less"/,
  ],
  [
    'a step that does not fit',
    `${base}addOns:\n  more:\n    price: 1\n    usageLimitsExtensions: {calls: {value: 1}}\n    subscriptionConstraints: {minQuantity: 3, quantityStep: 2}\n`,
    /quantityStep: must divide minQuantity/,
  ],
  ['a billing factor above 1', `${base}billing: {monthly: 1.5}\n`, /billing\.monthly: must be a number above 0 and up to 1/],
  [
    'an unknown rendering',
    swap('    defaultValue: false', '    defaultValue: false\n    render: MAYBE'),
    /render: must be one of AUTO, ENABLED, DISABLED/,
  ],
  ['an alias to nothing', swap('defaultValue: false', 'defaultValue: *nowhere'), /line 15, column 19: names an anchor that does not exist/],
];

test('space:24 invalid pricings are rejected with the place and the reason', async (t) => {
  for (const [what, text, error] of BAD) await t.test(what, () => assert.match(refused(text), error));
});

test('all problems of a file are reported at once, the first five in the message', () => {
  const text = base.replaceAll('DOMAIN', 'WRONG').replace('currency: USD', 'currency: X').replace('price: 0', 'price: -1');
  const result = parsePricing(text, { today });
  assert.ok(!result.ok);
  assert.equal(result.problems.length, 4);
});

test('a small text that expands through aliases is rejected', () => {
  const levels = Array.from(
    { length: 9 },
    (_, level) => `l${level + 1}: &l${level + 1} [${Array.from({ length: 9 }, () => `*l${level}`).join(', ')}]`,
  );
  assert.match(refused(`l0: &l0 [x, x, x]\n${levels.join('\n')}\n`), /has more than \d+ (values|aliases|levels)/);
});

test('a text of brackets only, or over the size limit, is rejected', () => {
  assert.match(refused('['.repeat(500_000)), /Pricing parsing error/);
  assert.match(refused(`a: ${'[1, '.repeat(30)}2${']'.repeat(30)}`), /has more than 16 levels/);
  assert.match(refused('x'.repeat(1024 * 1024 + 1)), /is longer than 1048576 bytes/);
});

test('a text that would take long to parse is rejected before parsing', () => {
  const lines = (count: number, line: (at: number) => string): string => Array.from({ length: count }, (_, at) => line(at)).join('\n');
  for (const [text, error] of [
    [lines(20_000, (at) => `key${at}: 1`), /has more than 100000 tokens/],
    [lines(19_000, () => '- 1'), /is not a pricing/],
    [`{${lines(20_000, (at) => `key${at}: 1,`)}}`, /has more than 100000 tokens/],
    [lines(20_000, () => '%YAML 1.2'), /has more than one document/],
    [lines(20_000, () => '---'), /has more than one document/],
    ['- '.repeat(20_000), /has more than 16 levels/],
    ['{a: '.repeat(20_000), /has more than 16 levels/],
    [lines(20_000, (at) => `- &a${at} x`), /has more than|is not a pricing/],
  ] as const) {
    assert.match(refused(text), error);
  }
});

test('whatever the text, parsing ends with a pricing or with problems', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.mixedCase(fc.constant(base)),
        fc.nat(base.length).map((at) => base.slice(0, at)),
      ),
      (text) => {
        const result = parsePricing(text, { today });
        assert.ok(result.ok || result.problems.length > 0);
      },
    ),
    { numRuns: 300 },
  );
});
