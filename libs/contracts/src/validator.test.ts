import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Type } from 'typebox';
import { Compile } from 'typebox/schema';
import { catalogue } from './catalogue.ts';
import { check, T, type TSchema } from './schema.ts';
import { type Keywords, validatorOf } from './validator.ts';
import { eventsMessage, frameId, graphRequest, graphResponse, hiroEvent } from './wire/hiro.ts';

const schemas: readonly TSchema[] = [
  ...Object.values(catalogue).flatMap((channel) =>
    channel.kind === 'request' ? [channel.request.schema, channel.reply.schema] : [channel.body.schema],
  ),
  ...[eventsMessage, frameId, graphRequest, graphResponse, hiroEvent].map(({ schema }) => schema),
];

const lengths = (minimum = 0, maximum = minimum + 3) => ({ min: minimum, max: Math.min(maximum, minimum + 3) });

const UNIT = fc.constantFrom('a', ' ', '\n', 'é', '😀', '\ud800');

/** Values that satisfy a schema. */
function valid(schema: Keywords): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valid));
  const { min: minLength, max: maxLength } = lengths(schema.minLength, schema.maxLength);
  const { min: minItems, max: maxItems } = lengths(schema.minItems, schema.maxItems);
  const { minimum = -5, maximum = minimum + 10 } = schema;
  switch (schema.type) {
    case 'array':
      return fc.array(valid(schema.items ?? {}), { minLength: minItems, maxLength: maxItems });
    case 'bigint':
      return fc.bigInt();
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: minimum, max: maximum });
    case 'null':
      return fc.constant(null);
    case 'number':
      return fc.double({ min: minimum, max: maximum, noNaN: true });
    case 'object': {
      const [each] = Object.values(schema.patternProperties ?? {});
      if (each !== undefined) return fc.dictionary(fc.string({ unit: fc.constantFrom('a', '/', '~') }), valid(each), { maxKeys: 3 });
      const members = Object.entries(schema.properties ?? {}).map(([name, property]) => [name, valid(property)]);
      const shape: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(members);
      return fc.record(shape, { requiredKeys: [...(schema.required ?? [])] });
    }
    case 'string':
      return schema.pattern === undefined
        ? fc.string({ unit: UNIT, minLength, maxLength })
        : fc.stringMatching(new RegExp(schema.pattern), { maxLength: 64 });
    default:
      return fc.constantFrom(null, 1, 'text', { a: [1n] });
  }
}

const ODD = [
  undefined,
  null,
  true,
  -1,
  0,
  1.5,
  1e300,
  Number.NaN,
  1n,
  '',
  'x',
  '\ud800',
  '😀'.repeat(300),
  'x'.repeat(600),
  [],
  [[]],
  {},
  { a: 1 },
];

/** The value with another one at a place to which `way` leads, or without that place. */
function spoil(value: unknown, way: readonly number[], odd: unknown, remove: boolean): unknown {
  const [step, ...rest] = way;
  if (step === undefined || typeof value !== 'object' || value === null) return odd;
  const names = Object.keys(value);
  const name = names[step % Math.max(names.length, 1)];
  if (name === undefined) return odd;
  const entries = Object.entries(value).flatMap(([each, part]) => {
    if (each !== name) return [[each, part]];
    return remove && rest.length === 0 ? [] : [[each, spoil(part, rest, odd, remove)]];
  });
  return Array.isArray(value) ? entries.map(([, part]) => part) : Object.fromEntries(entries);
}

/** Says how both judge values, and fails where they differ. */
function comparison(schema: TSchema): (value: unknown) => boolean {
  const own = validatorOf(schema);
  const reference = Compile(schema);
  return (value) => {
    const right = reference.Check(value);
    assert.equal(own.test(value), right, inspect({ schema, value }));
    const [first] = reference.Errors(value)[1];
    assert.equal(own.problem(value), first === undefined ? undefined : `${first.instancePath || '/'}: ${first.message}`);
    return right;
  };
}

