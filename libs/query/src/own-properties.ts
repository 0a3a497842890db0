/** Access to members by name. Treats `__proto__` etc. as ordinary names: only own properties are read and set. */
import { isObject, type Json, type JsonObject } from './json.ts';

/** The value of an own property, or undefined. */
export const own = (object: JsonObject, name: string): Json | undefined => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Sets an own property of an object that the caller has just created. */
export function setOwn<Value>(fresh: Record<string, Value>, name: string, value: Value): void {
  if (name === '__proto__') Object.defineProperty(fresh, name, { value, enumerable: true, configurable: true, writable: true });
  else fresh[name] = value;
}

/** A copy with one property set. */
export function withOwn(object: JsonObject, name: string, value: Json): JsonObject {
  const copy: Record<string, Json> = { ...object };
  setOwn(copy, name, value);
  return copy;
}

/** A copy without one property. */
export function withoutOwn(object: JsonObject, name: string): JsonObject {
  const copy: Record<string, Json> = { ...object };
  delete copy[name];
  return copy;
}

/**
 * `object` with `value` at `path`; undefined if the path is empty, or something on it is neither missing nor an object. An object is copied before
 * its first change only: it may have tens of thousands of members, and be changed as often.
 * @param copies the objects that may be changed, to which copies are added
 */
export function putInto(object: JsonObject, path: readonly string[], value: Json, copies: Set<JsonObject>): JsonObject | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return undefined;
  const inner = own(object, name) ?? {};
  const changed = rest.length === 0 ? value : isObject(inner) ? putInto(inner, rest, value, copies) : undefined;
  if (changed === undefined) return undefined;
  const copy: Record<string, Json> = copies.has(object) ? (object as Record<string, Json>) : { ...object };
  copies.add(copy);
  setOwn(copy, name, changed);
  return copy;
}
