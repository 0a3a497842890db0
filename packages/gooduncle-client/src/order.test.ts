import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { compareBy as compareByServer } from '@polyedge/query/query';
import fc from 'fast-check';
import { compareBy, type Row } from './order.ts';
import { sha256 } from './sha256.ts';

test('a password is hashed as the server expects it, whatever its length and letters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      assert.equal(sha256(text), createHash('sha256').update(text).digest('hex'));
    }),
  );
  for (const length of [0, 55, 56, 63, 64, 65, 119, 120, 128, 5000]) {
    const text = 'x'.repeat(length);
    assert.equal(sha256(text), createHash('sha256').update(text).digest('hex'), `${length} characters`);
  }
});

const value = fc.oneof(
  fc.constantFrom(
    null,
    undefined,
    true,
    false,
    0,
    1,
    -1.5,
    10,
    'a',
    'b',
    'B',
    '',
    '\ud83d\ude00',
    '\uffee',
    'x'.repeat(300),
    'x'.repeat(301),
  ),
  fc.constant([1]),
  fc.record({ deep: fc.constantFrom<unknown>(1, 2, 'x', null, [2]) }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 53n + 3n }),
);
const fields = fc.record({ a: value, b: value }, { requiredKeys: [] });

test("rows are in the server's order", () => {
  const sorts = [['a'], ['-a', 'b'], ['a.deep', '-id'], ['-b.deep', '-a'], []];
  fc.assert(
    fc.property(
      fc.constantFrom(...sorts),
      fields,
      fields,
      fc.constantFrom('k', 'l', '\uffee'),
      fc.constantFrom('k', '\ud83d\ude00'),
      (sort, left, right, leftId, rightId) => {
        const steps = sort.map((step) => {
          const name = step.replace(/^-/, '');
          return {
            path: name === 'id' ? ['id'] : ['attributes', ...name.split('.')],
            order: step.startsWith('-') ? 'desc' : 'asc',
          } as const;
        });
        // The order looks at ids and attributes only.
        const documents = [
          { id: leftId, attributes: left },
          { id: rightId, attributes: right },
        ] as unknown as Parameters<ReturnType<typeof compareByServer>>;
        const ours = compareBy(sort)({ ...left, id: leftId } as Row, { ...right, id: rightId } as Row);
        assert.equal(Math.sign(ours), Math.sign(compareByServer(steps)(...documents)));
      },
    ),
    { numRuns: 3000 },
  );
});
