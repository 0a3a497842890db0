import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATORS, type Operator } from '@polyedge/contracts/bus/graph';
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import fc from 'fast-check';
import { applyOperator } from './operators.ts';

/** The cells of the table on the page of Saga: `[operator, current, key, operand, value, popped?]`. */
type Cell = readonly [Operator, Json | undefined, string | undefined, Json | undefined, Json, Json?];

const cells: readonly Cell[] = [
  ['incr', 2, undefined, 3, 5],
  ['incr', undefined, undefined, 3, 3],
  ['incr', null, undefined, 3, 3],
  ['inrc', 2, undefined, 3, 5],
  ['incr', 9_007_199_254_740_991, undefined, 2, 9_007_199_254_740_993n],
  ['incr', 750_727_362_669_608_961n, undefined, 1, 750_727_362_669_608_962n],
  ['incr', 9_007_199_254_740_993n, undefined, -3, 9_007_199_254_740_990],
  ['incr', undefined, undefined, 750_727_362_669_608_961n, 750_727_362_669_608_961n],
  ['incr', 9_007_199_254_740_992n, undefined, -9_007_199_254_740_992n, 0],
  ['mul', 94_906_267, undefined, 94_906_267, 9_007_199_515_875_289n],
  ['mul', 2, undefined, 3, 6],
  ['mul', undefined, undefined, 3, 0],
  ['mul', 0, undefined, -1, 0],
  ['sadd', [9_007_199_254_740_993n], undefined, 9_007_199_254_740_993n, [9_007_199_254_740_993n]],
  ['sadd', [9_007_199_254_740_993n], undefined, 9_007_199_254_740_992n, [9_007_199_254_740_993n, 9_007_199_254_740_992n]],
  ['sadd', [1], undefined, 2, [1, 2]],
  ['sadd', [{ a: 1, b: 2 }], undefined, { b: 2, a: 1 }, [{ a: 1, b: 2 }]],
  ['sadd', [1], undefined, '1', [1, '1']],
  ['sadd', undefined, undefined, 2, [2]],
  ['sadd', undefined, undefined, null, [null]],
  ['rem', [1, 2, 1], undefined, 1, [2]],
  ['rem', [1], undefined, 3, [1]],
  ['lpush', [1], undefined, 2, [2, 1]],
  ['lpush', null, undefined, 2, [2]],
  ['rpush', [1], undefined, 2, [1, 2]],
  ['rpush', undefined, undefined, [2], [[2]]],
  ['lpop', [1, 2], undefined, undefined, [2], 1],
  ['lpop', [], undefined, undefined, [], null],
  ['lpop', undefined, undefined, undefined, null, null],
  ['rpop', [1, 2], undefined, undefined, [1], 2],
  ['rpop', null, undefined, undefined, null, null],
  ['set', { a: 1 }, 'b', 2, { a: 1, b: 2 }],
  ['set', { a: 1 }, 'a', undefined, { a: null }],
  ['set', undefined, 'b', 2, { b: 2 }],
  ['unset', { a: 1, b: null }, 'b', undefined, { a: 1 }],
  ['hincr', { a: 1 }, 'a', 2, { a: 3 }],
  ['hincr', { a: 1 }, 'b', 2, { a: 1, b: 2 }],
  ['hincr', undefined, 'b', 2, { b: 2 }],
  ['hmul', { a: 3 }, 'a', 2, { a: 6 }],
  ['hmul', { a: 3 }, 'b', 2, { a: 3, b: 0 }],
  ['hmul', undefined, 'b', 2, { b: 0 }],
  ['hlpush', { a: [1] }, 'a', 2, { a: [2, 1] }],
  ['hlpush', {}, 'a', 2, { a: [2] }],
  ['hlpush', undefined, 'a', 2, { a: [2] }],
  ['hrpush', { a: [1] }, 'a', 2, { a: [1, 2] }],
  ['hrpush', { a: null }, 'a', 2, { a: [2] }],
  ['hlpop', { a: [1, 2] }, 'a', undefined, { a: [2] }, 1],
  ['hlpop', { a: [] }, 'a', undefined, { a: [] }, null],
  ['hlpop', undefined, 'a', undefined, null, null],
  ['hrpop', { a: [1, 2] }, 'a', undefined, { a: [1] }, 2],
  ['hrpop', null, 'a', undefined, null, null],
  ['hrem', { a: [1, 2, 1] }, 'a', 1, { a: [2] }],
  ['hsadd', { a: [1] }, 'a', 1, { a: [1] }],
  ['hsadd', { a: [1] }, 'a', 2, { a: [1, 2] }],
  ['hsadd', undefined, 'a', 2, { a: [2] }],
  ['hsadd', {}, 'a', 2, { a: [2] }],
];