test('every keyword means what it means to typebox, in the same words', () => {
  const closed = { additionalProperties: false };
  const small: readonly TSchema[] = [
    ...[
      T.String(),
      T.String({ minLength: 2 }),
      T.String({ maxLength: 3 }),
      T.String({ pattern: '^x+$' }),
      T.Unknown(),
      T.BigInt(),
      T.Null(),
    ],
    ...[T.Integer(), T.Integer({ minimum: 0 }), T.Integer({ maximum: 0 }), T.Number(), T.Number({ minimum: 1, maximum: 2 }), T.Boolean()],
    ...[T.Array(T.Unknown()), T.Array(T.String(), { minItems: 1, maxItems: 2 }), T.Record(T.String(), T.Unknown())],
    ...[T.Record(T.String(), T.Integer()), T.Literal('x'), T.Literal(1), T.Literal(true), T.Union([T.Literal('x'), T.Integer()])],
    ...[
      T.Object({}),
      T.Object({ a: T.Unknown() }),
      T.Object({ a: T.Optional(T.Integer()) }),
      T.Object({ a: T.Integer(), b: T.Null() }, closed),
    ],
  ];
  const values = [
    ...ODD,
    1,
    'xx',
    'xxxx',
    '😀',
    '😀😀',
    '😀😀😀',
    '😀😀😀😀',
    2,
    3,
    Number.POSITIVE_INFINITY,
    false,
    ['x'],
    ['x', 'x', 'x'],
  ];
  const objects = [{ a: 1, b: null }, { a: 1, b: null, c: 1 }, { a: null }, { a: 'x' }, { b: 1 }, { a: undefined }];
  for (const schema of small) {
    const judged = [...values, ...objects].map(comparison(schema));
    assert.ok(judged.includes(true));
    const within = comparison(T.Object({ 'in/it': T.Array(T.Union([T.Unsafe(schema), T.Literal('other')])) }));
    for (const value of [...values, ...objects]) within({ 'in/it': [value] });
  }
});

test('values of every schema of the bus and of HIRO are judged as typebox judges them', () => {
  const ways = fc.array(fc.nat(20), { maxLength: 5 });
  const someOdd = fc.shuffledSubarray(ODD, { minLength: 4, maxLength: 4 });
  let refused = 0;
  for (const schema of schemas) {
    const accepts = comparison(schema);
    fc.assert(
      fc.property(valid(schema), ways, someOdd, fc.boolean(), (value, way, some, remove) => {
        assert.ok(accepts(value), inspect(value));
        for (const odd of some) if (!accepts(spoil(value, way, odd, remove))) refused += 1;
      }),
      { numRuns: 2 },
    );
  }
  assert.ok(refused > schemas.length, `${refused} values were refused`);
});

test('the builders make the JSON Schema of those of typebox', () => {
  const made = (t: typeof T) => {
    const text = t.String({ minLength: 1, maxLength: 2, pattern: '^a', description: 'text' });
    const parts = [t.Array(text, { maxItems: 3 }), t.BigInt(), t.Boolean(), t.Literal('a'), t.Literal(1), t.Literal(true), t.Null()];
    const numbers = [t.Integer({ minimum: 1 }), t.Number({ maximum: 5 }), t.Unknown(), t.Record(t.String(), t.Optional(text))];
    return t.Object(
      {
        ...{ all: t.Union([...parts, ...numbers], { title: 'all' }), none: t.Object({}), loose: t.Object({ a: t.Optional(text) }) },
        ...{ kept: t.Unsafe<string>(t.Optional(text)), unsafe: t.Optional(t.Unsafe<string>(text)), required: t.Unsafe<string>(text) },
      },
      { description: 'whole' },
    );
  };
  assert.equal(JSON.stringify(made(T)), JSON.stringify(made(Type)));
});

test('a member that may be missing may be undefined, and a required one of any value may not be missing', () => {
  const { test: accepts } = check(T.Object({ any: T.Unknown(), text: T.Optional(T.String()) }));
  assert.deepEqual([{ any: undefined, text: undefined }, { any: 1 }, { text: 'a' }, { any: 1, text: null }].map(accepts), [
    true,
    true,
    false,
    false,
  ]);
});

test('every member of a record is judged, whatever its name', () => {
  const { test: accepts, problem } = check(T.Record(T.String(), T.Integer()));
  assert.ok(accepts({ 'a\nb': 1 }));
  // Those of typebox leave out a name with a line break.
  assert.ok(!accepts({ 'a\nb': 'x' }));
  assert.equal(problem({ 'a/~\n': 'x' }), '/a~1~0\n: must be integer');
});

test('a keyword that would not be validated is refused', () => {
  assert.throws(() => check(T.String({ format: 'email' })).test('a'), /no validator for this format/);
  assert.throws(() => check(T.Object({ a: T.Array(T.String(), { uniqueItems: true }) })).test({}), /no validator for this uniqueItems/);
  assert.throws(() => validatorOf({ type: 'symbol' }), /no validator for this type/);
});

test('a problem says where and what is expected, and has nothing of the value', () => {
  const shape = check(T.Object({ list: T.Array(T.String({ maxLength: 3 })), kind: T.Union([T.Literal('a'), T.Literal('b')]) }));
  assert.equal(shape.problem({ list: ['abc', 'secret'], kind: 'a' }), '/list/1: must not have more than 3 characters');
  assert.equal(shape.problem({ list: [], kind: 'secret' }), '/kind: must be equal to constant');
  assert.equal(shape.problem({}), '/: must have required properties list, kind');
});
