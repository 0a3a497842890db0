/**
 * What the grants of a session allow (protocol page, section 5): roles add up, row rules are joined by "or", and the fields of a row are those
 * of all rules that this very row fulfils. Who may not see a field cannot ask about it either.
 */
import type { Document } from '@polyedge/query/document';
import { EVERYTHING, type Filter, NOTHING } from '@polyedge/query/filter';
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { compile, type Predicate } from '@polyedge/query/predicate';
import { type NamedField, parseCriteria } from './criteria.ts';
import { ANONYMOUS, allows, type FieldRule, type Rule, type Topic, type Verb } from './topics.ts';

/** Values that row rules may name: `$claims.x`. */
export type Claims = Readonly<Record<string, Json>>;

/** A role that an upgrade gave. Row rules see the claims of the grant that gave the role. */
export interface Grant {
  readonly role: string;
  readonly claims: Claims;
  /** Milliseconds since 1970, or undefined for as long as the connection lives. */
  readonly expires: number | undefined;
  /** Whose it is, to tell when it is revoked. */
  readonly account: string;
  readonly login: string | undefined;
  readonly issuedAt: number;
}

/** One rule that applies to a session, filled in with the claims of its grant. */
export interface Allowed {
  readonly rows: Filter;
  readonly check: Filter;
  readonly fields: FieldRule;
  readonly set: JsonObject;
  /** The grant that gave it; undefined for what everybody may. */
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
    // A value that is not known cannot be put in: the rule allows nothing then.
    if (set === undefined) return;
    const check = rule.check === undefined ? rows : filled(rule.check, values);
    found.push({ rows, check, fields: rule.fields, set: set as JsonObject, grant }); // filling in an object gives an object
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

/** Criteria of a rule as a filter; nothing at all matches where a claim that they name is missing. */
function filled(criteria: JsonObject, values: Values): Filter {
  if (Object.keys(criteria).length === 0) return EVERYTHING;
  const known = fill(criteria, values);
  if (!isObject(known)) return NOTHING;
  const parsed = parseCriteria(known);
  return parsed.ok ? parsed.value.filter : NOTHING;
}

/** A value with `$claims.x` and `$session.id` replaced; undefined when one of them is missing. */
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

/** The rows that some rule shows, and on which every named field may be looked at: naming a field must not tell what hides in it. */
export function visibleRows(rules: readonly Allowed[], named: readonly NamedField[]): Filter {
  const parts = [either(rules)];
  for (const field of new Set(named.map((one) => one.field))) {
    const showing = rules.filter((rule) => allows(rule.fields, field));
    if (showing.length < rules.length) parts.push(either(showing));
  }
  return all(parts);
}

/** Any of the rules' rows. */
export function either(rules: readonly Allowed[]): Filter {
  if (rules.some(({ rows }) => rows === EVERYTHING)) return EVERYTHING;
  const [only] = rules;
  return rules.length === 1 && only !== undefined ? only.rows : { any: rules.map(({ rows }) => rows) };
}

/** All of these, without those that always hold. */
export function all(parts: readonly Filter[]): Filter {
  const kept = parts.filter((part) => part !== EVERYTHING);
  const [only] = kept;
  return kept.length === 1 && only !== undefined ? only : { all: kept };
}

/** Shows resources as a session may see them. */
export class Projection {
  readonly #rules: readonly { readonly matches: Predicate; readonly fields: FieldRule }[];
  readonly #wanted: ReadonlySet<string> | undefined;
  /** All rows look alike, whatever is in them. */
  readonly #plain: boolean;

  /** @param rules those of `read`; @param wanted the projection the client asked for */
  constructor(rules: readonly Allowed[], wanted: readonly string[] | undefined) {
    this.#rules = rules.map(({ rows, fields }) => ({ matches: compile(rows), fields }));
    this.#wanted = wanted === undefined ? undefined : new Set(wanted);
    this.#plain = wanted === undefined && rules.some(({ rows, fields }) => rows === EVERYTHING && fields.all && fields.names.size === 0);
  }

  /** Whether some rule shows the row. */
  sees(row: Document): boolean {
    return this.#rules.some(({ matches }) => matches(row));
  }

  /** The resource as a JSON object: its id, and what may be seen and was asked for of its fields. */
  resource(row: Document): JsonObject {
    if (this.#plain) return { ...row.attributes, id: row.id };
    const rules = this.#rules.filter(({ matches }) => matches(row));
    const shown = Object.entries(row.attributes).filter(
      ([name]) => this.#wanted?.has(name) !== false && rules.some(({ fields }) => allows(fields, name)),
    );
    return Object.fromEntries([...shown, ['id', row.id]]);
  }
}
