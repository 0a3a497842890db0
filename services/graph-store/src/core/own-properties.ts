/** Access to attributes by name. Treats `__proto__` etc. as ordinary names: only own properties are read and set. */
import type { Json, JsonObject } from '@polyedge/query/json';

/** The value of an own property, or undefined. */
export const own = (object: JsonObject, name: string): Json | undefined => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Sets an own property of an object that the caller has just created. */
export function setOwn(fresh: Record<string, Json>, name: string, value: Json): void {
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
