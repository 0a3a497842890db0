import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluateFormula } from './price-formula.ts';

const variables = { a: 3, b_2: 0.5, vip: true, tier: 'gold' };
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
  assert.equal(worthOf('2 ** 3 ** 2 % 100'), 12);
});

test('space:25 formulas choose, compare, and use the functions of numbers', () => {
  assert.equal(worthOf('#vip ? #a : 0.0'), 3);
  assert.equal(worthOf("#tier === 'gold' && !#vip ? 1 : 2"), 2);
  assert.equal(worthOf('Math.floor(#a / 2) < 1 ? #a * 10 : 100.0'), 100);
  assert.equal(worthOf('Math.max(1, #a, 2)'), 3);
  assert.equal(worthOf('#tier'), 'has a value that is no number');
  assert.equal(worthOf('Math.constructor("x")'), 'has something unexpected at character 6');
  assert.equal(worthOf('process'), 'has something unexpected at character 1');
});

test('what is no formula is refused by its place', () => {
  assert.equal(worthOf('#a +'), 'has something unexpected at character 5');
  assert.equal(worthOf('(#a'), 'lacks a closing parenthesis');
  assert.equal(worthOf('#a.constructor'), 'has something unexpected at character 4');
  assert.equal(worthOf('#c'), 'uses #c, which is not among the "variables"');
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
