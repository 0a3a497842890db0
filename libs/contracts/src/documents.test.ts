/** Checks that the documents generated from the channels and the error catalogue are valid and up to date. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import schema from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' };
import { Ajv } from 'ajv';
import { asyncApi } from './asyncapi.ts';
import { catalogue } from './catalogue.ts';
import { errors } from './errors.ts';
import { differences, lockOf } from './lock.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('the catalogue has the channels of every file in bus/, each address once', async () => {
  const files = readdirSync(join(import.meta.dirname, 'bus')).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  for (const file of files) {
    const exported: Record<string, unknown> = await import(`./bus/${file}`);
    for (const [name, value] of Object.entries(exported)) {
      if (typeof value === 'object' && value !== null && 'address' in value) assert.equal(catalogue[name], value, `${file}: ${name}`);
    }
  }
  const addresses = Object.values(catalogue).map(({ address }) => address);
  assert.equal(new Set(addresses).size, addresses.length);
});

test('docs/asyncapi/bus.json matches the channels (else run node tools/asyncapi.ts)', () => {
  assert.deepEqual(JSON.parse(read('docs/asyncapi/bus.json')), JSON.parse(JSON.stringify(asyncApi(catalogue))));
});

test('the document of the bus is valid AsyncAPI 3, and one with a wrong operation is not', () => {
  // The bundle brings its own copy of the draft-07 schema.
  const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false, logger: false });
  const validate = ajv.compile(schema);
  const text = JSON.stringify(asyncApi(catalogue));
  assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors?.slice(0, 5)));
  assert.equal(validate(JSON.parse(text.replace('"action":"receive"', '"action":"answer"'))), false);
});

test('docs/errors.md lists exactly the error catalogue', () => {
  const rows = read('docs/errors.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.deepEqual(
    rows,
    Object.entries(errors).map(([code, { text, retry }]) => `| \`${code}\` | ${text} | ${retry} |`),
  );
});

test('the contract lock matches the channels (else run node tools/contract-lock.ts, which explains the difference)', () => {
  const found = differences(JSON.parse(read('libs/contracts/contract-lock.json')), lockOf(catalogue));
  const sentences = found.map(({ address, compatible, what }) => `${address}: ${what} (${compatible ? 'compatible' : 'INCOMPATIBLE'})`);
  assert.deepEqual(sentences, []);
});
