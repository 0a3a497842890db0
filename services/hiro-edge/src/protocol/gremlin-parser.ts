/**
 * The syntax of Gremlin traversals as HIRO's clients write them (TinkerPop 3.2 without a programming language around it): calls with
 * literals, lists, predicates, tokens and traversals as arguments. Nothing is ever evaluated as code; closures of Gremlin 2 are refused.
 */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';

export interface Call {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Where it stands in the text, from 0. */
  readonly at: number;
}

export type Argument =
  | { readonly is: 'value'; readonly value: Json }
  | { readonly is: 'traversal'; readonly calls: readonly Call[] }
  | { readonly is: 'predicate'; readonly name: string; readonly values: readonly Json[] }
  | { readonly is: 'token'; readonly name: string };

export const GREMLIN_LIMITS = { bytes: 16 * 1024, depth: 16, calls: 500 } as const;

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
const TOKENS: ReadonlySet<string> = new Set(['asc', 'desc', 'decr', 'incr', 'id', 'label', 'local', 'global', 'keys', 'values']);

/** Reads a traversal. Failures are `invalid`; the detail names the position, counted from 0. Never throws. */
export function parseGremlin(text: string, placeholders: Readonly<Record<string, unknown>> = {}): Outcome<readonly Call[]> {
  if (Buffer.byteLength(text) > GREMLIN_LIMITS.bytes) return failed('invalid', `the query is longer than ${GREMLIN_LIMITS.bytes} bytes`);
  if (!text.isWellFormed() || text.includes('\0')) return failed('invalid', 'the query contains NUL or an unpaired surrogate');
  try {
    return done(new Parser(text, placeholders).whole());
  } catch (error) {
    if (error instanceof Refusal) return failed('invalid', error.message);
    throw error;
  }
}

/** Carries a problem out of the recursion, whose depth is bounded; never leaves this file. */
class Refusal extends Error {}

const BLANKS = /[ \t\r\n]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[lLdDfFiI]?/y;
const PLACEHOLDER = /\$[A-Za-z_][A-Za-z0-9_]*/y;
/** Groovy's prefixes of what has its own name here. */
const PREFIX = /(?:P|T|Order|Scope|Column)\.(?=[A-Za-z])/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

class Parser {
  readonly #text: string;
  readonly #placeholders: Readonly<Record<string, unknown>>;
  #at = 0;
  #depth = 0;
  #calls = 0;

  constructor(text: string, placeholders: Readonly<Record<string, unknown>>) {
    this.#text = text;
    this.#placeholders = placeholders;
  }

