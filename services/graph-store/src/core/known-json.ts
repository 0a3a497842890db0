/**
 * The JSON text of values that were read from it, or written as it, before. A large value is then written again by copying: making a megabyte
 * of JSON costs a millisecond and leaves as much garbage. Values never change once they are known, so a text is right as long as its value lives.
 */
const texts = new WeakMap<object, string>();

/** Characters from which a text is kept: below, keeping costs more than making it again. */
const LARGE = 16 * 1024;

export function knowJson(value: object, json: string): void {
  if (json.length >= LARGE) texts.set(value, json);
}

/** The text of a value, if it is known. */
export const knownJson = (value: object): string | undefined => texts.get(value);
