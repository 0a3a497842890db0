/** JSON Schemas that users store (draft 7), compiled with ajv. They are untrusted, so their cost is bounded before they run. */
import type { Element } from '@polyedge/contracts/element';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { isList, isObject, type Json } from '@polyedge/query/json';
import { canonicalJson } from '@polyedge/query/normalize';
import { own, withoutOwn } from '@polyedge/query/own-properties';
import { compilePattern } from '@polyedge/query/pattern';
import { Ajv, type ValidateFunction } from 'ajv';
import {
  MAX_COMPILED_SCHEMAS,
  MAX_PATTERN_STEPS,
  MAX_PLACE_CHARACTERS,
  MAX_SCHEMA_BYTES,
  MAX_SCHEMA_NODES,
  MAX_SCHEMA_PATTERN,
  MAX_SCHEMA_WORK,
} from './limits.ts';

/** A compiled schema, with the number of its nodes after expanding all references. */
interface CompiledSchema {
  readonly validate: ValidateFunction;
  readonly nodes: number;
}

/**
 * Compiled JSON Schemas of a process, at most 256; the least recently used one is evicted. A schema is compiled once per version of its
 * holder.
 *
 * Rejected: more than 64 KiB, references to anything but its own parts (`#/…`), references that recurse or multiply, `$data`, `$async`.
 * Regular expressions run on an engine with bounded time, and their total cost is bounded too. `format` is not checked.
 */
export class Schemas {
  readonly #compiled = new Map<string, Outcome<CompiledSchema>>();
  /** Remaining steps for the regular expressions of the current check. */
  #stepsLeft = 0;
  readonly #ajv = makeAjv((steps) => {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0) throw new PatternTooSlow();
  });

  /**
   * Checks `value` against the schema in `attribute` of `holder`; without a schema, every value is valid.
   *
   * @returns `invalid` with a detail that begins with `schema:`, names a place inside the value and never repeats a value; also for a schema
   * that cannot be used
   */
  check(holder: Element, attribute: string, value: Json): Outcome<void> {
    const schema = own(holder.attributes, attribute) ?? null;
    if (schema === null) return done(undefined);
    const compiled = this.#of(holder, attribute, schema);
    if (!compiled.ok) return compiled;
    const { validate, nodes } = compiled.value;
    if (nodesOf(value) * nodes > MAX_SCHEMA_WORK) return failed('too-large', TAKES_TOO_LONG);
    this.#stepsLeft = MAX_PATTERN_STEPS;
    try {
      if (validate(rounded(value)) === true) return done(undefined);
    } catch (error) {
      if (error instanceof PatternTooSlow) return failed('too-large', TAKES_TOO_LONG);
      throw error;
    }
    const [error] = validate.errors ?? [];
    const reason = `schema: ${error?.instancePath ?? ''} ${error?.message ?? 'is not satisfied'}`;
    return failed('invalid', reason.slice(0, MAX_PLACE_CHARACTERS).toWellFormed());
  }

  #of(holder: Element, attribute: string, schema: Json): Outcome<CompiledSchema> {
    // An uncommitted state may still be replaced by another one of the same version.
    if (holder.seq < 0) return this.#compile(schema);
    const { tenant, id, version, seq, modified } = holder;
    const key = [tenant, id, attribute, version, seq, modified.on].join('\0');
    const compiled = this.#compiled.get(key) ?? this.#compile(schema);
    this.#compiled.delete(key);
    this.#compiled.set(key, compiled);
    if (this.#compiled.size > MAX_COMPILED_SCHEMAS) {
      for (const oldest of this.#compiled.keys()) {
        this.#compiled.delete(oldest);
        break;
      }
    }
    return compiled;
  }

  #compile(schema: Json): Outcome<CompiledSchema> {
    if (typeof schema !== 'boolean' && !isObject(schema)) return failed('invalid', 'schema: is not a JSON Schema');
    if (Buffer.byteLength(JSON.stringify(schema)) > MAX_SCHEMA_BYTES) return failed('invalid', 'schema: is larger than 64 KiB');
    const examined = examine(schema);
    if (!examined.ok) return examined;
    // ajv would remember an id, and it would clash with that of the next version.
    const anonymous = isObject(schema) ? Object.fromEntries(Object.entries(withoutOwn(schema, '$id')).map(roundedEntry)) : schema;
    try {
      return done({ validate: this.#ajv.compile(anonymous), nodes: examined.value });
    } catch {
      return failed('invalid', 'schema: cannot be compiled');
    } finally {
      if (typeof anonymous === 'object') this.#ajv.removeSchema(anonymous);
    }
  }
}

const TAKES_TOO_LONG = 'schema: checking the value takes too long';

class PatternTooSlow extends Error {}

