/**
 * List attributes (HIRO List API). A list is stored as what other protocols expect, a plain list of strings under its own name; who
 * added which element when stands beside all lists in one attribute, `hiro/lists`, which HIRO does not show. An attribute named
 * there stays a list when somebody writes a single value to it, as the List API wants, without anybody reading it first.
 */
import type { Element } from '@polyedge/contracts/element';
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';

/** Where the elements' times and keys are kept: attribute name to the list of its items. */
export const LISTS = 'hiro/lists';

export interface ListItem {
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly key?: string;
}

/** Adding to or removing from a list: what `+attr` and `-attr` ask for. */
export type ListEdit =
  | { readonly attribute: string; readonly do: 'add'; readonly items: readonly ListItem[] }
  | { readonly attribute: string; readonly do: 'remove'; readonly items: readonly Removal[] };

/** Removes the elements with this key, else those with this value. */
export interface Removal {
  readonly key?: string;
  readonly value?: string;
}

/** The items of a list attribute; undefined if the attribute is absent or no list. Items that other protocols wrote have no key. */
export function itemsOf(element: Element, name: string): readonly ListItem[] | undefined {
  const value = Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined;
  if (value === undefined || value === null) return undefined;
  const kept = keptOf(element, name);
  if (!isList(value)) return kept === undefined ? undefined : [itemOf(value, kept[0], element)];
  return value.map((entry, at) => itemOf(entry, kept?.[at], element));
}

/** The items as they are kept in `LISTS`. */
export function toKept(items: readonly ListItem[]): Json {
  return items.map(({ value, created, key }) => ({ value, created, ...(key !== undefined && { key }) }));
}

/**
 * `set` and `put` of an update that carries the edits out on this element. They are worth nothing on another version of it: send them with
 * the element's `version` as guard. Adding an item whose key is taken replaces that item where it stands.
 */
export function editLists(
  element: Element,
  edits: readonly ListEdit[],
): { set: JsonObject; put: { path: string[]; value: JsonObject[string] }[] } {
  const lists = new Map<string, readonly ListItem[]>();
  for (const edit of edits) {
    const items = lists.get(edit.attribute) ?? itemsOf(element, edit.attribute) ?? singleOf(element, edit.attribute);
    lists.set(edit.attribute, edit.do === 'add' ? add(items, edit.items) : items.filter((item) => !edit.items.some(removes(item))));
  }
  return {
    // fromEntries defines keys, so `__proto__` stays an attribute.
    set: Object.fromEntries([...lists].map(([name, items]) => [name, items.map(({ value }) => value)])),
    put: [...lists].map(([name, items]) => ({ path: [LISTS, name], value: toKept(items) })),
  };
}

function add(items: readonly ListItem[], added: readonly ListItem[]): readonly ListItem[] {
  const result = [...items];
  for (const item of added) {
    const at = item.key === undefined ? -1 : result.findIndex(({ key }) => key === item.key);
    if (at < 0) result.push(item);
    else result[at] = item;
  }
  return result;
}

const removes =
  (item: ListItem) =>
  ({ key, value }: Removal): boolean =>
    key === undefined ? item.value === value : item.key === key;

function singleOf(element: Element, name: string): readonly ListItem[] {
  const value = Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined;
  return value === undefined || value === null ? [] : [itemOf(value, undefined, element)];
}

/** The kept item counts only while its value is still the one that stands in the list: other protocols do not know of it. */
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
