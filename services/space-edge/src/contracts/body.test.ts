import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Result } from '../protocol/answer.ts';
import { readBillingChange, readContactChange, readContract, readIncrements, readSubscription } from './body.ts';

/** 200 for an accepted body, else the status and the text. */
function verdict(result: Result<unknown>): string {
  return result.ok ? '200' : `${result.answer.status} ${String((result.answer.body as { error: string }).error)}`;
}

const userContact = { userId: 'u1', username: 'ann' };
const maps = { contractedServices: { Zoom: '2024' }, subscriptionPlans: { Zoom: 'BASIC' }, subscriptionAddOns: {} };
const contract = { userContact, ...maps };

test('space:27 space:41 bodies of new contracts: the first problem is the answer, null counts as absent', () => {
  const cases: readonly (readonly [body: unknown, said: string])[] = [
    [contract, '200'],
    [{ ...contract, billingPeriod: null, groupId: null, organizationId: null }, '200'],
    [{ ...contract, userContact: { ...userContact, phone: null, email: null, firstName: null } }, '200'],
    [{ ...contract, billingPeriod: { autoRenew: true, renewalDays: 365 } }, '200'],
    [undefined, '422 The userContact field is required'],
    [[], '422 The userContact field is required'],
    [{ ...contract, userContact: 'ann' }, '422 The userContact field must be an object'],
    [{ ...contract, userContact: { username: 'x' } }, '422 The userContact.userId field is required'],
    [{ ...contract, userContact: { userId: 5, username: 'x' } }, '422 The userContact.userId field must be a string'],
    [{ ...contract, userContact: { userId: '', username: 'x' } }, '422 The userContact.userId field cannot be empty'],
    [
      { ...contract, userContact: { userId: 'billingPeriod', username: 'x' } },
      '422 The userContact.userId field has a value that is not allowed',
    ],
    [{ ...contract, userContact: { userId: '..', username: 'x' } }, '422 The userContact.userId field has a value that is not allowed'],
    [{ ...contract, userContact: { userId: 'a\0b', username: 'x' } }, '422 The userContact.userId field has a value that is not allowed'],
    [{ ...contract, userContact: { userId: 'u1' } }, '422 The userContact.username field is required'],
    [{ ...contract, userContact: { ...userContact, email: 'nobody' } }, '422 The userContact.email field must be a valid email address'],
    [{ ...contract, userContact: { ...userContact, phone: 5 } }, '422 The userContact.phone field must be a string'],
    [{ ...contract, billingPeriod: [] }, '422 The billingPeriod field must be an object'],
    [{ ...contract, billingPeriod: { autoRenew: 'perhaps' } }, '422 billingPeriod.autoRenew must be a boolean'],
    [{ ...contract, billingPeriod: { autoRenew: true } }, '422 billingPeriod.renewalDays is required when billingPeriod.autoRenew is true'],
    [{ ...contract, billingPeriod: { renewalDays: 0 } }, '422 billingPeriod.renewalDays must be a positive integer'],
    [{ ...contract, billingPeriod: { renewalDays: 1e9 } }, '422 billingPeriod.renewalDays must be a positive integer'],
    [{ userContact }, '422 The contractedServices field is required'],
    [
      { ...contract, contractedServices: [] },
      '422 contractedServices must be an object where keys are service names and values are pricing versions',
    ],
    [{ ...contract, contractedServices: { Zoom: '' } }, '422 Each value in contractedServices must be a string (service name)'],
    [{ ...contract, contractedServices: { Zoom: 2024 } }, '422 Each value in contractedServices must be a string (pricing version)'],
    [{ ...contract, subscriptionPlans: undefined }, '422 The subscriptionPlans field is required'],
    [{ ...contract, subscriptionPlans: { Zoom: 1 } }, '422 Plan name must be a string'],
    [{ ...contract, subscriptionPlans: { Zoom: '' } }, '422 Plan name cannot be empty'],
    [{ ...contract, subscriptionAddOns: undefined }, '422 The subscriptionAddOns field is required'],
    [{ ...contract, subscriptionAddOns: [] }, '422 subscriptionAddOns must be an object'],
    [{ ...contract, subscriptionAddOns: { Zoom: 1 } }, '422 Each value in subscriptionAddOns must be an object of add-ons'],
    [
      { ...contract, subscriptionAddOns: { Zoom: { seats: 1.5 } } },
      '422 Each add-on quantity must be an integer greater than or equal to 0',
    ],
    [
      { ...contract, subscriptionAddOns: { Zoom: { seats: -1 } } },
      '422 Each add-on quantity must be an integer greater than or equal to 0',
    ],
    [{ ...contract, groupId: 7 }, '422 The groupId field must be a string'],
  ];
  for (const [body, said] of cases) assert.equal(verdict(readContract(body)), said, JSON.stringify(body));
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, number) => [`s${number}`, '1']));
  assert.match(verdict(readContract({ ...contract, contractedServices: many })), /^422 .*at most 100 services/);
});

