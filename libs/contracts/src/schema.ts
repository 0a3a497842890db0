/** The only file that depends on the schema library. A schema is JSON Schema: it types, validates and documents one shape. */
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/schema';

export type { Static, TSchema };
export const T = Type;

/** Checks unknown data against one schema, compiled once. */
export interface Check<Value> {
  readonly schema: TSchema;
  /** True when the value has the shape; allocates nothing. */
  test(value: unknown): value is Value;
  /** The first problem of a value that failed `test`, as "/path: what is expected". Never quotes the value. */
  problem(value: unknown): string;
}

export function check<Schema extends TSchema>(schema: Schema): Check<Static<Schema>> {
  // Compiling takes about a millisecond per schema, so it is deferred to the first use.
  let compiled: ReturnType<typeof Compile> | undefined;
  const validator = () => {
    compiled ??= Compile(schema);
    return compiled;
  };
  return {
    schema,
    test: (value): value is Static<Schema> => validator().Check(value),
    problem: (value) => {
      const first = validator().Errors(value)[1][0];
      return first === undefined ? 'does not have the expected shape' : `${first.instancePath || '/'}: ${first.message}`;
    },
  };
}
