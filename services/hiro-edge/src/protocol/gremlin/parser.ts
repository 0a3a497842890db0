/**
 * The syntax of Gremlin traversals as HIRO's clients write them (TinkerPop 3.2, outside of a programming language): calls with
 * literals, lists, predicates, tokens and traversals as arguments. Of Gremlin 2, it supports what hiro-graph-js still generates: `[0..9]` after a
 * step, `T.gt` as an argument, `_()` at the start of a branch, and the closures `{it}`, `{it.label}`, `{it.id}` and
 * `{it.getProperty('name')}`, which become `by`. Nothing is ever evaluated as code; other closures are rejected.
 */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';
import { parsing } from '@polyedge/query/parsed';
import { checkText, Scanner } from '@polyedge/query/scanner';

export interface StepCall {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Its position in the text, from 0. */
  readonly at: number;
}

export type Argument =
  | { readonly is: 'value'; readonly value: Json }
  | { readonly is: 'traversal'; readonly calls: readonly StepCall[] }
  | { readonly is: 'predicate'; readonly name: string; readonly values: readonly Json[] }
  | { readonly is: 'token'; readonly name: string }
  /** A predicate whose values are the next argument. */
  | { readonly is: 'comparator'; readonly name: string };

const GREMLIN_LIMITS = { bytes: 16 * 1024, depth: 16, calls: 500 } as const;

const PREDICATES: ReadonlySet<string> = new Set([
  'eq',
  'neq',
  'gt',
  'gte',
  'lt',
  'lte',
  'inside',
  'outside',
  'between',
  'within',
  'without',
]);
/** Gremlin 2's comparisons between a key and a value. */
const COMPARATORS: Readonly<Record<string, string>> = {
  in: 'within',
  notin: 'without',
  eq: 'eq',
  neq: 'neq',
  lt: 'lt',
  lte: 'lte',
  gt: 'gt',
  gte: 'gte',
};
/** Steps that take closures, and steps that may omit their parentheses. */
const TAKES_CLOSURES: ReadonlySet<string> = new Set(['dedup', 'groupBy', 'groupCount']);
const STANDS_ALONE: ReadonlySet<string> = new Set(['cap', 'tree', 'shuffle']);
const TOKENS: ReadonlySet<string> = new Set(['asc', 'desc', 'decr', 'incr', 'id', 'label', 'local', 'global', 'keys', 'values', 'none']);

