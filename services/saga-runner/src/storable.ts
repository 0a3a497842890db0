/** Values of scripts and packages in a form that the store accepts: PostgreSQL can store neither NUL nor unpaired surrogates. Pure. */
import type { Json } from '@polyedge/query/json';

/** The text with U+FFFD in place of each of them. */
export const storableText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

/** The same for all texts and names in a value. @param value nested at most as deeply as a parsed one may be */
export function storable(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(storable);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [storableText(name), storable(item)]));
}
