import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonCharacters } from './json-size.ts';

test('the length of a value as JSON is estimated: closely for long texts, within a factor of six for everything', () => {
  const text = 'x'.repeat(100_000);
  const change = { seq: 7, state: { attributes: { a: text, b: [1, null, true], c: 2n ** 70n } } };
  assert.ok(Math.abs(jsonCharacters(change) - JSON.stringify(change).length) < 50);
  const escaped = fc.constantFrom('\u0000', '"', '\ud800', 'é').map((character) => character.repeat(20));
  const values = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });
  fc.assert(
    fc.property(fc.oneof(values, fc.array(escaped)), (value) => {
      const [estimated, exact] = [jsonCharacters(value), JSON.stringify(value).length];
      assert.ok(exact <= 6 * estimated && estimated <= 6 * exact, `${estimated} for ${exact}`);
    }),
  );
});
