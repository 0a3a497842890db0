/**
 * The rights of a session's grants (protocol page, section 5): roles add up, row rules are combined with "or", and the visible fields of a
 * row are those of all rules that the row fulfils. A field that is not visible cannot be used in criteria either.
 */
import type { Document } from '@polyedge/query/document';
import { EVERYTHING, type Filter, NOTHING } from '@polyedge/query/filter';
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { compile, type Predicate } from '@polyedge/query/predicate';
import { type NamedField, parseCriteria } from './criteria.ts';
import { ANONYMOUS, allows, type FieldRule, type Rule, type Topic, type Verb } from './topics.ts';

/** Values that row rules can refer to as `$claims.x`. */
export type Claims = Readonly<Record<string, Json>>;

/** A role from an upgrade. Row rules use the claims of the grant that gave the role. */
export interface Grant {
  readonly role: string;
  readonly claims: Claims;
  /** Milliseconds since 1970, or undefined for as long as the connection lives. */
  readonly expires: number | undefined;
  /** Its account, to match revocations. */
  readonly account: string;
  readonly login: string | undefined;
  readonly issuedAt: number;
}

/** One rule that applies to a session, with the claims of its grant filled in. */
export interface Allowed {
  readonly rows: Filter;
  readonly check: Filter;
  readonly fields: FieldRule;
  readonly set: JsonObject;
  /** The grant that gave it; undefined for rules of the anonymous role. */
  readonly grant: Grant | undefined;
}

/** The rules of a verb for these grants, in the order of the grants; anonymous first. */
export function allowed(topic: Topic, verb: Verb, grants: readonly Grant[], session: string): readonly Allowed[] {
  const found: Allowed[] = [];
  const add = (rule: Rule | undefined, grant: Grant | undefined): void => {
    if (rule === undefined) return;
    const values = { claims: grant?.claims ?? {}, session };
    const rows = rule.rows === undefined ? EVERYTHING : filled(rule.rows, values);
    const set = fill(rule.set, values);
    // A value that is not known cannot be filled in, so the rule allows nothing.
    if (set === undefined) return;
    const check = rule.check === undefined ? rows : filled(rule.check, values);
    found.push({ rows, check, fields: rule.fields, set: set as JsonObject, grant }); // filling in an object returns an object
  };
  add(topic.roles.get(ANONYMOUS)?.[verb], undefined);
  for (const grant of grants) add(topic.roles.get(grant.role)?.[verb], grant);
  return found;
}

/** Whether any role of these grants may do anything with a topic. */
export function mayUse(topic: Topic, grants: readonly Grant[]): boolean {
  const has = (role: string): boolean => Object.keys(topic.roles.get(role) ?? {}).length > 0;
  return has(ANONYMOUS) || grants.some(({ role }) => has(role));
}

interface Values {
  readonly claims: Claims;
  readonly session: string;
}

/** Criteria of a rule as a filter, which matches nothing if a claim that they refer to is missing. */
function filled(criteria: JsonObject, values: Values): Filter {
  if (Object.keys(criteria).length === 0) return EVERYTHING;
  const known = fill(criteria, values);
  if (!isObject(known)) return NOTHING;
  const parsed = parseCriteria(known);
  return parsed.ok ? parsed.value.filter : NOTHING;
}

/** A value with `$claims.x` and `$session.id` replaced; undefined if one of them is missing. */
function fill(value: Json, values: Values): Json | undefined {
  if (typeof value === 'string') {
    if (value === '$session.id') return values.session;
    if (!value.startsWith('$claims.')) return value;
    const name = value.slice('$claims.'.length);
    return Object.hasOwn(values.claims, name) ? values.claims[name] : undefined;
  }
  if (isList(value)) {
    const items = value.map((item) => fill(item, values));
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  if (!isObject(value)) return value;
  const entries: [string, Json][] = [];
  for (const [name, inner] of Object.entries(value)) {
    const known = fill(inner, values);
    if (known === undefined) return undefined;
    entries.push([name, known]);
  }
  return Object.fromEntries(entries);
}

/** The first named field that none of the rules allows. */
export function forbiddenField(rules: readonly Allowed[], named: readonly NamedField[]): NamedField | undefined {
  return named.find(({ field }) => !rules.some((rule) => allows(rule.fields, field)));
}

/** The rows that some rule shows, and whose named fields are all visible: using a field in criteria must not reveal hidden values. */
export function visibleRows(rules: readonly Allowed[], named: readonly NamedField[]): Filter {
  const parts = [either(rules)];
  for (const field of new Set(named.map((one) => one.field))) {
    const showing = rules.filter((rule) => allows(rule.fields, field));
    if (showing.length < rules.length) parts.push(either(showing));
  }
  return all(parts);
}

/** The rows of any of the rules. */
export function either(rules: readonly Allowed[]): Filter {
  if (rules.some(({ rows }) => rows === EVERYTHING)) return EVERYTHING;
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only.rows : { any: rules.map(({ rows }) => rows) };
}

/** The conjunction, without filters that always match. */
export function all(parts: readonly Filter[]): Filter {
  const kept = parts.filter((part) => part !== EVERYTHING);
  const [only] = kept;
  return kept.length === 1 && only !== undefined ? only : { all: kept };
}

/** Projects resources to what a session may see. */
export class Projection {
  readonly #rules: readonly { readonly matches: Predicate; readonly fields: FieldRule }[];
  readonly #wanted: ReadonlySet<string> | undefined;
  /** All rows have the same visible fields, whatever their content. */
  readonly #plain: boolean;

  /**
   * @param rules those of `read`
   * @param wanted the projection that the client requested
   */
  constructor(rules: readonly Allowed[], wanted: readonly string[] | undefined) {
    this.#rules = rules.map(({ rows, fields }) => ({ matches: compile(rows), fields }));
    this.#wanted = wanted === undefined ? undefined : new Set(wanted);
    this.#plain = wanted === undefined && rules.some(({ rows, fields }) => rows === EVERYTHING && fields.all && fields.names.size === 0);
  }

  /** Whether some rule shows the row. */
  sees(row: Document): boolean {
    return this.#rules.some(({ matches }) => matches(row));
  }

  /** The resource as a JSON object: its id, and its visible and requested fields. */
  resource(row: Document): JsonObject {
    if (this.#plain) return { ...row.attributes, id: row.id };
    const rules = this.#rules.filter(({ matches }) => matches(row));
    const shown = Object.entries(row.attributes).filter(
      ([name]) => this.#wanted?.has(name) !== false && rules.some(({ fields }) => allows(fields, name)),
    );
    return Object.fromEntries([...shown, ['id', row.id]]);
  }
}
