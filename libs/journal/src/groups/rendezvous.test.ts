import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { preferred } from './rendezvous.ts';

const members = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 20 });
const partition = fc.integer({ min: 0, max: 255 });

test('everybody who knows the same members prefers the same one, in whatever order they are listed', () => {
  fc.assert(
    fc.property(partition, members, (of, names) => {
      const one = preferred(of, names);
      assert.ok(one !== undefined && names.includes(one));
      assert.equal(preferred(of, [...names].reverse()), one);
    }),
  );
});

test('a member that joins or leaves moves only partitions to or from itself', () => {
  fc.assert(
    fc.property(partition, members, fc.string({ minLength: 21, maxLength: 30 }), (of, names, joining) => {
      const [before, after] = [preferred(of, names), preferred(of, [...names, joining])];
      assert.ok(after === before || after === joining);
    }),
  );
});

test('without members there is no preferred owner', () => {
  assert.equal(preferred(0, []), undefined);
});
