/** Rules that belong to a type rather than to a protocol: they apply to every writer of the element. */
import type { Element } from '@polyedge/contracts/element';
import { isObject } from '@polyedge/query/json';
import { own } from '@polyedge/query/own-properties';
import { isGeoJson } from './geojson.ts';

const PROPERTY = 'saga/Property';
const PROPERTY_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/;
const REFUSED_NAMES: ReadonlySet<string> = new Set(['__proto__', 'prototype', 'constructor']);

/**
 * Saga and SPACE have no data scopes: all their elements are in the tenant's default scope, so that a HIRO client with write access to
 * another scope cannot publish events there.
 */
export const hasHome = (type: string): boolean => type.startsWith('saga/') || type.startsWith('space/');

/**
 * Ids that Saga derives from client input: those of the globals, and of the properties of users, bots and globals. Writers of other scopes
 * must not create elements with them, because the property could then not be written any more.
 */
export const hasHomeId = (id: string): boolean =>
  /^(?:saga-globals$|(?:saga-globals|[0-9a-f]{24}|c[0-9a-z]{24}_c[0-9a-z]{24}):[A-Za-z0-9_][A-Za-z0-9_-]*$)/.test(id);

/** The problem of a state, as the detail of `invalid`, or undefined. (Saga protocol page, 3.6: name rule.) */
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

/** The problem of an operator's key for an element type, as the detail of `invalid`, or undefined. (The same page, key rule.) */
export function problemOfKey(type: string, key: string): string | undefined {
  if (type !== PROPERTY) return undefined;
  if (key === '' || key.length > 256) return 'key: is not 1 to 256 characters long';
  if (key.includes('.') || key.startsWith('$') || REFUSED_NAMES.has(key)) return 'key: is not allowed';
  return undefined;
}
