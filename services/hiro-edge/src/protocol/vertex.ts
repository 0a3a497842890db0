/** How HIRO shows an element: a vertex or edge object with `ogit/_` system attributes (HIRO Graph API, sample vertices). */
import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';
import { isComputed, systemAttributes } from './attributes.ts';
import { itemsOf, LISTS } from './lists.ts';

export { versionId } from './attributes.ts';

/** A vertex or an edge as HIRO shows it: attribute name to value, ready for JSON. */
export type Shown = Record<string, Json>;

export interface Showing {
  /** Only these attributes; `ogit/_id` and `ogit/_type` always come. Absent: all. */
  readonly fields?: readonly string[] | undefined;
  /** List attributes as `[{ value, created, key? }]` instead of JSON text. */
  readonly listMeta?: boolean | undefined;
}

/**
 * System attributes have the types of HIRO's samples. All others are strings: scalars of other protocols as their text, lists and objects
 * as JSON text; null is absent. System attributes win over stored attributes of the same name.
 */
export function toVertex(element: Element, showing: Showing = {}): Shown {
  const fields = showing.fields === undefined ? undefined : new Set([...showing.fields, 'ogit/_id', 'ogit/_type']);
  const entries: [string, Json][] = [];
  for (const [name, value] of systemAttributes(element)) {
    if (fields === undefined || fields.has(name)) entries.push([name, value]);
  }
  for (const [name, value] of Object.entries(element.attributes)) {
    if (value === null || name === LISTS || isComputed(name) || (fields !== undefined && !fields.has(name))) continue;
    entries.push([name, shown(element, name, value, showing.listMeta === true)]);
  }
  // fromEntries defines keys, so `__proto__` stays an attribute.
  return Object.fromEntries(entries);
}

function shown(element: Element, name: string, value: Json, listMeta: boolean): Json {
  const items = itemsOf(element, name);
  if (items === undefined) {
    // Attributes of HIRO's own namespace keep their types, for example the size of a blob.
    return name.startsWith('ogit/_') && typeof value !== 'object' ? value : (textOf(value) ?? JSON.stringify(value));
  }
  if (listMeta) return items.map((item) => ({ ...item }));
  return JSON.stringify(Array.isArray(value) ? value : items.map((item) => item.value));
}
