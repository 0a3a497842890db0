/** Converts a client's body from HIRO attributes to the parts of the store's operations (HIRO Graph API, attributes). */
import type { Element } from '@polyedge/contracts/element';
import type { Failure } from '@polyedge/contracts/errors';
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { textOf } from '@polyedge/query/text';
import { isComputed } from '../element/attributes.ts';
import { isReservedId } from '../element/ids.ts';
import { LISTS, type ListEdit, type ListItem, type Removal, toKept } from '../element/lists.ts';

export type Intent = 'create' | 'update' | 'replace';

export interface WriteRules {
  readonly intent: Intent;
  /** The time of the request in milliseconds: `created` of new list elements. */
  readonly at: number;
  /** Whether names without `ogit/` or a leading `/` are accepted (the older Java client sends them). */
  readonly names: 'lenient' | 'strict';
  /** Whether `ogit/_organization` may be written; it is ignored otherwise. */
  readonly admin?: boolean;
}

/**
 * The parts of an operation: `attributes` for create and replace, `set`, `put` and `unset` for update. With `edits` the current element
 * must be read first (see `editLists`).
 */
export interface BodyWrite {
  /** The requested id (create only). */
  readonly id?: string;
  /** External id and scope of a new element (create, and replace with createIfNotExists). */
  readonly xid?: string;
  readonly scope?: string;
  readonly attributes: JsonObject;
  readonly set: JsonObject;
  readonly put: readonly { path: string[]; value: JsonObject[string] }[];
  readonly unset: readonly string[];
  /** `+attr` and `-attr` of an update. */
  readonly edits: readonly ListEdit[];
  /** Sent attributes that cannot change after create: a different value in the element is a 400 (`fixedViolations`). */
  readonly fixed: Fixed;
}

export interface Fixed {
  readonly type?: string;
  readonly xid?: string | null;
  readonly scope?: string;
}

/** A rejected body: `errors` for HIRO's validation result. */
export interface Rejection extends Failure {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

export type Checked = { readonly ok: true; readonly value: BodyWrite } | { readonly ok: false; readonly failure: Rejection };

/** Attributes that `replace` keeps unless the body contains them: HIRO's own stored ones, such as owner and content. */
export const KEPT_BY_REPLACE = ['ogit/_'];

/** Set by the server only. Clients send whole vertices back, so these are ignored silently (PyHIRO, read-only attributes). */
const READ_ONLY =
  /^ogit\/_(?:graphtype|edge-id|is-deleted|v|v-id|out-.*|in-.*|created-.*|creator.*|modified-.*|deleted-.*|c-.*|on-behalf-.*)$/;

/** The W14 reference forbids these names: they would hide the members of a graph database's own vertices. */
const FORBIDDEN: ReadonlySet<string> = new Set(['id', 'label']);

const MAX_NAME_BYTES = 512;

/**
 * Parses the attributes of a create, update or replace. Numbers and booleans become strings; null deletes (update) or is ignored; objects
 * are rejected. Every invalid attribute is listed in `errors`. Never throws.
 */
export function fromBody(body: unknown, rules: WriteRules): Checked {
  // A body came out of JSON.parse, so its members are JSON.
  const object = body === undefined || body === null ? {} : (body as Json);
  if (!isObject(object)) return reject(['the body is not an object']);
  const reader = new BodyReader(rules);
  for (const [name, value] of Object.entries(object)) reader.read(name, value);
  return reader.result();
}

/** The fixed attributes whose values differ from the element's; empty if none do. */
export function fixedViolations(fixed: Fixed, element: Element): readonly string[] {
  const errors: string[] = [];
  if (fixed.type !== undefined && fixed.type !== element.type) errors.push('attribute ogit/_type is invalid: it is fixed');
  if (fixed.xid !== undefined && fixed.xid !== (element.xid ?? null)) errors.push('attribute ogit/_xid is invalid: it is fixed');
  if (fixed.scope !== undefined && fixed.scope !== element.scope) errors.push('attribute ogit/_scope is invalid: it is fixed');
  return errors;
}

/** The rejection of a body with these errors. */
export function reject(errors: readonly string[]): { readonly ok: false; readonly failure: Rejection } {
  return { ok: false, failure: { code: 'invalid', detail: 'validation failed', errors, warnings: [] } };
}

/** The `error` member of HIRO's response to a rejected body (Python client, exceptions). */
export function validationError({ errors, warnings }: Rejection): JsonObject {
  return { code: 400, message: 'validation failed', result: { errors, warnings } };
}

class BodyReader {
  readonly #rules: WriteRules;
  readonly #set: [string, Json][] = [];
  readonly #unset: string[] = [];
  readonly #lists: [string, readonly ListItem[]][] = [];
  readonly #edits: ListEdit[] = [];
  readonly #written = new Set<string>();
  readonly #errors: string[] = [];
  #id: string | undefined;
  #xid: string | null | undefined;
  #scope: string | undefined;
  #type: string | undefined;

