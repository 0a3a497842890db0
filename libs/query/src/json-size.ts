/**
 * The approximate length of a value as JSON, in characters, without writing it: what escapes add is not counted. For estimates of memory,
 * where large texts would be copied only to be measured.
 */
export function jsonCharacters(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return value.length + 2;
    case 'object': {
      if (value === null) return 4;
      let characters = 2;
      if (Array.isArray(value)) for (const item of value) characters += jsonCharacters(item) + 1;
      // `for in` over the members makes no list of them.
      else for (const name in value) characters += name.length + 4 + jsonCharacters((value as Readonly<Record<string, unknown>>)[name]);
      return characters;
    }
    case 'bigint':
      return value.toString().length;
    case 'undefined':
      return 0;
    default:
      return 6;
  }
}