test('saga:10 every operator behaves as in its row of the table, for existing and missing values', () => {
  for (const [operator, value, key, operand, expected, popped] of cells) {
    const result = applyOperator(operator, value, key, operand);
    const wanted = popped === undefined ? { value: expected } : { value: expected, popped };
    assert.deepEqual(result, { ok: true, value: wanted }, `${operator} ${JSON.stringify([value, key, operand])}`);
  }
  assert.deepEqual(new Set(cells.map(([operator]) => operator)), new Set(OPERATORS));
});

test('saga:10 an operator without effect on a missing key reports that nothing is recorded', () => {
  for (const operator of ['unset', 'hlpop', 'hrpop', 'hrem'] as const) {
    const result = applyOperator(operator, { a: 1 }, 'b', 1);
    assert.ok(result.ok);
    assert.equal(result.value.unchanged, true);
    assert.deepEqual(result.value.value, { a: 1 });
  }
});

test('saga:10 rem, unset and hrem need an existing value', () => {
  for (const operator of ['rem', 'unset', 'hrem'] as const) {
    for (const value of [undefined, null]) {
      const result = applyOperator(operator, value, 'k', 1);
      assert.ok(!result.ok);
      assert.equal(result.failure.code, 'not-found');
    }
  }
});

const KEYED = new Set<Operator>(['set', 'unset', 'hincr', 'hmul', 'hlpush', 'hrpush', 'hlpop', 'hrpop', 'hrem', 'hsadd']);
const NUMERIC = new Set<Operator>(['incr', 'inrc', 'mul', 'hincr', 'hmul']);
const WITH_VALUE = new Set<Operator>(['sadd', 'rem', 'lpush', 'rpush', 'hlpush', 'hrpush', 'hsadd', 'hrem']);

test('saga:10 a wrong type, a missing key or operand and a result that is not a number are invalid and name key or value as the cause', () => {
  const refuses = (field: string, ...call: Parameters<typeof applyOperator>) => {
    const result = applyOperator(...call);
    assert.ok(!result.ok, JSON.stringify(call));
    assert.equal(result.failure.code, 'invalid');
    assert.ok(result.failure.detail?.startsWith(`${field}: `), JSON.stringify([call, result.failure]));
  };
  for (const operator of OPERATORS) {
    refuses('value', operator, 'text', 'k', 1);
    if (KEYED.has(operator)) {
      refuses('key', operator, undefined, undefined, 1);
      refuses('value', operator, [1], 'k', 1);
    }
    if (NUMERIC.has(operator) || WITH_VALUE.has(operator)) refuses('value', operator, undefined, 'k', undefined);
    if (NUMERIC.has(operator)) refuses('value', operator, undefined, 'k', '1');
  }
  refuses('value', 'incr', Number.MAX_VALUE, undefined, Number.MAX_VALUE);
  refuses('value', 'mul', 9_007_199_254_740_993n, undefined, 0.5);
  refuses('value', 'hincr', { k: 0.5 }, 'k', 9_007_199_254_740_993n);
  refuses('value', 'hmul', { k: 1e308 }, 'k', 10);
  refuses('value', 'hlpush', { k: 1 }, 'k', 1);
});