  constructor(rules: WriteRules) {
    this.#rules = rules;
  }

  read(key: string, value: Json): void {
    const mark = /^[=+-]/.exec(key)?.[0];
    const name = mark === undefined ? key : key.slice(1);
    if (mark === undefined && this.#system(name, value)) return;
    const problem = this.#problemOf(name, mark, value);
    if (problem !== undefined) this.#refuse(key, problem);
    else if (mark === '-') this.#remove(key, name, value);
    else if (value === null) this.#nothing(name);
    else if (mark !== undefined || Array.isArray(value)) this.#list(key, name, mark ?? '=', value);
    else this.#plain(name, value);
  }

  result(): Checked {
    if (this.#errors.length > 0) return reject(this.#errors);
    const { intent } = this.#rules;
    const values: [string, Json][] = [...this.#set, ...this.#lists.map(([name, items]): [string, Json] => [name, items.map(toValue)])];
    const kept = this.#lists.map(([name, items]): [string, Json] => [name, toKept(items)]);
    const update = intent === 'update';
    const isNew = intent !== 'update';
    // fromEntries defines keys, so `__proto__` stays an attribute.
    return {
      ok: true,
      value: {
        ...(intent === 'create' && this.#id !== undefined && { id: this.#id }),
        ...(isNew && typeof this.#xid === 'string' && { xid: this.#xid }),
        ...(isNew && this.#scope !== undefined && { scope: this.#scope }),
        attributes: update ? {} : Object.fromEntries(kept.length === 0 ? values : [...values, [LISTS, Object.fromEntries(kept)]]),
        set: update ? Object.fromEntries(values) : {},
        put: update ? kept.map(([name, value]) => ({ path: [LISTS, name], value })) : [],
        unset: update ? this.#unset : [],
        edits: update ? this.#edits : [],
        fixed: {
          ...(this.#type !== undefined && { type: this.#type }),
          ...(intent !== 'create' && this.#xid !== undefined && { xid: this.#xid }),
          ...(intent !== 'create' && this.#scope !== undefined && { scope: this.#scope }),
        },
      },
    };
  }

  /** HIRO's own attributes that are not stored as attributes. */
  #system(name: string, value: Json): boolean {
    switch (name) {
      case 'ogit/_id':
        if (this.#rules.intent === 'create') this.#id = this.#identifier(name, value) ?? undefined;
        if (this.#id !== undefined && isReservedId(this.#id)) this.#refuse(name, 'it is reserved');
        return true;
      case 'ogit/_type':
        this.#type = this.#identifier(name, value) ?? undefined;
        return true;
      case 'ogit/_xid':
        this.#xid = this.#identifier(name, value);
        return true;
      case 'ogit/_scope':
        this.#scope = this.#identifier(name, value) ?? undefined;
        return true;
      case 'ogit/_organization':
        return this.#rules.admin !== true;
      default:
        return READ_ONLY.test(name) || name === LISTS;
    }
  }

  /** A name; null if it is not given. */
  #identifier(name: string, value: Json): string | null {
    if (value === null || value === '') return null;
    const text = textOf(value);
    // An id in the form of an edge id could block that edge.
    if (text !== undefined && isStorable(text) && !(name === 'ogit/_id' && text.includes('$$'))) return text;
    this.#refuse(name);
    return null;
  }

  #problemOf(name: string, mark: string | undefined, value: Json): string | undefined {
    if (name === '' || !isStorable(name)) return 'no name';
    if (FORBIDDEN.has(name)) return 'the name is forbidden';
    if (READ_ONLY.test(name) || name === LISTS) return 'it is read-only';
    if (isComputed(name) && (mark !== undefined || Array.isArray(value))) return 'it is no list';
    if (this.#rules.names === 'strict' && !/^(?:ogit)?\/./.test(name)) return 'the name has no namespace';
    return mark !== '-' && this.#written.has(name) ? 'it is written twice' : undefined;
  }

  #plain(name: string, value: Json): void {
    const text = this.#text(value);
    if (text === undefined) {
      this.#refuse(name);
      return;
    }
    this.#written.add(name);
    this.#set.push([name, text]);
  }

  #nothing(name: string): void {
    this.#written.add(name);
    this.#unset.push(name);
  }

  #list(key: string, name: string, mark: string, value: Json): void {
    const items: ListItem[] = [];
    for (const entry of Array.isArray(value) ? value : [value]) {
      const item = this.#item(entry);
      if (item === undefined) {
        this.#refuse(key);
        return;
      }
      items.push(item);
    }
    this.#written.add(name);
    if (mark === '+' && this.#rules.intent === 'update') this.#edits.push({ attribute: name, do: 'add', items });
    else this.#lists.push([name, items]);
  }

  /** Only updates can remove items; otherwise only the form is checked. */
  #remove(key: string, name: string, value: Json): void {
    const items: Removal[] = [];
    for (const entry of Array.isArray(value) ? value : [value]) {
      const wanted = isObject(entry) ? (textOf(entry.key) ?? textOf(entry.value)) : textOf(entry);
      if (wanted === undefined) {
        this.#refuse(key);
        return;
      }
      items.push(isObject(entry) && textOf(entry.key) !== undefined ? { key: wanted } : { value: wanted });
    }
    if (this.#rules.intent === 'update') this.#edits.push({ attribute: name, do: 'remove', items });
  }

  #item(entry: Json): ListItem | undefined {
    if (!isObject(entry)) {
      const value = this.#text(entry);
      return value === undefined ? undefined : { value, created: this.#rules.at };
    }
    const value = this.#text(entry.value);
    const key = this.#text(entry.key);
    if (value === undefined || (key === undefined && entry.key !== undefined && entry.key !== null)) return undefined;
    // Clients send back the output of `listMeta`; the existing time of an item is kept.
    const { created } = entry;
    const known = typeof created === 'number' && Number.isSafeInteger(created) && created >= 0 && created <= this.#rules.at;
    return { value, created: known ? created : this.#rules.at, ...(key !== undefined && { key }) };
  }

  #text(value: Json | undefined): string | undefined {
    const text = textOf(value);
    return text !== undefined && !text.includes('\0') && text.isWellFormed() ? text : undefined;
  }

  #refuse(name: string, reason?: string): void {
    // A body may contain any number of invalid names of any length; the response stays small.
    if (this.#errors.length >= 100) return;
    const shown = name.slice(0, 200).toWellFormed();
    this.#errors.push(reason === undefined ? `attribute ${shown} is invalid` : `attribute ${shown} is invalid: ${reason}`);
  }
}

const toValue = ({ value }: ListItem): string => value;

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed() && Buffer.byteLength(text) <= MAX_NAME_BYTES;
}