  whole(): readonly Call[] {
    const calls = this.#traversal();
    this.#match(BLANKS);
    if (this.#at < this.#text.length) this.#fail(`unexpected ${JSON.stringify(this.#text.charAt(this.#at))}`);
    return calls;
  }

  /** `name(args).name(args)…`, with or without the anonymous `__` in front. */
  #traversal(): readonly Call[] {
    this.#match(BLANKS);
    const calls: Call[] = [];
    const start = this.#at;
    if (this.#match(NAME) === '__') this.#expect('.');
    else this.#at = start;
    do calls.push(this.#call());
    while (this.#skip('.'));
    return calls;
  }

  #call(): Call {
    this.#match(BLANKS);
    const at = this.#at;
    const name = this.#match(NAME);
    if (name === undefined) this.#fail('expected a step');
    this.#calls += 1;
    if (this.#calls > GREMLIN_LIMITS.calls) this.#fail(`there are more than ${GREMLIN_LIMITS.calls} steps`);
    return { name, args: this.#args(), at };
  }

  #args(): readonly Argument[] {
    this.#expect('(');
    this.#depth += 1;
    if (this.#depth > GREMLIN_LIMITS.depth) this.#fail(`steps are nested more than ${GREMLIN_LIMITS.depth} deep`);
    const args: Argument[] = [];
    if (!this.#skip(')')) {
      do args.push(this.#argument());
      while (this.#skip(','));
      this.#expect(')');
    }
    this.#depth -= 1;
    return args;
  }

  #argument(): Argument {
    this.#match(BLANKS);
    const value = this.#literal();
    if (value !== undefined) return { is: 'value', value };
    const start = this.#at;
    this.#match(PREFIX);
    const name = this.#match(NAME);
    if (name === undefined) this.#fail('expected an argument');
    if (PREFIX_ONLY.has(name)) this.#fail('expected an argument');
    this.#match(BLANKS);
    const next = this.#text.charAt(this.#at);
    if (next !== '(' && TOKENS.has(name)) return { is: 'token', name };
    if (next === '(' && PREDICATES.has(name)) return { is: 'predicate', name, values: this.#args().flatMap((arg) => this.#valuesOf(arg)) };
    this.#at = start;
    if (next !== '(' && name !== '__') this.#fail(`unknown word ${JSON.stringify(name.slice(0, 100))}`);
    return { is: 'traversal', calls: this.#traversal() };
  }

  #valuesOf(argument: Argument): readonly Json[] {
    if (argument.is !== 'value') this.#fail('a predicate takes plain values');
    return Array.isArray(argument.value) ? argument.value : [argument.value];
  }

  #literal(): Json | undefined {
    const next = this.#text.charAt(this.#at);
    if (next === "'" || next === '"') return this.#string(next);
    if (next === '$') return this.#placeholder();
    if (next === '[') return this.#list();
    const number = this.#match(NUMBER);
    if (number !== undefined) {
      const digits = number.replace(/[lLdDfFiI]$/, '');
      const value = Number(digits);
      if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
      return /^-?\d{1,308}$/.test(digits) ? BigInt(digits) : this.#fail('the number is too large');
    }
    const start = this.#at;
    const name = this.#match(NAME);
    if (name === 'true' || name === 'false') return name === 'true';
    this.#at = start;
    return undefined;
  }

  #string(quote: string): string {
    const start = this.#at;
    let text = '';
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text.charAt(this.#at);
      if (character === quote) {
        this.#at += 1;
        return text;
      }
      if (character !== '\\') text += character;
      else {
        this.#at += 1;
        const escaped = this.#text.charAt(this.#at);
        text += ESCAPES[escaped] ?? escaped;
      }
    }
    this.#at = start;
    this.#fail('the text has no end');
  }

  #list(): Json {
    this.#at += 1;
    const values: Json[] = [];
    if (this.#skip(']')) return values;
    do {
      this.#match(BLANKS);
      // Lists hold scalars: a list in it would need no depth of its own.
      if (this.#text.charAt(this.#at) === '[') this.#fail('a list holds plain values');
      const value = this.#literal();
      if (value === undefined) this.#fail('expected a value');
      values.push(value);
    } while (this.#skip(','));
    this.#expect(']');
    return values;
  }

  #placeholder(): Json {
    const start = this.#at;
    const text = this.#match(PLACEHOLDER);
    const name = [text?.slice(1), text].find((key) => key !== undefined && Object.hasOwn(this.#placeholders, key));
    const value = name === undefined ? undefined : this.#placeholders[name];
    const values = Array.isArray(value) ? value : [value];
    if (name === undefined || !values.every(isScalar)) {
      this.#at = start;
      this.#fail('there is no plain value for this placeholder');
    }
    const [only = null] = values;
    return Array.isArray(value) ? values : only;
  }

  #skip(character: string): boolean {
    this.#match(BLANKS);
    if (this.#text.charAt(this.#at) !== character) return false;
    this.#at += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#skip(character)) this.#fail(`expected "${character}"`);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(what: string): never {
    throw new Refusal(`gremlin: ${what} at position ${this.#at}`);
  }
}

const PREFIX_ONLY: ReadonlySet<string> = new Set(['P', 'T', 'Order', 'Scope', 'Column']);

function isScalar(value: unknown): value is string | number | bigint | boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  return typeof value === 'boolean' || typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value));
}