/** Parses a traversal. Failures are `invalid`; the detail names the position, counted from 0. Never throws. */
export function parseGremlin(text: string, placeholders: Readonly<Record<string, unknown>> = {}): Outcome<readonly StepCall[]> {
  const parsed = parsing(() => {
    checkText(text, GREMLIN_LIMITS.bytes, 'query');
    return new GremlinParser(text, placeholders).whole();
  });
  return parsed.ok ? parsed : failed('invalid', parsed.problem);
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[lLdDfFiI]?/y;
const PLACEHOLDER = /\$[A-Za-z_][A-Za-z0-9_]*/y;
/** Groovy's prefixes of names that are unambiguous without them. */
const PREFIX = /(?:P|T|Order|Scope|Column|Pick)\.(?=[A-Za-z])/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

class GremlinParser extends Scanner {
  readonly #placeholders: Readonly<Record<string, unknown>>;
  #calls = 0;

  constructor(text: string, placeholders: Readonly<Record<string, unknown>>) {
    super('gremlin', text);
    this.#placeholders = placeholders;
  }

  whole(): readonly StepCall[] {
    const calls = this.#traversal();
    this.skipSpace();
    if (!this.atEnd) this.fail(`unexpected ${JSON.stringify(this.next)}`);
    return calls;
  }

  /** `name(args).name(args)…`, optionally after the anonymous `__` or `_()`, which alone is the identity. */
  #traversal(): readonly StepCall[] {
    this.skipSpace();
    const calls: StepCall[] = [];
    const start = this.at;
    const first = this.match(NAME);
    if (first === '__' || first === '_') {
      if (first === '_') {
        this.expect('(');
        this.expect(')');
      }
      if (!this.skip('.')) return calls;
    } else this.at = start;
    do this.#call(calls);
    while (this.skip('.'));
    return calls;
  }

  /** One step with its suffixes: closures become `by`, a range becomes `range`. */
  #call(calls: StepCall[]): void {
    this.skipSpace();
    const at = this.at;
    const name = this.match(NAME);
    if (name === undefined) this.fail('expected a step');
    this.#add(
      calls,
      name,
      this.#lacksArguments(TAKES_CLOSURES.has(name) ? '{' : undefined, STANDS_ALONE.has(name)) ? [] : this.#args(),
      at,
    );
    while (TAKES_CLOSURES.has(name) && this.skip('{')) this.#add(calls, 'by', this.#closure(), at);
    while (this.skip('[')) this.#range(calls);
  }

  #add(calls: StepCall[], name: string, args: readonly Argument[], at: number): void {
    this.#calls += 1;
    if (this.#calls > GREMLIN_LIMITS.calls) this.fail(`there are more than ${GREMLIN_LIMITS.calls} steps`);
    calls.push({ name, args, at });
  }

  /** Whether a step that may omit its parentheses does: a closure or nothing follows. */
  #lacksArguments(instead: string | undefined, alone: boolean): boolean {
    this.skipSpace();
    const next = this.next;
    return next !== '(' && (alone || (instead !== undefined && next === instead));
  }

  /** The rest of `{it…}`, as the arguments of a `by`. */
  #closure(): readonly Argument[] {
    this.skipSpace();
    if (this.match(NAME) !== 'it') this.fail('the only closures are {it}, {it.label}, {it.id} and {it.getProperty(name)}');
    const args: Argument[] = [];
    if (this.skip('.')) {
      const name = this.match(NAME);
      if (name === 'getProperty') {
        this.expect('(');
        this.skipSpace();
        const value = this.#literal();
        if (typeof value !== 'string') this.fail('getProperty takes a text');
        this.expect(')');
        args.push({ is: 'value', value });
      } else if (name === 'label' || name === 'id') args.push({ is: 'token', name });
      else this.fail('the only closures are {it}, {it.label}, {it.id} and {it.getProperty(name)}');
    }
    this.expect('}');
    return args;
  }

  /** The rest of `[from..to]` or `[at]`: both ends are included. */
  #range(calls: StepCall[]): void {
    const at = this.at;
    const from = this.#index();
    const to = this.text.startsWith('..', this.at) ? this.#end() : from;
    this.expect(']');
    const ends = [from, to < 0 ? -1 : to + 1].map((value): Argument => ({ is: 'value', value }));
    this.#add(calls, 'range', ends, at);
  }

  #end(): number {
    this.at += 2;
    return this.#index();
  }

  #index(): number {
    this.skipSpace();
    const digits = this.match(/-?[0-9]{1,9}/y);
    if (digits === undefined) this.fail('expected a whole number');
    this.skipSpace();
    return Number(digits);
  }

  #args(): readonly Argument[] {
    this.expect('(');
    return this.nested(GREMLIN_LIMITS.depth, 'steps', () => {
      const args: Argument[] = [];
      if (this.skip(')')) return args;
      do args.push(this.#argument());
      while (this.skip(','));
      this.expect(')');
      return args;
    });
  }

  #argument(): Argument {
    this.skipSpace();
    const value = this.#literal();
    if (value !== undefined) return { is: 'value', value };
    const start = this.at;
    const prefix = this.match(PREFIX);
    const name = this.match(NAME);
    if (name === undefined) this.fail('expected an argument');
    if (PREFIX_ONLY.has(name)) this.fail('expected an argument');
    this.skipSpace();
    const next = this.next;
    const comparator = prefix === 'T.' && next !== '(' ? COMPARATORS[name] : undefined;
    if (comparator !== undefined) return { is: 'comparator', name: comparator };
    if (next !== '(' && prefix === undefined && Object.hasOwn(this.#placeholders, name))
      return { is: 'value', value: this.#valueOf(name, start) };
    if (next !== '(' && TOKENS.has(name)) return { is: 'token', name };
    if (next === '(' && PREDICATES.has(name)) return { is: 'predicate', name, values: this.#args().flatMap((arg) => this.#valuesOf(arg)) };
    this.at = start;
    if (next !== '(' && name !== '__') this.fail(`unknown word ${JSON.stringify(name.slice(0, 100))}`);
    return { is: 'traversal', calls: this.#traversal() };
  }

  #valuesOf(argument: Argument): readonly Json[] {
    if (argument.is !== 'value') this.fail('a predicate takes plain values');
    return Array.isArray(argument.value) ? argument.value : [argument.value];
  }

  #literal(): Json | undefined {
    const next = this.next;
    if (next === "'" || next === '"') return this.#string(next);
    if (next === '$') return this.#placeholder();
    if (next === '[') return this.#list();
    const number = this.match(NUMBER);
    if (number !== undefined) {
      const digits = number.replace(/[lLdDfFiI]$/, '');
      const value = Number(digits);
      if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
      return /^-?\d{1,308}$/.test(digits) ? BigInt(digits) : this.fail('the number is too large');
    }
    const start = this.at;
    const name = this.match(NAME);
    if (name === 'true' || name === 'false') return name === 'true';
    this.at = start;
    return undefined;
  }

  #string(quote: string): string {
    const start = this.at;
    let text = '';
    for (this.at += 1; !this.atEnd; this.at += 1) {
      const character = this.next;
      if (character === quote) {
        this.at += 1;
        return text;
      }
      if (character !== '\\') text += character;
      else {
        this.at += 1;
        const escaped = this.next;
        text += ESCAPES[escaped] ?? escaped;
      }
    }
    this.fail('the text is not closed', start);
  }

  #list(): Json {
    this.at += 1;
    const values: Json[] = [];
    if (this.skip(']')) return values;
    do {
      this.skipSpace();
      // Lists contain scalars only, so their depth needs no limit.
      if (this.next === '[') this.fail('a list contains plain values');
      const value = this.#literal();
      if (value === undefined) this.fail('expected a value');
      values.push(value);
    } while (this.skip(','));
    this.expect(']');
    return values;
  }

  #placeholder(): Json {
    const start = this.at;
    const text = this.match(PLACEHOLDER);
    const name = [text?.slice(1), text].find((key) => key !== undefined && Object.hasOwn(this.#placeholders, key));
    if (name === undefined) this.fail('there is no plain value for this placeholder', start);
    return this.#valueOf(name, start);
  }

  #valueOf(name: string, start: number): Json {
    const value = this.#placeholders[name];
    const values = Array.isArray(value) ? value : [value];
    if (!values.every(isScalar)) this.fail('there is no plain value for this placeholder', start);
    const [only = null] = values;
    return Array.isArray(value) ? values : only;
  }

  /** Tokens may be preceded by blanks. */
  protected override skip(character: string): boolean {
    this.skipSpace();
    return super.skip(character);
  }
}

const PREFIX_ONLY: ReadonlySet<string> = new Set(['P', 'T', 'Order', 'Scope', 'Column', 'Pick']);

function isScalar(value: unknown): value is string | number | bigint | boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  return typeof value === 'boolean' || typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value));
}
