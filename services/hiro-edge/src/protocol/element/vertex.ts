/** How HIRO shows an element: a vertex or edge object with `ogit/_` system attributes (HIRO Graph API, sample vertices). */
import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';
import { addSystemAttributes, isComputed } from './attributes.ts';
import { itemsOf, LISTS } from './lists.ts';

export { versionId } from './attributes.ts';

/** A vertex or an edge as HIRO shows it: attribute name to value, ready for JSON. */
export type Shown = Record<string, Json>;

export interface DisplayOptions {
  /** Only these attributes, and always `ogit/_id` and `ogit/_type`. Absent: all. */
  readonly fields?: readonly string[] | undefined;
  /** List attributes as `[{ value, created, key? }]` instead of JSON text. */
  readonly listMeta?: boolean | undefined;
}

/**
 * System attributes have the types of HIRO's samples. All others are strings: scalars of other protocols as their text, lists and objects
 * as JSON text; null is absent. System attributes win over stored attributes of the same name.
 */
export function toVertex(element: Element, display: DisplayOptions = {}): Shown {
  const fields = display.fields === undefined ? undefined : new Set([...display.fields, 'ogit/_id', 'ogit/_type']);
  const vertex: Shown = {};
  addSystemAttributes(element, fields, vertex);
  const { attributes } = element;
  for (const name of Object.keys(attributes)) {
    const value = attributes[name];
    if (value === null || value === undefined || name === LISTS || isComputed(name) || (fields !== undefined && !fields.has(name)))
      continue;
    put(vertex, name, shown(element, name, value, display.listMeta === true));
  }
  return vertex;
}

/** Assigning is several times faster than collecting entries, and this runs for every event; `__proto__` is an ordinary attribute. */
function put(vertex: Shown, name: string, value: Json): void {
  if (name === '__proto__') Object.defineProperty(vertex, name, { value, enumerable: true, configurable: true, writable: true });
  else vertex[name] = value;
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
