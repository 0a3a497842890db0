import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFalsy, readObject, stringOf } from './json-source.ts';

/** JSON texts with surrounding white space. */
const spaced = fc.tuple(fc.json(), fc.constantFrom('', ' ', '\n\t', '\r\n ')).map(([text, space]) => `${space}${text}${space}`);

test('accepts an object exactly when JSON.parse does, except for what the original rejects', () => {
  const almost = fc.oneof(
    spaced,
    fc.string(),
    fc.tuple(spaced, fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, more]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + more + text.slice(cut + 1);
    }),
  );
  fc.assert(
    fc.property(almost, (text) => {
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        parsed = undefined;
      }
      const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
      const inRange = !/\d[eE]\+?\d{3}/.test(text);
      if (!isObject) assert.equal(readObject(text), undefined);
      else if (inRange) assert.notEqual(readObject(text), undefined);
    }),
    { numRuns: 1000 },
  );
});

test('the members, in order and as written, form the same object', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
      const text = JSON.stringify(object, null, 1);
      const members = readObject(text);
      if (members === undefined) return false;
      assert.deepEqual(
        members.map(({ key }) => key),
        Object.keys(JSON.parse(text)),
      );
      assert.deepEqual(JSON.parse(`{${members.map((member) => member.text).join(',')}}`), JSON.parse(text));
      for (const { key, value } of members) {
        const plain: unknown = JSON.parse(value.text);
        assert.equal(value.kind, kindOf(plain));
        if (typeof plain === 'string') assert.equal(stringOf(value), plain);
        assert.equal(isFalsy(value), isEmpty(plain), key);
      }
      return true;
    }),
  );
});

test('nesting is bounded, and a long text is scanned once', () => {
  const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  assert.notEqual(readObject(nested(1000)), undefined);
  assert.equal(readObject(nested(1100)), undefined);
  assert.equal(readObject(nested(1_000_000)), undefined);
  const before = process.threadCpuUsage();
  assert.notEqual(readObject(`{"a":"${'x'.repeat(8_000_000)}"}`), undefined);
  assert.ok(process.threadCpuUsage(before).user < 2_000_000, 'at most two seconds of CPU');
});

function kindOf(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'array' : typeof value;
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === null || value === false || value === 0 || value === '';
}
