/**
 * Schemas: JSON Schema that types, validates and documents one shape. The types are those of typebox; at run time only this file and
 * `validator.ts` are loaded, because to load that library costs a third of the start of a service.
 */
import type { Static, TSchema, Type } from 'typebox';
import { type Keywords, type Validator, validatorOf } from './validator.ts';

export type { Static, TSchema };

/** Marks a schema made by `Optional`; a symbol, so that it is no part of the JSON. */
const OPTIONAL = Symbol('optional');

type Schema = Keywords & { readonly [OPTIONAL]?: true };
/** Bounds and descriptions, such as `minimum` or `description`; a keyword that no validator knows is refused when the schema is used. */
type SchemaOptions = Readonly<Record<string, unknown>>;

const builders = {
  Array: (items: Schema, options?: SchemaOptions): Schema => ({ type: 'array', items, ...options }),
  /** Not JSON Schema, but a large integer is a bigint in our processes. */
  BigInt: (options?: SchemaOptions): Schema => ({ type: 'bigint', ...options }),
  Boolean: (options?: SchemaOptions): Schema => ({ type: 'boolean', ...options }),
  Integer: (options?: SchemaOptions): Schema => ({ type: 'integer', ...options }),
  Literal: (value: string | number | boolean, options?: SchemaOptions): Schema => ({ type: typeof value, const: value, ...options }),
  Null: (options?: SchemaOptions): Schema => ({ type: 'null', ...options }),
  /** A finite number. */
  Number: (options?: SchemaOptions): Schema => ({ type: 'number', ...options }),
  /** An object; members that are not named are allowed. */
  Object: (properties: Readonly<Record<string, Schema>>, options?: SchemaOptions): Schema => {
    const required = Object.keys(properties).filter((name) => properties[name]?.[OPTIONAL] === undefined);
    return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, ...options };
  },
  /** A member that may be missing, or undefined. */
  Optional: (schema: Schema): Schema => ({ ...schema, [OPTIONAL]: true }),
  /** An object with members of any name, each with a value of this schema. */
  Record: (_name: Schema, value: Schema, options?: SchemaOptions): Schema => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  /** `minLength` and `maxLength` count code points. */
  String: (options?: SchemaOptions): Schema => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Schema[], options?: SchemaOptions): Schema => ({ anyOf, ...options }),
  Unknown: (options?: SchemaOptions): Schema => ({ ...options }),
  /** The same schema, with a type that is given instead of inferred. */
  Unsafe: (schema: Schema): Schema => schema,
};

/** Builds schemas, with the types of typebox's builders of the same names. */
// Here our plain objects get those types, which exist for the type checker only.
export const T = builders as unknown as Pick<typeof Type, keyof typeof builders>;

/** Checks unknown data against one schema, compiled once. */
export interface Check<Value> {
  readonly schema: TSchema;
  /** True when the value has the shape. */
  test(value: unknown): value is Value;
  /** The first problem of a value that failed `test`, as "/path: what is expected". Never quotes the value. */
  problem(value: unknown): string;
}

export function check<Schema extends TSchema>(schema: Schema): Check<Static<Schema>> {
  // Compiled at the first use: a process uses few of the schemas that it loads.
  let compiled: Validator | undefined;
  const validator = () => {
    compiled ??= validatorOf(schema);
    return compiled;
  };
  return {
    schema,
    test: (value): value is Static<Schema> => validator().test(value),
    problem: (value) => validator().problem(value) ?? 'does not have the expected shape',
  };
}