test('saga:10 __proto__ is an ordinary key', () => {
  const result = applyOperator('set', {}, '__proto__', 1);
  assert.ok(result.ok && isObject(result.value.value));
  assert.deepEqual(Object.entries(result.value.value), [['__proto__', 1]]);
  const again = applyOperator('hincr', result.value.value, '__proto__', 1);
  assert.ok(again.ok && isObject(again.value.value));
  assert.deepEqual(Object.entries(again.value.value), [['__proto__', 2]]);
  assert.deepEqual(applyOperator('hincr', {}, 'constructor', 1), { ok: true, value: { value: { constructor: 1 } } });
});

/** An independent model: plain JavaScript on a mutable copy; undefined means rejected. */
function model(operator: Operator, start: Json | undefined, key: string, operand: Json): Json | undefined {
  const holder: { [key: string]: Json } = KEYED.has(operator) ? (structuredClone(start ?? {}) as { [key: string]: Json }) : {};
  if (KEYED.has(operator) && (typeof holder !== 'object' || Array.isArray(holder))) return undefined;
  if (start == null && ['rem', 'unset', 'hrem'].includes(operator)) return undefined;
  if (start == null && ['lpop', 'rpop', 'hlpop', 'hrpop'].includes(operator)) return null;
  if (operator === 'set') return { ...holder, [key]: operand };
  if (operator === 'unset') {
    delete holder[key];
    return holder;
  }
  const keyed = KEYED.has(operator);
  const current = keyed ? holder[key] : structuredClone(start);
  const act = keyed ? operator.slice(1) : operator;
  if (keyed && current == null && ['lpop', 'rpop', 'rem'].includes(act)) return holder;
  const next = ((): Json | undefined => {
    if (act === 'incr' || act === 'inrc' || act === 'mul') {
      if (typeof operand !== 'number' || (current != null && typeof current !== 'number')) return undefined;
      return act === 'mul' ? (current == null ? 0 : (current as number) * operand) : ((current as number | null) ?? 0) + operand;
    }
    const list = (current ?? []) as Json[];
    if (!Array.isArray(list)) return undefined;
    const same = (item: Json) => JSON.stringify(item) === JSON.stringify(operand);
    if (act === 'lpush') list.unshift(operand);
    if (act === 'rpush') list.push(operand);
    if (act === 'sadd' && !list.some(same)) list.push(operand);
    if (act === 'lpop') list.shift();
    if (act === 'rpop') list.pop();
    return act === 'rem' ? list.filter((item) => !same(item)) : list;
  })();
  if (next === undefined) return undefined;
  return keyed ? { ...holder, [key]: next } : next;
}

test('saga:10 operators agree with a simple model and never change their inputs', () => {
  const scalar = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom('a', 'b', null, true));
  const item: fc.Arbitrary<Json> = fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }));
  const key = fc.constantFrom('a', 'b');
  const object: fc.Arbitrary<JsonObject> = fc.dictionary(key, fc.oneof(item, fc.array(item, { maxLength: 4 })), { noNullPrototype: true });
  const value = fc.option(fc.oneof(item, fc.array(item, { maxLength: 4 }), object), { nil: undefined });
  fc.assert(
    fc.property(fc.constantFrom(...OPERATORS), value, key, item, (operator, start, name, operand) => {
      const before = JSON.stringify([start, operand]);
      const result = applyOperator(operator, start, name, operand);
      assert.equal(JSON.stringify([start, operand]), before);
      const expected = model(operator, start, name, operand);
      assert.deepEqual(
        result.ok ? JSON.parse(JSON.stringify(result.value.value)) : undefined,
        // Through JSON on both sides: the model's -0 is 0 there.
        expected === undefined ? undefined : JSON.parse(JSON.stringify(expected)),
      );
    }),
    { numRuns: 3000 },
  );
});
