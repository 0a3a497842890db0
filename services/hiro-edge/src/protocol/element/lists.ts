/**
 * List attributes (HIRO List API). A list is stored under its own name as a plain list of strings, as other protocols expect; the times and
 * keys of all lists are stored in one attribute, `hiro/lists`, which HIRO does not show. An attribute listed there remains a list when a
 * single value is written to it, as the List API requires, without a read before the write.
 */
import type { Element } from '@polyedge/contracts/element';
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';

/** The attribute with the times and keys of elements: attribute name to the list of its items. */
export const LISTS = 'hiro/lists';

export interface ListItem {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly key?: string;
}

/** Adds to or removes from a list: the `+attr` and `-attr` of requests. */
export type ListEdit =
  | { readonly attribute: string; readonly do: 'add'; readonly items: readonly ListItem[] }
  | { readonly attribute: string; readonly do: 'remove'; readonly items: readonly Removal[] };

/** Removes the elements with this key; if there are none, those with this value. */
export interface Removal {
  readonly key?: string;
  readonly value?: string;
}

/** The items of a list attribute; undefined if it is absent or no list. Items written by other protocols have no key. */
export function itemsOf(element: Element, name: string): readonly ListItem[] | undefined {
  const value = Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined;
  if (value === undefined || value === null) return undefined;
  const kept = keptOf(element, name);
  if (!isList(value)) return kept === undefined ? undefined : [itemOf(value, kept[0], element)];
  return value.map((entry, at) => itemOf(entry, kept?.[at], element));
}

/** The items in the form of `LISTS`. */
export function toKept(items: readonly ListItem[]): Json {
  return items.map(({ value, created, key }) => ({ value, created, ...(key !== undefined && { key }) }));
}

/**
 * The `set` and `put` of an update that applies the edits to this element. They are valid for this version only: send them with the
 * element's `version` as a guard. Adding an item with an existing key replaces that item in place.
 */
export function editLists(
  element: Element,
  edits: readonly ListEdit[],
): { set: JsonObject; put: { path: string[]; value: JsonObject[string] }[] } {
  const lists = new Map<string, readonly ListItem[]>();
  for (const edit of edits) {
    const items = lists.get(edit.attribute) ?? itemsOf(element, edit.attribute) ?? singleOf(element, edit.attribute);
    lists.set(edit.attribute, edit.do === 'add' ? add(items, edit.items) : remove(items, edit.items));
  }
  return {
    // fromEntries defines keys, so `__proto__` stays an attribute.
    set: Object.fromEntries([...lists].map(([name, items]) => [name, items.map(({ value }) => value)])),
    put: [...lists].map(([name, items]) => ({ path: [LISTS, name], value: toKept(items) })),
  };
}

function add(items: readonly ListItem[], added: readonly ListItem[]): readonly ListItem[] {
  const result = [...items];
  // Both may have tens of thousands of items.
  const places = new Map<string, number>();
  for (const [at, { key }] of result.entries()) if (key !== undefined && !places.has(key)) places.set(key, at);
  for (const item of added) {
    const at = item.key === undefined ? undefined : places.get(item.key);
    if (at !== undefined) {
      result[at] = item;
      continue;
    }
    if (item.key !== undefined) places.set(item.key, result.length);
    result.push(item);
  }
  return result;
}

function remove(items: readonly ListItem[], removed: readonly Removal[]): readonly ListItem[] {
  const [keys, values] = [new Set<string>(), new Set<string>()];
  for (const { key, value } of removed) {
    if (key !== undefined) keys.add(key);
    else if (value !== undefined) values.add(value);
  }
  return items.filter((item) => !values.has(item.value) && (item.key === undefined || !keys.has(item.key)));
}

function singleOf(element: Element, name: string): readonly ListItem[] {
  const value = Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined;
  return value === undefined || value === null ? [] : [itemOf(value, undefined, element)];
}

/** The stored item counts only if its value is still in the list, because other protocols write lists without it. */
function itemOf(value: Json, kept: Json | undefined, element: Element): ListItem {
  const text = textOf(value) ?? JSON.stringify(value);
  if (isObject(kept) && kept.value === text && typeof kept.created === 'number') {
    const { key } = kept;
    return { value: text, created: kept.created, ...(typeof key === 'string' && { key }) };
  }
  return { value: text, created: element.modified.on };
}

function keptOf({ attributes }: Element, name: string): readonly Json[] | undefined {
  const lists = Object.hasOwn(attributes, LISTS) ? attributes[LISTS] : undefined;
  const kept = isObject(lists) && Object.hasOwn(lists, name) ? lists[name] : undefined;
  return isList(kept) ? kept : undefined;
}
