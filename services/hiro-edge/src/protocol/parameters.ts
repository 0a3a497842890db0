import { isNumber, type Json, type JsonObject } from '@polyedge/query/json';

/**
 * The parameters of a request, parsed as leniently as HIRO's clients require: each is looked up in `headers` first and then in `body`
 * (hiro-graph-js 7.5 sends headers, 6.1 bodies); booleans are `true` or the exact text `true`; integers may be decimal texts with leading
 * zeros; `false`, `null`, `''` and `[]` mean absent. The first invalid value is kept in `problem`.
 */
export class RequestParameters {
  readonly #places: readonly Readonly<Record<string, unknown>>[];
  #problem: string | undefined;

  constructor(...places: readonly (Readonly<Record<string, unknown>> | null | undefined)[]) {
    this.#places = places.filter((place) => place !== null && place !== undefined);
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  text(name: string, ...aliases: readonly string[]): string | undefined {
    const value = this.#find(name, aliases);
    if (value === undefined || typeof value === 'string') return value;
    if (isNumber(value) || typeof value === 'boolean') return String(value);
    return this.#refuse(name, 'a text');
  }

  flag(name: string, ...aliases: readonly string[]): boolean {
    const value = this.#find(name, aliases);
    return value === true || value === 'true';
  }

  integer(name: string, ...aliases: readonly string[]): number | undefined {
    const value = this.#find(name, aliases);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^-?\d{1,17}$/.test(value.trim()) ? Number(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) ? number : this.#refuse(name, 'an integer');
  }

  /** Texts, from a list or a comma-separated text. Duplicates and order are preserved. */
  texts(name: string, ...aliases: readonly string[]): readonly string[] | undefined {
    const value = this.#find(name, aliases);
    if (value === undefined) return undefined;
    const parts: readonly unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value];
    const texts: string[] = [];
    for (const part of parts) {
      if (typeof part !== 'string' && !isNumber(part)) return this.#refuse(name, 'a text or a list of texts');
      const text = String(part).trim();
      if (text !== '') texts.push(text);
    }
    return texts;
  }

  /** The raw value, for parameters with their own lenient parser. */
  value(name: string, ...aliases: readonly string[]): unknown {
    return this.#find(name, aliases);
  }

  #find(name: string, aliases: readonly string[]): unknown {
    for (const place of this.#places) {
      for (const key of [name, ...aliases]) {
        if (!Object.hasOwn(place, key)) continue;
        const value = place[key];
        if (value === undefined || value === null || value === false || value === '') continue;
        if (Array.isArray(value) && value.length === 0) continue;
        return value;
      }
    }
    return undefined;
  }

  #refuse(name: string, expected: string): undefined {
    this.#problem ??= `${name} is not ${expected}`;
    return undefined;
  }
}

/** The value if it is a JSON object. It was parsed, so its members are JSON. */
export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as { readonly [key: string]: Json }) : undefined;
}
