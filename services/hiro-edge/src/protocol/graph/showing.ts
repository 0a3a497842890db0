import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { type Showing, toVertex } from '../element/vertex.ts';
import type { Parameters } from '../parameters.ts';
import { parseFields } from './order.ts';

/** How the caller wants elements shown. */
export function showingOf(parameters: Parameters): Showing {
  return { fields: parseFields(parameters.value('fields')), listMeta: parameters.flag('listMeta', 'list_meta') };
}

/** An element as it leaves the edge: what `toVertex` makes is ready for JSON. */
export const shown = (element: Element, showing: Showing): Json => toVertex(element, showing) as { readonly [name: string]: Json };
