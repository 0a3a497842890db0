import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { type DisplayOptions, toVertex } from '../element/vertex.ts';
import type { Parameters } from '../parameters.ts';
import { parseFields } from './order.ts';

/** How the caller wants elements shown. */
export function displayOptionsOf(parameters: Parameters): DisplayOptions {
  return { fields: parseFields(parameters.value('fields')), listMeta: parameters.flag('listMeta', 'list_meta') };
}

/** An element as it leaves the edge: what `toVertex` makes is ready for JSON. */
export const toShownJson = (element: Element, display: DisplayOptions): Json =>
  toVertex(element, display) as { readonly [name: string]: Json };
