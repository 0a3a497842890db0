/** Values that must be unique among living elements: the xids of a tenant, and the attributes that operations declare `unique`. */
import { hash } from 'node:crypto';
import type { Json, JsonObject } from '@polyedge/query/json';
import { canonicalJson } from '@polyedge/query/normalize';

/** A row in the table of unique keys, without the tenant. Both parts are short enough for a B-tree entry. */
export interface UniqueKey {
  readonly name: string;
  readonly value: string;
}

/** The longest part of a key, in characters, that is stored readably; a longer one is replaced by its hash. */
const READABLE = 256;

const XID = 'xid';

// NUL is the separator, because validation rejects it in names and values.
const SEPARATOR = '\0';

/**
 * The keys of an element as texts, one per unique value; none for an attribute that is absent or null. The value is the canonical JSON, so
 * that equal values have equal keys. `xid` in `names` has no effect: it is always unique.
 */
export function uniqueKeys(type: string, xid: string | undefined, attributes: JsonObject, names: readonly string[]): string[] {
  const keys: string[] = [];
  if (xid !== undefined) keys.push(keyText(XID, xid));
  for (const name of names) {
    const value = Object.hasOwn(attributes, name) ? (attributes[name] ?? null) : null;
    if (name !== XID && value !== null) keys.push(uniqueKey(type, name, value));
  }
  return keys;
}

/** The key of one attribute's value. */
export const uniqueKey = (type: string, name: string, value: Json): string => keyText(JSON.stringify([type, name]), canonicalJson(value));

/** Splits a key's text into the columns of the table. */
export function splitKey(key: string): UniqueKey {
  const at = key.indexOf(SEPARATOR);
  return { name: key.slice(0, at), value: key.slice(at + 1) };
}

/** The key's text for a row of the table. */
export const joinKey = ({ name, value }: UniqueKey): string => name + SEPARATOR + value;

const keyText = (name: string, value: string): string => short(name) + SEPARATOR + short(value);

// A readable canonical text never begins with `~` unless it is an xid; those are hashed as well.
const short = (text: string): string => (text.length <= READABLE && !text.startsWith('~') ? text : `~${hash('sha256', text, 'base64url')}`);
