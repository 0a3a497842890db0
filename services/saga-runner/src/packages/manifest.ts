/** The stored part of a package.json. Pure. */
import type { Json } from '@polyedge/query/json';
import { parseJson } from '@polyedge/query/json-text';
import { storableText } from '../storable.ts';

const MAX_CHARACTERS = 16 * 1024;
/** Levels; the store accepts some more. */
const MAX_DEPTH = 32;
/** NUL and unpaired surrogates, as `JSON.stringify` writes them: after a backslash that is not escaped itself. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** The whole package.json; of one that is too long, too deep, or that the store would reject, the name and version, with a mark. */
export function storedManifest(manifest: Readonly<Record<string, unknown>>): Json {
  const text = JSON.stringify(manifest);
  const parsed = text.length > MAX_CHARACTERS || UNSTORABLE.test(text) ? undefined : parseJson(text, MAX_DEPTH);
  if (parsed?.ok === true) return parsed.value;
  const { name, version } = manifest;
  const textOf = (value: unknown): Json => (typeof value === 'string' ? storableText(value.slice(0, 256)) : null);
  return { name: textOf(name), version: textOf(version), shortened: true };
}
