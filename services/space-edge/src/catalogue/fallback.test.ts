import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Offered } from '../contracts/validity.ts';
import { fallbackProblem, isEmpty, readFallback } from './fallback.ts';

const constraints = { minQuantity: 2, maxQuantity: 6, quantityStep: 2 };
const plain = { availableFor: ['FREE', 'PRO'], dependsOn: [], excludes: [] };
const offered: Offered = {
  version: '2',
  plans: ['FREE', 'PRO'],
  addOns: {
    seats: { ...plain, subscriptionConstraints: constraints },
    chat: { ...plain, availableFor: ['PRO'] },
    video: { ...plain, dependsOn: ['chat'] },
    mute: { ...plain, excludes: ['chat'] },
  },
};

test('space:41 null counts as absent, and what has another type is refused', () => {
  assert.deepEqual(readFallback(null), { ok: true, value: {} });
  assert.deepEqual(readFallback({ subscriptionPlan: null, subscriptionAddOns: null, more: 1 }), { ok: true, value: {} });
  for (const body of [
    [],
    'x',
    { subscriptionPlan: 1 },
    { subscriptionAddOns: [] },
    { subscriptionAddOns: { seats: 1.5 } },
    { subscriptionAddOns: { seats: '1' } },
  ]) {
    const read = readFallback(body);
    assert.equal(read.ok ? 200 : read.answer.status, 422, JSON.stringify(body));
  }
  assert.equal(isEmpty({}), true);
  assert.equal(isEmpty({ subscriptionAddOns: {} }), true);
});

test('space:18 a fallback has to be a subscription of the pricing it leads to', () => {
  const problem = (subscriptionPlan: string | undefined, subscriptionAddOns: Record<string, number> = {}) =>
    fallbackProblem({ ...(subscriptionPlan === undefined ? {} : { subscriptionPlan }), subscriptionAddOns }, offered);
  assert.equal(problem('free'), undefined);
  assert.equal(problem(undefined, { seats: 4 }), undefined);
  assert.equal(problem('PRO', { chat: 1, video: 1 }), undefined);
  assert.match(problem('GOLD') ?? '', /Plan GOLD for service of the fallback not found/);
  assert.match(problem('FREE', { chat: 1 }) ?? '', /not available for plan FREE/);
  assert.match(problem('PRO', { video: 1 }) ?? '', /requires the following add-ons .*: chat/);
  assert.match(problem('PRO', { mute: 1, chat: 1 }) ?? '', /cannot be selected with .*: chat/);
  assert.match(problem('PRO', { seats: 3 }) ?? '', /between 2 and 6, and a multiple of 2/);
  assert.equal(problem('PRO', { chat: 2 }), undefined);
  assert.match(problem('PRO', { mute: 0 }) ?? '', /quantity 0 is not valid/);
  assert.match(problem('PRO', { Chat: 1 }) ?? '', /not found/);
  assert.match(problem('PRO', { toString: 1 }) ?? '', /not found/);
});
