import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Offered, subscriptionProblem } from './validity.ts';

const plain = { availableFor: ['BASIC', 'PRO'], dependsOn: [], excludes: [] };
const zoom: Offered = {
  version: '2024',
  plans: ['BASIC', 'PRO'],
  addOns: {
    seats: { ...plain, subscriptionConstraints: { minQuantity: 2, maxQuantity: 10, quantityStep: 2 } },
    phone: { ...plain, availableFor: ['PRO'] },
    fax: { ...plain, dependsOn: ['phone'] },
    silence: { ...plain, excludes: ['phone'] },
  },
};
const extras: Offered = { version: '1', plans: [], addOns: { one: { ...plain, availableFor: [] } } };

type Given = {
  readonly plans?: Record<string, string>;
  readonly addOns?: Record<string, Record<string, number>>;
  readonly services?: string[];
};

/** The selection, whether something is missing (404 for a novation) rather than wrong (400), and the text. */
const CASES: readonly (readonly [given: Given, missing: boolean | undefined, text?: RegExp])[] = [
  [{ plans: { zoom: 'BASIC' } }, undefined],
  [{ plans: { zoom: 'pro' }, addOns: { zoom: { phone: 1, fax: 3 } } }, undefined],
  [{ addOns: { zoom: { seats: 4 } } }, undefined],
  [{ plans: { zoom: 'BASIC' }, addOns: { zoom: { seats: 10 } } }, undefined],
  [{ services: ['extras'], addOns: { extras: { one: 1 } } }, undefined],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { silence: 1 } } }, undefined],
  [{}, undefined],
  [{ plans: { zoom: 'GOLD' } }, true, /Plan GOLD for service zoom not found in the request organization/],
  [{ plans: { zoom: 'BASIC', drive: 'X' } }, true, /NOT FOUND: Service with name drive in the request organization/],
  [{ plans: { zoom: 'BASIC' }, addOns: { drive: {} } }, true, /NOT FOUND: Service with name drive/],
  [
    { plans: { zoom: 'PRO' }, addOns: { zoom: { nothing: 1 } } },
    true,
    /Add-on nothing declared in the subscription not found in pricing version 2024/,
  ],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { Phone: 1 } } }, true, /Add-on Phone declared/],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { toString: 1 } } }, true, /Add-on toString declared/],
  [{ plans: { zoom: 'BASIC' }, addOns: { zoom: { phone: 1 } } }, false, /Add-on phone is not available for plan BASIC/],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { fax: 1 } } }, false, /Add-on fax requires the following add-ons to be selected .*: phone/],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { silence: 1, phone: 1 } } }, false, /Add-on silence cannot be selected with .*: phone/],
  [
    { plans: { zoom: 'PRO' }, addOns: { zoom: { seats: 3 } } },
    false,
    /quantity 3 is not valid. It must be between 2 and 10, and a multiple of 2/,
  ],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { seats: 12 } } }, false, /quantity 12 is not valid/],
  [{ plans: { zoom: 'PRO' }, addOns: { zoom: { phone: 0 } } }, false, /quantity 0 is not valid/],
];

test('space:27 a subscription must be offered by its pricings', () => {
  for (const [{ plans = {}, addOns = {}, services = ['zoom'] }, missing, text] of CASES) {
    const pricings = Object.fromEntries(services.map((name) => [name, name === 'zoom' ? zoom : extras]));
    const contractedServices = Object.fromEntries(services.map((name) => [name, '2024']));
    const problem = subscriptionProblem({ contractedServices, subscriptionPlans: plans, subscriptionAddOns: addOns }, pricings);
    const what = JSON.stringify({ plans, addOns });
    assert.equal(problem?.missing, missing, what);
    if (text !== undefined) assert.match(problem?.text ?? '', text, what);
  }
});
