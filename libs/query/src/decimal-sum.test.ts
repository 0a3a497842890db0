import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meanOf, sumOf } from './decimal-sum.ts';

test('sums of decimals are exact at any size, or there is none', () => {
  assert.equal(sumOf([]), 0);
  assert.equal(sumOf(['1', '-1']), 0);
  assert.equal(sumOf(['0.1', '0.2', '+0.3']), 0.6);
  assert.equal(sumOf(['-0.1', '-10']), -10.1);
  assert.equal(sumOf(['9007199254740992', '1']), 9007199254740993n);
  assert.equal(sumOf(['9007199254740993', '-9007199254740992']), 1);
  assert.equal(sumOf(['9007199254740993', '0.5', '0.5']), 9007199254740994n);
  assert.equal(sumOf(['9007199254740993', '0.5']), undefined);
  assert.equal(sumOf(['9'.repeat(309), '1']), undefined);
});

test('means of decimals are exact, or rounded as a double is; beyond 2^53 with a fraction there is none', () => {
  assert.equal(meanOf(['1', '2']), 1.5);
  assert.equal(meanOf(['1', '1', '0']), 2 / 3);
  assert.equal(meanOf(['-1', '-1', '0']), -2 / 3);
  assert.equal(meanOf(['0.00000000000000000000001']), 1e-23);
  assert.equal(meanOf(['9007199254740993', '9007199254740995']), 9007199254740994n);
  assert.equal(meanOf(['9007199254740993', '1']), 4503599627370497);
  assert.equal(meanOf(['9007199254740993', '9007199254740994']), undefined);
});
