import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedManifest } from './manifest.ts';

const NAMED = { name: 'one', version: '1.0.0' };
const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

test('saga:33 a package.json is stored as it is, also with backslashes before what looks like an escape', () => {
  for (const description of ['\\u0000', '\\\\u0000', '\\ud800', '\\\\\\ud800 \\', '\u{1f600}', 'x'.repeat(16_000)]) {
    assert.deepEqual(storedManifest({ ...NAMED, description }), { ...NAMED, description }, description);
  }
  assert.deepEqual(storedManifest({ ...NAMED, deep: nested(31) }), { ...NAMED, deep: nested(31) });
});

test('saga:33 of a package.json that cannot be stored its name and version are', () => {
  for (const description of ['\0', '\\\0', '\\\\\0', '\ud800', '\\\udfff', 'x'.repeat(17_000), nested(32), { '\0': 1 }]) {
    assert.deepEqual(storedManifest({ ...NAMED, description }), { ...NAMED, shortened: true }, JSON.stringify(description));
  }
  assert.deepEqual(storedManifest({ name: `a\0${'b'.repeat(500)}`, version: 5 }), {
    name: `a\ufffd${'b'.repeat(254)}`,
    version: null,
    shortened: true,
  });
});
