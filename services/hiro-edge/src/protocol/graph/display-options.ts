import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { type DisplayOptions, toVertex } from '../element/vertex.ts';
import type { RequestParameters } from '../parameters.ts';
import { parseFields } from './order.ts';

/** The requested form of elements. */
export function displayOptionsOf(parameters: RequestParameters): DisplayOptions {
  return { fields: parseFields(parameters.value('fields')), listMeta: parameters.flag('listMeta', 'list_meta') };
}

/** An element as sent to clients: the result of `toVertex` is JSON. */
export const toShownJson = (element: Element, display: DisplayOptions): Json =>
  toVertex(element, display) as { readonly [name: string]: Json };
