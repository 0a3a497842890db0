import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { covers, type Interest, interestKey, interestName, keysOf } from './interest.ts';

const word: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'a\0b', 'type', '', 'ä"');
const interest: fc.Arbitrary<Interest> = fc.oneof(
  fc.record({ tenant: word }),
  fc.record({ tenant: word, type: word }),
  fc.record({ tenant: word, owner: word }),
);
const change = fc.record({ tenant: word, type: word, owners: fc.array(word, { maxLength: 4 }) });

test('two interests have the same name exactly if they are equal', () => {
  fc.assert(
    fc.property(interest, interest, (one, other) => {
      const equal = JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
      assert.equal(interestName(one) === interestName(other), equal);
    }),
  );
});

test('a change announces the key of every interest that covers it', () => {
  fc.assert(
    fc.property(interest, change, (wanted, happened) => {
      if (covers(wanted, happened)) assert.ok(keysOf(happened).includes(interestKey(wanted)));
    }),
  );
});

test('an interest covers only changes of its tenant, and of its type or owner', () => {
  fc.assert(
    fc.property(interest, change, (wanted, happened) => {
      const expected =
        wanted.tenant === happened.tenant &&
        (!('type' in wanted) || wanted.type === happened.type) &&
        (!('owner' in wanted) || happened.owners.includes(wanted.owner));
      assert.equal(covers(wanted, happened), expected);
    }),
  );
});

test('keys are unsigned 32-bit numbers and stable', () => {
  fc.assert(
    fc.property(interest, (wanted) => {
      const key = interestKey(wanted);
      assert.ok(Number.isInteger(key) && key >= 0 && key <= 0xffffffff);
      assert.equal(interestKey({ ...wanted }), key);
    }),
  );
});