/** @param take is called with the steps of a regular expression before it runs */
function makeAjv(take: (steps: number) => void): Ajv {
  const regExp = Object.assign(
    (source: string) => {
      const pattern = compilePattern(source, MAX_SCHEMA_PATTERN);
      if (pattern === undefined) throw new Error('not a regular expression that can be used');
      const test = (text: string): boolean => {
        take((text.length + 1) * pattern.size);
        return pattern.find(text);
      };
      // ajv caches the compiled expression under this text.
      return { test, toString: () => source };
    },
    // Only used for code that ajv writes to files.
    { code: 'compilePattern' },
  );
  const ajv = new Ajv({ strict: false, validateFormats: false, addUsedSchema: false, logger: false, code: { regExp } });
  // ajv compares every pair of elements.
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must NOT have duplicate items' },
    validate: (wanted: boolean, list: readonly Json[]) => !wanted || new Set(list.map(canonicalJson)).size === list.length,
  });
  return ajv;
}

const REFUSED: ReadonlySet<string> = new Set(['$async', '$data', '$anchor', '$dynamicRef', '$recursiveRef']);

/**
 * Counts the nodes of a schema with its references expanded, or returns why it is rejected. Treats every object alike, whether it is a schema,
 * a map of properties or an example: stricter than needed for names such as `$data`, but nothing is overlooked.
 */
function examine(root: Json): Outcome<number> {
  const sizes = new Map<Json, number>();
  const open = new Set<Json>();
  const visit = (value: Json): Outcome<number> => {
    if (typeof value !== 'object' || value === null) return done(1);
    const known = sizes.get(value);
    if (known !== undefined) return done(known);
    if (open.has(value)) return failed('invalid', 'schema: references recurse');
    open.add(value);
    let size = 1;
    for (const [name, part] of Object.entries(value)) {
      const problem = Array.isArray(value) ? undefined : problemOfKeyword(name, part, value === root);
      if (problem !== undefined) return failed('invalid', `schema: ${problem}`);
      const target = name === '$ref' && typeof part === 'string' ? resolve(root, part) : part;
      if (target === undefined) return failed('invalid', 'schema: a reference has no target');
      const counted = visit(target);
      if (!counted.ok) return counted;
      size += counted.value + (Array.isArray(value) ? 0 : patternSize(name, part));
      if (size > MAX_SCHEMA_NODES) return failed('invalid', 'schema: is too large once its references are followed');
    }
    open.delete(value);
    sizes.set(value, size);
    return done(size);
  };
  return visit(root);
}

/** The regular expressions of a member. If `pattern` is the name of a property, its value is an object or a boolean. */
function patternsOf(name: string, value: Json): readonly string[] {
  if (name === 'pattern') return typeof value === 'string' ? [value] : [];
  return name === 'patternProperties' && isObject(value) ? Object.keys(value) : [];
}

const patternSize = (name: string, value: Json): number =>
  patternsOf(name, value).reduce((size, pattern) => size + (compilePattern(pattern, MAX_SCHEMA_PATTERN)?.size ?? 0), 0);

function problemOfKeyword(name: string, value: Json, atRoot: boolean): string | undefined {
  if (REFUSED.has(name)) return `${name} is not supported`;
  for (const pattern of patternsOf(name, value)) {
    if (compilePattern(pattern, MAX_SCHEMA_PATTERN) === undefined) return `${name} has no regular expression that can be used`;
  }
  if (name === '$id' && typeof value === 'string' && !atRoot) return 'a part has no $id';
  if (name === '$ref' && typeof value === 'string' && (!value.startsWith('#/') || value.includes('%'))) {
    return 'references other than #/… are not supported';
  }
  return undefined;
}

/** The target of a reference `#/…`. */
function resolve(root: Json, reference: string): Json | undefined {
  let value: Json | undefined = root;
  for (const part of reference.slice(2).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = isObject(value) ? value[name] : value[Number(name)];
  }
  return value;
}

/**
 * Converts bigints to doubles, because ajv has only doubles. Beyond 2^53, limits and equality are therefore checked to 16 digits; stored values
 * stay exact. A value without bigints is returned as it is. Values and schemas have at most 64 levels.
 */
function rounded(value: Json): Json {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) {
    const items = value.map(rounded);
    return items.some((item, at) => item !== value[at]) ? items : value;
  }
  const entries = Object.entries(value).map(roundedEntry);
  return entries.some(([name, part]) => part !== value[name]) ? Object.fromEntries(entries) : value;
}

const roundedEntry = ([name, part]: readonly [string, Json]) => [name, rounded(part)] as const;

/** The number of nodes of a value: itself and all its parts. */
function nodesOf(value: Json): number {
  let nodes = 0;
  const open: Json[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    nodes += 1;
    if (typeof next === 'object' && next !== null) for (const part of Object.values(next)) open.push(part);
  }
  return nodes;
}
