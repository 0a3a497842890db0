/**
 * Caches the JSON text of values that were parsed from it or written as it. A large value is then written again by copying: serializing a
 * megabyte takes a millisecond and leaves as much garbage. Values are immutable once cached, so a text stays valid as long as its value
 * exists.
 */
const texts = new WeakMap<object, string>();

/** Minimum length of cached texts: below it, caching costs more than serializing again. */
export const LARGE_TEXT = 16 * 1024;

export function knowJson(value: object, json: string): void {
  if (json.length >= LARGE_TEXT) texts.set(value, json);
}

/** The cached text of a value. */
export const knownJson = (value: object): string | undefined => texts.get(value);