test('space:27 names of services are case-folded', () => {
  const read = readSubscription({
    contractedServices: { ZOOM: '1' },
    subscriptionPlans: { zOOM: 'Pro' },
    subscriptionAddOns: { Zoom: { Seats: '2' } },
  });
  assert.deepEqual(read, {
    ok: true,
    value: { contractedServices: { zoom: '1' }, subscriptionPlans: { zoom: 'Pro' }, subscriptionAddOns: { zoom: { Seats: 2 } } },
  });
  const strange = readSubscription(JSON.parse('{"contractedServices":{"__proto__":"1"},"subscriptionPlans":{},"subscriptionAddOns":{}}'));
  assert.equal(strange.ok && Object.hasOwn(strange.value.contractedServices, '__proto__'), true);
});

test('space:29 changes of contact and billing period', () => {
  assert.equal(verdict(readContactChange({})), '422 The body cannot be empty');
  assert.equal(verdict(readContactChange({ email: 'x' })), '422 The email field must be a valid email address');
  assert.equal(verdict(readContactChange({ lastName: {} })), '422 The lastName field must be a string');
  assert.deepEqual(readContactChange({ firstName: 'Ann', userId: 'other', more: 1 }), { ok: true, value: { firstName: 'Ann' } });
  assert.equal(verdict(readBillingChange(undefined)), '422 The body cannot be empty');
  assert.equal(verdict(readBillingChange({ endDate: 'soon' })), '422 The endDate field must be a valid date');
  assert.equal(verdict(readBillingChange({ autoRenew: 'invalid' })), '422 The autoRenew field must be a boolean');
  assert.equal(verdict(readBillingChange({ renewalDays: 0 })), '422 renewalDays must be a positive integer');
  assert.deepEqual(readBillingChange({ endDate: '2026-01-01T00:00:00Z', autoRenew: 'true', renewalDays: '30', startDate: 5 }), {
    ok: true,
    value: { endDate: Date.parse('2026-01-01T00:00:00Z'), autoRenew: true, renewalDays: 30 },
  });
});

test('an end date without a zone is in UTC, whatever the zone of the server', (t) => {
  const { TZ } = process.env;
  t.after(() => {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  });
  process.env.TZ = 'America/New_York';
  assert.deepEqual(readBillingChange({ endDate: '2026-03-01T10:00:00' }), { ok: true, value: { endDate: Date.UTC(2026, 2, 1, 10) } });
});

test('space:28 increments are numbers by service and limit', () => {
  const said = '422 The input must be an object with the structure: Record<string, Record<string, number>>';
  for (const body of [
    [],
    'x',
    5,
    { zoom: 5 },
    { zoom: [] },
    { zoom: { minutes: '5' } },
    { zoom: null },
    { zoom: { minutes: 1e13 } },
    { zoom: { minutes: 2n ** 60n } },
  ]) {
    assert.equal(verdict(readIncrements(body)), said);
  }
  assert.deepEqual(readIncrements({ ZOOM: { minutes: -5 } }), { ok: true, value: { zoom: { minutes: -5 } } });
  assert.deepEqual(readIncrements(undefined), { ok: true, value: {} });
});
