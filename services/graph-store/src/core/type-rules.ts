/** Rules that belong to a type and not to a protocol's way in: they hold whoever writes the element. */
import type { Element } from '@polyedge/contracts/element';
import { isObject } from '@polyedge/query/json';
import { isGeoJson } from './geojson.ts';
import { own } from './own.ts';

const PROPERTY = 'saga/Property';
const PROPERTY_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/;
const REFUSED_NAMES: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

/**
 * Saga and SPACE know no data scopes: their elements all live in the tenant's default one, so that who may write another scope through HIRO
 * cannot be heard there.
 */
export const hasHome = (type: string): boolean => type.startsWith('saga/') || type.startsWith('space/');

/**
 * Ids that Saga makes of what clients choose: of the globals, and of the properties of users, bots and globals. Who writes another scope does not
 * take them, or nobody could write that property any more.
 */
export const hasHomeId = (id: string): boolean =>
  /^(?:saga-globals$|(?:saga-globals|[0-9a-f]{24}|c[0-9a-z]{24}_c[0-9a-z]{24}):[A-Za-z0-9_][A-Za-z0-9_-]*$)/.test(id);

/** What is wrong with a state, as the detail of `invalid`, or undefined. (Saga protocol page, 3.6: name rule.) */
export function problemOfState(state: Pick<Element, 'type' | 'attributes'>): string | undefined {
  if (state.type !== PROPERTY) return undefined;
  const name = own(state.attributes, 'name');
  if (typeof name !== 'string' || !PROPERTY_NAME.test(name) || REFUSED_NAMES.has(name)) return 'name: is not a property name';
  const value = own(state.attributes, 'value') ?? null;
  // (The same page, 6.3: both names are special for every parent.)
  if (name === 'geoJSON' && value !== null && !isGeoJson(value)) return 'value: is not GeoJSON';
  if (name === '_defaults' && value !== null && !isObject(value)) return 'value: is not an object';
  return undefined;
}

/** What is wrong with the key of an operator on an element of a type, as the detail of `invalid`, or undefined. (The same page, key rule.) */
export function problemOfKey(type: string, key: string): string | undefined {
  if (type !== PROPERTY) return undefined;
  if (key === '' || key.length > 256) return 'key: is not 1 to 256 characters long';
  if (key.includes('.') || key.startsWith('$') || REFUSED_NAMES.has(key)) return 'key: is not allowed';
  return undefined;
}
