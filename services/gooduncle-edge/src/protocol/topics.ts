/**
 * Topic rules: the topics, and each role's rights on their rows and fields (protocol page, section 5). They are declarative, so that they
 * can be indexed and evaluated for every live row without running code.
 */
import { isList, isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { firstKey, parseCriteria } from './criteria.ts';

export const VERBS = ['create', 'read', 'update', 'delete'] as const;
export type Verb = (typeof VERBS)[number];

/** The role that every session has. */
export const ANONYMOUS = 'anonymous';

/** The fields that a rule allows. `id` is always readable and never writable. */
export interface FieldRule {
  /** True: all except `names`; false: only `names`. */
  readonly all: boolean;
  readonly names: ReadonlySet<string>;
}

/** The rights of one role for one verb. Criteria may refer to `$claims.x` and `$session.id`, which are filled in for the session. */
export interface Rule {
  /** Which rows; undefined: all. */
  readonly rows: JsonObject | undefined;
  /** What a written row must satisfy; undefined: the same as `rows`. */
  readonly check: JsonObject | undefined;
  readonly fields: FieldRule;
  /** Values that the server sets; a client that sends such a field is rejected. */
  readonly set: JsonObject;
}

export interface Topic {
  readonly name: string;
  /** The type of its elements. */
  readonly type: string;
  /** Whether it can be subscribed to. */
  readonly live: boolean;
  /** Whether clients may choose ids. */
  readonly clientIds: boolean;
  /** Maximum number of rows that one update or delete may change. */
  readonly maxAffected: number;
  readonly roles: ReadonlyMap<string, Readonly<Partial<Record<Verb, Rule>>>>;
}

export interface Topics {
  readonly byName: ReadonlyMap<string, Topic>;
  /** Whether a topic that no role of a session may use answers like an unknown one. */
  readonly hidden: boolean;
}

export type ParsedTopics = { readonly ok: true; readonly value: Topics } | { readonly ok: false; readonly problems: readonly string[] };

const EVERY_FIELD: FieldRule = { all: true, names: new Set() };
const MAX_TOPICS = 1000;
const MAX_AFFECTED = 10_000;

/** Parses the rules of a file. Every problem names its place; one problem rejects the whole file. */
export function parseTopics(value: unknown): ParsedTopics {
  const reader = new TopicsReader();
  const topics = reader.file(value);
  return reader.problems.length === 0 ? { ok: true, value: topics } : { ok: false, problems: reader.problems };
}

export const allows = ({ all, names }: FieldRule, field: string): boolean => field === 'id' || names.has(field) !== all;

class TopicsReader {
  readonly problems: string[] = [];

  file(value: unknown): Topics {
    const byName = new Map<string, Topic>();
    const file = this.#object(value, 'the file', ['topics', 'hideTopics']);
    const topics = this.#object(file.topics, 'topics');
    if (Object.keys(topics).length > MAX_TOPICS) this.#wrong('topics', `there are at most ${MAX_TOPICS}`);
    for (const [name, topic] of Object.entries(topics)) byName.set(name, this.#topic(name, topic));
    return { byName, hidden: this.#boolean(file.hideTopics, 'hideTopics', false) };
  }

  #topic(name: string, value: Json): Topic {
    const place = `topics.${name}`;
    const topic = this.#object(value, place, ['type', 'live', 'clientIds', 'maxAffected', 'roles']);
    if (name === '' || name.length > 128) this.#wrong(place, 'a name has 1 to 128 characters');
    const { type = name, maxAffected = 1000 } = topic;
    if (typeof type !== 'string' || type === '' || type.length > 512 || type === 'system' || type.startsWith('system/')) {
      this.#wrong(`${place}.type`, 'this is no type of elements');
    }
    if (typeof maxAffected !== 'number' || !Number.isInteger(maxAffected) || maxAffected < 1 || maxAffected > MAX_AFFECTED) {
      this.#wrong(`${place}.maxAffected`, `this is a whole number from 1 to ${MAX_AFFECTED}`);
    }
    const roles = new Map<string, Partial<Record<Verb, Rule>>>();
    for (const [role, verbs] of Object.entries(this.#object(topic.roles, `${place}.roles`))) {
      roles.set(role, this.#verbs(verbs, `${place}.roles.${role}`));
    }
    return {
      name,
      type: String(type),
      live: this.#boolean(topic.live, `${place}.live`, true),
      clientIds: this.#boolean(topic.clientIds, `${place}.clientIds`, true),
      maxAffected: Number(maxAffected),
      roles,
    };
  }

  #verbs(value: Json, place: string): Partial<Record<Verb, Rule>> {
    const verbs = this.#object(value, place, VERBS);
    const rules: Partial<Record<Verb, Rule>> = {};
    for (const verb of VERBS) if (verbs[verb] !== undefined) rules[verb] = this.#rule(verb, verbs[verb], `${place}.${verb}`);
    return rules;
  }

  #rule(verb: Verb, value: Json, place: string): Rule {
    const known = {
      create: ['check', 'fields', 'set'],
      read: ['rows', 'fields'],
      update: ['rows', 'check', 'fields', 'set'],
      delete: ['rows'],
    };
    const rule = this.#object(value, place, known[verb]);
    const set = rule.set === undefined ? {} : this.#object(rule.set, `${place}.set`);
    for (const name of Object.keys(set)) {
      if (name === 'id' || name.includes('.') || name.startsWith('$'))
        this.#wrong(`${place}.set.${name}`, 'this is no field that can be set');
    }
    return {
      rows: this.#criteria(rule.rows, `${place}.rows`),
      check: this.#criteria(rule.check, `${place}.check`),
      fields: rule.fields === undefined ? EVERY_FIELD : this.#fields(rule.fields, `${place}.fields`),
      set,
    };
  }

  #criteria(value: Json | undefined, place: string): JsonObject | undefined {
    if (value === undefined) return undefined;
    const criteria = this.#object(value, place);
    const parsed = parseCriteria(criteria, place);
    if (!parsed.ok) for (const { field, message } of parsed.problems) this.#wrong(field ?? place, message);
    return criteria;
  }

  #fields(value: Json, place: string): FieldRule {
    if (!isList(value) || !value.every((name) => typeof name === 'string' && name !== '')) {
      this.#wrong(place, 'this is a list of field names, "*" for all, "-name" for all but that one');
      return EVERY_FIELD;
    }
    const texts = value.map(String);
    const left = texts.filter((name) => name.startsWith('-')).map((name) => name.slice(1));
    const named = texts.filter((name) => name !== '*' && !name.startsWith('-'));
    for (const name of [...left, ...named]) if (firstKey(name) !== name) this.#wrong(place, `"${name}": rules are about whole fields`);
    const all = texts.includes('*');
    if (!all && left.length > 0) this.#wrong(place, 'a field can only be left out of "*"');
    return all ? { all, names: new Set(left) } : { all, names: new Set(named) };
  }

  #boolean(value: Json | undefined, place: string, otherwise: boolean): boolean {
    if (value === undefined) return otherwise;
    if (typeof value !== 'boolean') this.#wrong(place, 'this is true or false');
    return value === true;
  }

  /** An object; `{}` after reporting that it is none. With `keys`, only these are allowed. */
  #object(value: unknown, place: string, keys?: readonly string[]): JsonObject {
    // The file's parser returns a value in the form of JSON; nothing else is known about it.
    const json = value as Json | undefined;
    if (!isObject(json)) {
      this.#wrong(place, 'this is an object');
      return {};
    }
    for (const key of Object.keys(json))
      if (keys?.includes(key) === false) this.#wrong(`${place}.${key}`, `this is not one of ${keys.join(', ')}`);
    return json;
  }

  #wrong(place: string, text: string): void {
    if (this.problems.length < 50) this.problems.push(`${place}: ${text}`);
  }
}
