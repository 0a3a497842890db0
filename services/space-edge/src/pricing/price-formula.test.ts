import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { evaluateFormula } from './price-formula.ts';

const variables = { a: 3, b_2: 0.5, vip: true, tier: 'gold' };
const evaluated = (text: string) => {
  const result = evaluateFormula(text, variables);
  return result.ok ? result.value : result.problem;
};

test('formulas follow the usual rules of arithmetic', () => {
  assert.equal(evaluated('#a + 2 * #b_2'), 4);
  assert.equal(evaluated('(#a + 2) * #b_2'), 2.5);
  assert.equal(evaluated('10 - 2 - 3'), 5);
  assert.equal(evaluated('12 / 2 / 3'), 2);
  assert.equal(evaluated('-(#a - 5)'), 2);
  assert.equal(evaluated('2 ** 3 ** 2 % 100'), 12);
});

test('space:25 formulas choose, compare, and use the functions of numbers', () => {
  assert.equal(evaluated('#vip ? #a : 0.0'), 3);
  assert.equal(evaluated("#tier === 'gold' && !#vip ? 1 : 2"), 2);
  assert.equal(evaluated('Math.floor(#a / 2) < 1 ? #a * 10 : 100.0'), 100);
  assert.equal(evaluated('Math.max(1, #a, 2)'), 3);
  assert.equal(evaluated('#tier'), 'has a value that is not a number');
  assert.equal(evaluated('Math.constructor("x")'), 'has something unexpected at character 6');
  assert.equal(evaluated('process'), 'has something unexpected at character 1');
});

test('an invalid formula is rejected with the place', () => {
  assert.equal(evaluated('#a +'), 'has something unexpected at character 5');
  assert.equal(evaluated('(#a'), 'lacks a closing parenthesis');
  assert.equal(evaluated('#a.constructor'), 'has something unexpected at character 4');
  assert.equal(evaluated('#c'), 'uses #c, which is not among the "variables"');
  assert.equal(evaluated('#a / 0'), 'has no finite value');
  assert.equal(evaluated('('.repeat(100)), 'is nested too deep');
  assert.equal(evaluated('1'.repeat(1001)), 'is longer than 1000 characters');
});

test('any text gives a finite number or a problem', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'#ab_2 ()+-*/.19'.split('')) }), (text) => {
      const result = evaluateFormula(text, variables);
      assert.ok(result.ok ? Number.isFinite(result.value) : result.problem !== '');
    }),
  );
});
