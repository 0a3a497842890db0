import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluateFormula } from './price-formula.ts';

const variables = new Map([
  ['a', 3],
  ['b_2', 0.5],
]);
const worthOf = (text: string) => {
  const result = evaluateFormula(text, variables);
  return result.ok ? result.value : result.problem;
};

test('formulas follow the usual rules of arithmetic', () => {
  assert.equal(worthOf('#a + 2 * #b_2'), 4);
  assert.equal(worthOf('(#a + 2) * #b_2'), 2.5);
  assert.equal(worthOf('10 - 2 - 3'), 5);
  assert.equal(worthOf('12 / 2 / 3'), 2);
  assert.equal(worthOf('-(#a - 5)'), 2);
});

test('what is no formula is refused by its place', () => {
  assert.equal(worthOf('#a +'), 'has something unexpected at character 5');
  assert.equal(worthOf('(#a'), 'lacks a closing parenthesis');
  assert.equal(worthOf('#a.constructor'), 'has something unexpected at character 3');
  assert.equal(worthOf('#c'), 'uses #c, which is no number under "variables"');
  assert.equal(worthOf('#a / 0'), 'has no finite value');
  assert.equal(worthOf('('.repeat(100)), 'is nested too deep');
  assert.equal(worthOf('1'.repeat(1001)), 'is longer than 1000 characters');
});

test('whatever the text, there is a finite number or a problem', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'#ab_2 ()+-*/.19'.split('')) }), (text) => {
      const result = evaluateFormula(text, variables);
      assert.ok(result.ok ? Number.isFinite(result.value) : result.problem !== '');
    }),
  );
});
