/** List attributes (HIRO List API). */
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';

export interface ListItem {
  readonly value: string;
  readonly created: number;
  readonly key?: string;
}

/** Adding to or removing from a list: what `+attr` and `-attr` ask for. */
export type ListEdit =
  | { readonly attribute: string; readonly do: 'add'; readonly items: readonly ListItem[] }
  | { readonly attribute: string; readonly do: 'remove'; readonly items: readonly { readonly key?: string; readonly value?: string }[] };

/** `set` and `put` of an update that carries the edits out on this element; send it with the element's `version` as guard. */
export function editLists(
  _element: Element,
  _edits: readonly ListEdit[],
): { set: JsonObject; put: { path: string[]; value: JsonObject[string] }[] } {
  return { set: {}, put: [] };
}
