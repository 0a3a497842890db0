import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import type { Json, JsonObject } from '@polyedge/query/json';
import { Schemas } from './schema.ts';

const stamp = { on: 1, by: 'anna', app: 'test' };
const holder = (schema: Json, version = 1): Element => ({
  tenant: 'acme',
  id: 's',
  kind: 'vertex',
  type: 'saga/Schema',
  scope: 'main',
  attributes: { schema },
  version,
  seq: version,
  created: stamp,
  modified: stamp,
  deleted: false,
});
const problem = (schema: Json, value: Json): string | undefined => {
  const outcome = new Schemas().check(holder(schema), 'schema', value);
  return outcome.ok ? undefined : outcome.failure.detail;
};

test('saga:28 a value satisfies its schema or is rejected with the place and without the value', () => {
  const schema = {
    $id: 'https://example.org/x',
    type: 'object',
    properties: { a: { $ref: '#/definitions/n' } },
    definitions: { n: { type: 'number' } },
  };
  assert.equal(problem(schema, { a: 1 }), undefined);
  assert.equal(problem(schema, { a: 'secret' }), 'schema: /a must be number');
  assert.equal(problem(false, 1)?.startsWith('schema: '), true);
  assert.equal(problem(null, 1), undefined);
  assert.equal(problem({ type: 'string', format: 'email' }, 'no address'), undefined);
  assert.equal(
    problem({ uniqueItems: true }, [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ]),
    'schema:  must NOT have duplicate items',
  );
});

test('schemas that could take forever, refer outside or cannot be compiled are rejected', () => {
  const doubling: JsonObject = Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [
      `d${at}`,
      { allOf: [{ $ref: `#/definitions/d${at + 1}` }, { $ref: `#/definitions/d${at + 1}` }] },
    ]),
  );
  const refused: Json[] = [
    { type: 'string', pattern: '(a' },
    { type: 'string', pattern: '(?=a)' },
    { type: 'string', pattern: '(a)\\1' },
    { patternProperties: { 'x{9999}': {} } },
    { items: Array.from({ length: 20 }, () => ({ pattern: 'a{900}' })) },
    { $ref: 'https://example.org/other' },
    { $ref: '#' },
    { anyOf: [{ $ref: '#/anyOf/0' }] },
    { properties: { a: { $ref: '#/properties/a' } } },
    { $ref: '#/nowhere' },
    { $ref: '#/definitions/d0', definitions: { ...doubling, d40: true } },
    { $async: true },
    { properties: { a: { maximum: { $data: '1/b' } } } },
    { properties: { a: { $id: 'x' } } },
    { type: 'nonsense' },
    { $schema: 'https://json-schema.org/draft/2020-12/schema' },
    { description: 'x'.repeat(64 * 1024) },
    'text',
    [1],
  ];
  for (const schema of refused) assert.ok(problem(schema, 'a')?.startsWith('schema: '), JSON.stringify(schema).slice(0, 100));
  assert.ok(problem({ properties: { pattern: { type: 'string' } } }, {}) === undefined, 'a property may be called pattern');
});

test('saga:28 regular expressions in schemas take bounded time', () => {
  const schema: Json = {
    properties: { code: { type: 'string', pattern: '^[A-Z]{2}\\d+$' } },
    patternProperties: { '^x-': { type: 'number' }, '(a+)+$': false },
    additionalProperties: false,
  };
  assert.equal(problem(schema, { code: 'AB12', 'x-one': 1 }), undefined);
  assert.equal(problem(schema, { code: 'ab12' }), 'schema: /code must match pattern "^[A-Z]{2}\\d+$"');
  assert.equal(problem(schema, { 'x-one': 'text' }), 'schema: /x-one must be number');
  assert.equal(problem(schema, { other: 1 })?.startsWith('schema: '), true);
  assert.equal(problem(schema, { aaaa: 1 })?.startsWith('schema: '), true);
  const before = process.threadCpuUsage();
  assert.equal(problem({ pattern: '(a+)+$' }, `${'a'.repeat(60_000)}!`), 'schema:  must match pattern "(a+)+$"');
  assert.equal(problem({ pattern: '(a|b)*a(a|b){200}c' }, 'ab'.repeat(500_000)), 'schema: checking the value takes too long');
  assert.ok(process.threadCpuUsage(before).user < 5_000_000, 'at most five seconds of CPU');
  const outcome = new Schemas();
  assert.equal(outcome.check(holder({ pattern: 'a' }), 'schema', 'b').ok, false);
  assert.equal(outcome.check(holder({ pattern: 'b' }, 2), 'schema', 'b').ok, true, 'each version has its own');
});

test('a large value is not checked against a large schema', () => {
  const schema = { items: { enum: Array.from({ length: 5000 }, (_, at) => at) } };
  const value = Array.from({ length: 5000 }, () => -1);
  assert.equal(problem(schema, value), 'schema: checking the value takes too long');
});

test('a schema is compiled once per version, and an uncommitted one is not cached', () => {
  const schemas = new Schemas();
  const ok = (schema: Json, version: number) => schemas.check(holder(schema, version), 'schema', 1).ok;
  assert.equal(ok({ type: 'number' }, 1), true);
  assert.equal(ok({ type: 'string' }, 1), true, 'the same version is the same schema');
  assert.equal(ok({ type: 'string' }, 2), false);
  assert.equal(ok({ type: 'number' }, -1), true);
  assert.equal(ok({ type: 'string' }, -1), false);
  for (let version = 3; version < 600; version += 1) ok({ type: 'number' }, version);
  assert.equal(ok({ type: 'string' }, 1), false, 'the oldest was evicted');
});
