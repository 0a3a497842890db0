/** Any JSON value. An integer beyond ±(2^53 − 1) is a `bigint`, every other number a double (`json-text.ts`). */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;

/** A JSON object. Only own keys count; `__proto__` is a key like any other. */
export type JsonObject = { readonly [key: string]: Json };

/** Whether a JSON value is an object, that is, neither a list nor null. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a JSON value is a list. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** Whether a value is a number or a bigint. */
export function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

// JSON.stringify cannot write a bigint itself; it calls toJSON first. Defined globally so that libraries can stringify values with
// bigints too: docs/adr/0012.
Object.defineProperty(BigInt.prototype, 'toJSON', {
  value(this: bigint): unknown {
    return rawJSON(String(this));
  },
  configurable: true,
  writable: true,
});

// Part of the language since 2025; TypeScript's libraries do not have it yet.
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };
