/** Values that only one living element may have: every xid of a tenant, and the attributes that operations declared `unique`. */
import { hash } from 'node:crypto';
import type { Json, JsonObject } from '@polyedge/query/json';
import { canonicalJson } from '@polyedge/query/normalize';

/** What stands in the table of unique keys, apart from the tenant. Both parts are short enough for a B-tree entry. */
export interface UniqueKey {
  readonly name: string;
  readonly value: string;
}

/** Characters up to which a part of a key is kept readable; a longer one is replaced by its hash. */
const READABLE = 256;

const XID = 'xid';

// NUL separates, because validation keeps it out of every name and value.
const SEPARATOR = '\0';

/**
 * The keys of an element as texts, one per unique value; none for an attribute that is absent or null. The value is the canonical JSON, so
 * that equal values have equal keys. `xid` in `names` means what is so anyway.
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

/** A key's text taken apart for the table. */
export function splitKey(key: string): UniqueKey {
  const at = key.indexOf(SEPARATOR);
  return { name: key.slice(0, at), value: key.slice(at + 1) };
}

/** The text of a row of the table. */
export const joinKey = ({ name, value }: UniqueKey): string => name + SEPARATOR + value;

const keyText = (name: string, value: string): string => short(name) + SEPARATOR + short(value);

// A readable canonical text never begins with `~` unless it is an xid; those are hashed as well.
const short = (text: string): string => (text.length <= READABLE && !text.startsWith('~') ? text : `~${hash('sha256', text, 'base64url')}`);
