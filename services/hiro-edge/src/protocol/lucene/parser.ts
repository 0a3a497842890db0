/**
 * The grammar of query strings: the part of Lucene's classic query parser that HIRO's clients use (lucene builders of the JavaScript and
 * Python clients, HIRO Graph API). Boosts are parsed and ignored, because nothing is scored; fuzzy terms and slops are rejected. Slashes need no
 * escape: a value is a regular expression if it begins and ends with one.
 *
 * `$name` is replaced by the value of that name after the text is parsed, so a value can never become syntax. Without such a value it is
 * plain text. A list matches any of its elements.
 */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { literalPattern } from '@polyedge/query/filter';
import { parsing } from '@polyedge/query/parsed';
import { checkText, Scanner } from '@polyedge/query/scanner';
import { plainDecimal } from '@polyedge/query/text';

/** Clauses by Lucene's `+`, no sign and `-`; at least one of the three lists is not empty. */
export interface Clauses {
  readonly kind: 'clauses';
  readonly must: readonly Lucene[];
  readonly should: readonly Lucene[];
  readonly not: readonly Lucene[];
}

export type Lucene =
  | Clauses
  | { readonly kind: 'everything' }
  /** `values`: alternatives; more than one if a placeholder is a list. `field` is absent in bare terms. */
  | { readonly kind: 'term'; readonly field?: string; readonly values: readonly string[]; readonly quoted: boolean }
  | { readonly kind: 'wildcard'; readonly field?: string; readonly pattern: string }
  | { readonly kind: 'regexp'; readonly field: string; readonly pattern: string }
  | { readonly kind: 'exists'; readonly field: string }
  | { readonly kind: 'range'; readonly field: string; readonly from?: Bound; readonly to?: Bound };

export interface Bound {
  readonly value: string;
  readonly inclusive: boolean;
}

export const LUCENE_LIMITS = { bytes: 64 * 1024, depth: 32, clauses: 1024, fieldCharacters: 512 } as const;

export type Placeholders = Readonly<Record<string, unknown>>;

/** Parses a query string. Failures are `invalid`; the detail names the position, counted from 0. Never throws. */
export function parseLucene(text: string, placeholders: Placeholders = {}): Outcome<Lucene> {
  const parsed = parsing(() => {
    checkText(text, LUCENE_LIMITS.bytes, 'query');
    return new LuceneParser(text, placeholders).whole();
  });
  return parsed.ok ? parsed : failed('invalid', parsed.problem);
}

/** A part of a term: text, a wildcard, or the values of a placeholder with its source text. */
type TermPart = { readonly text: string } | 'any' | 'one' | { readonly values: readonly string[]; readonly text: string };

type Conjunction = 'and' | 'or' | undefined;

const BLANK = /[ \t\r\n\u3000]/;
const SPACE = /[ \t\r\n\u3000]*/y;
const ENDS_TERM = /[ \t\r\n\u3000()[\]{}:"^~!]/;
const ENDS_BOUND = /[ \t\r\n\u3000\]}]/;
const WORD = /(?:AND|OR|NOT|&&|\|\|)(?=[ \t\r\n\u3000()[\]{}:"^~!]|$)/y;
const PLACEHOLDER = /\$([A-Za-z_][A-Za-z0-9_]*)/y;
const COMPARISON = />=|<=|>|</y;
/** `/…/` up to a slash at the end of the clause; a slash in a name or a path is followed by more. */
const REGEXP = /\/((?:\\[\s\S]|[^/\\])+)\/(?=[ \t\r\n\u3000)^~]|$)/y;
const BOOST = /\^[0-9]+(?:\.[0-9]+)?/y;

class LuceneParser extends Scanner {
  readonly #placeholders: Placeholders;
  #clauses = 0;

  constructor(text: string, placeholders: Placeholders) {
    super('query', text, SPACE);
    this.#placeholders = placeholders;
  }

  whole(): Lucene {
    const query = this.#list(undefined);
    if (!this.atEnd) this.fail(`unexpected ${JSON.stringify(this.next)}`);
    return query;
  }

  /** Clauses up to the end or a closing parenthesis, combined as Lucene's classic parser does with OR as its default operator. */
  #list(field: string | undefined): Lucene {
    const clauses: { query: Lucene; as: 'must' | 'should' | 'not' }[] = [];
    for (;;) {
      this.skipSpace();
      if (this.atEnd || this.next === ')') break;
      const conjunction = this.#conjunction();
      if (conjunction !== undefined && clauses.length === 0) this.fail('expected a clause before AND or OR');
      const sign = this.#sign();
      this.#clauses += 1;
      if (this.#clauses > LUCENE_LIMITS.clauses) this.fail(`there are more than ${LUCENE_LIMITS.clauses} clauses`);
      const query = this.#clause(field);
      const previous = clauses.at(-1);
      if (conjunction === 'and' && previous?.as === 'should') previous.as = 'must';
      clauses.push({ query, as: sign ?? (conjunction === 'and' ? 'must' : 'should') });
    }
    const [first] = clauses;
    if (first === undefined) this.fail('expected a clause');
    if (clauses.length === 1 && first.as !== 'not') return first.query;
    const of = (as: string): Lucene[] => clauses.filter((clause) => clause.as === as).map(({ query }) => query);
    return { kind: 'clauses', must: of('must'), should: of('should'), not: of('not') };
  }

  #conjunction(): Conjunction {
    const start = this.at;
    const word = this.match(WORD);
    if (word === 'AND' || word === '&&' || word === 'OR' || word === '||') {
      this.skipSpace();
      return word === 'AND' || word === '&&' ? 'and' : 'or';
    }
    this.at = start;
    return undefined;
  }

  #sign(): 'must' | 'not' | undefined {
    const next = this.next;
    if (next === '+' || next === '-' || next === '!') {
      this.at += 1;
      this.skipSpace();
      return next === '+' ? 'must' : 'not';
    }
    const start = this.at;
    if (this.match(WORD) === 'NOT') {
      this.skipSpace();
      return 'not';
    }
    this.at = start;
    return undefined;
  }

  /** @param value whether this is the value after a field's colon, which cannot contain another colon */
  #clause(field: string | undefined, value = false): Lucene {
    const next = this.next;
    if (next === '(') return this.#group(field);
    if (next === '/') {
      const pattern = this.#regexp();
      if (pattern !== undefined && field === undefined) this.fail('a regular expression must follow an attribute');
      if (pattern !== undefined && field !== undefined) return this.#boosted({ kind: 'regexp', field, pattern });
    }
    if (next === '"') return this.#boosted(toTerm(field, this.#quoted(), true));
    if ((next === '[' || next === '{') && field !== undefined) return this.#boosted(this.#range(field));
    const start = this.at;
    if (this.match(WORD) !== undefined) this.fail('expected a clause', start);
    const parts = this.#term(ENDS_TERM);
    if (parts.length === 0) this.fail(!this.atEnd ? `unexpected ${JSON.stringify(this.next)}` : 'expected a clause');
    const end = this.at;
    this.skipSpace();
    if (this.next !== ':') {
      this.at = end;
      return this.#boosted(this.#word(field, parts));
    }
    if (value) this.fail('a value with a colon must be quoted');
    this.at += 1;
    this.skipSpace();
    return this.#field(this.#fieldName(parts, start));
  }

  #regexp(): string | undefined {
    REGEXP.lastIndex = this.at;
    const found = REGEXP.exec(this.text);
    if (found === null) return undefined;
    this.at += found[0].length;
    // The escape of a slash belongs to the query, all other escapes to the expression.
    return found[1]?.replace(/\\([\s\S])/g, (escaped, character) => (character === '/' ? '/' : escaped));
  }

  /** Parses what follows a field's colon. */
  #field(name: string): Lucene {
    if (name === '_exists_' || name === '_missing_') {
      const parts = this.next === '"' ? this.#quoted() : this.#term(ENDS_TERM);
      const [field, ...more] = textsOf(parts);
      if (field === undefined || field === '' || more.length > 0 || parts.includes('any') || parts.includes('one')) {
        this.fail(`expected an attribute after ${name}:`);
      }
      const exists: Lucene = { kind: 'exists', field };
      return this.#boosted(name === '_exists_' ? exists : { kind: 'clauses', must: [], should: [], not: [exists] });
    }
    if (name === '*') {
      const [part, ...more] = this.#term(ENDS_TERM);
      if (part !== 'any' || more.length > 0) this.fail('expected "*" after "*:"');
      return this.#boosted({ kind: 'everything' });
    }
    const comparison = this.match(COMPARISON);
    if (comparison !== undefined) {
      this.skipSpace();
      const value = this.#single(this.next === '"' ? this.#quoted() : this.#term(ENDS_TERM));
      const bound = { value, inclusive: comparison.length === 2 };
      return this.#boosted({ kind: 'range', field: name, ...(comparison.startsWith('>') ? { from: bound } : { to: bound }) });
    }
    if (this.atEnd || this.next === ')') this.fail(`expected a value after ${JSON.stringify(name.slice(0, 100))}`);
    return this.#clause(name, true);
  }

  #fieldName(parts: readonly TermPart[], start: number): string {
    if (parts.length === 1 && parts[0] === 'any') return '*';
    const name = parts.map((part) => (typeof part === 'object' ? part.text : undefined));
    const text = name.join('');
    if (!name.includes(undefined) && text.length <= LUCENE_LIMITS.fieldCharacters) return text;
    this.fail('a field name has no wildcards and at most 512 characters', start);
  }

  #group(field: string | undefined): Lucene {
    this.at += 1;
    const query = this.nested(LUCENE_LIMITS.depth, 'parentheses', () => this.#list(field));
    this.expect(')');
    return this.#boosted(query);
  }

  #word(field: string | undefined, parts: readonly TermPart[]): Lucene {
    if (!parts.includes('any') && !parts.includes('one')) return toTerm(field, parts, false);
    if (parts.length === 1 && parts[0] === 'any') return field === undefined ? { kind: 'everything' } : { kind: 'exists', field };
    const pattern = parts
      .map((part) => (part === 'any' ? '*' : part === 'one' ? '?' : literalPattern('values' in part ? this.#single([part]) : part.text)))
      .join('');
    return { kind: 'wildcard', ...(field !== undefined && { field }), pattern };
  }

  /** `[from TO to]`, `{from TO to}` or mixed; `*` is open. */
  #range(field: string): Lucene {
    const fromInclusive = this.next === '[';
    this.at += 1;
    const from = this.#bound();
    if (this.text.slice(this.at, this.at + 2) !== 'TO' || !BLANK.test(this.text.charAt(this.at + 2))) this.fail('expected TO');
    this.at += 2;
    const to = this.#bound();
    const close = this.next;
    if (close !== ']' && close !== '}') this.fail('expected "]" or "}"');
    this.at += 1;
    return {
      kind: 'range',
      field,
      ...(from !== undefined && { from: { value: from, inclusive: fromInclusive } }),
      ...(to !== undefined && { to: { value: to, inclusive: close === ']' } }),
    };
  }

  #bound(): string | undefined {
    this.skipSpace();
    const parts = this.next === '"' ? this.#quoted() : this.#term(ENDS_BOUND);
    if (parts.length === 0) this.fail('expected a value or "*"');
    this.skipSpace();
    return parts.length === 1 && parts[0] === 'any' ? undefined : this.#single(parts);
  }

  /** The single text of the parts. */
  #single(parts: readonly TermPart[]): string {
    const [value, ...more] = textsOf(parts);
    if (value === undefined || parts.length === 0) this.fail('expected a value');
    if (more.length > 0) this.fail('a list cannot stand here');
    if (parts.includes('any') || parts.includes('one')) this.fail('wildcards cannot stand here');
    return value;
  }

  /** Reads up to an unescaped character of `ends`. */
  #term(ends: RegExp): readonly TermPart[] {
    const parts: TermPart[] = [];
    let text = '';
    const flush = (): void => {
      if (text !== '') parts.push({ text });
      text = '';
    };
    while (!this.atEnd && !ends.test(this.next)) {
      const placeholder = this.#placeholder();
      if (placeholder !== undefined) {
        flush();
        parts.push(placeholder);
      } else if (this.next === '*' || this.next === '?') {
        flush();
        parts.push(this.next === '*' ? 'any' : 'one');
        this.at += 1;
      } else text += this.#character();
    }
    flush();
    return parts;
  }

  /** A quoted text, in which wildcards are literal. An empty one has one empty part. */
  #quoted(): readonly TermPart[] {
    const start = this.at;
    this.at += 1;
    const parts: TermPart[] = [{ text: '' }];
    let text = '';
    while (this.next !== '"') {
      if (this.atEnd) this.fail('the quoted text is not closed', start);
      const placeholder = this.#placeholder();
      if (placeholder === undefined) text += this.#character();
      else {
        parts.push({ text }, placeholder);
        text = '';
      }
    }
    this.at += 1;
    return [...parts, { text }];
  }

  #character(): string {
    if (this.next === '\\') {
      this.at += 1;
      if (this.atEnd) this.fail('nothing follows the backslash');
    }
    const character = this.next;
    this.at += 1;
    return character;
  }

  #placeholder(): TermPart | undefined {
    if (this.next !== '$') return undefined;
    const start = this.at;
    const text = this.match(PLACEHOLDER);
    const name = [text?.slice(1), text].find((key) => key !== undefined && Object.hasOwn(this.#placeholders, key));
    if (text === undefined || name === undefined) {
      this.at = start;
      return undefined;
    }
    const value = this.#placeholders[name];
    const values = (Array.isArray(value) ? value : [value]).map(toText);
    const usable = values.filter((part) => part !== undefined);
    if (usable.length < values.length) this.fail(`the value of ${text} is not a text, number or boolean, or a list of these`, start);
    this.#clauses += usable.length - 1;
    if (this.#clauses > LUCENE_LIMITS.clauses) this.fail(`there are more than ${LUCENE_LIMITS.clauses} clauses`);
    return { values: usable, text };
  }

  #boosted(query: Lucene): Lucene {
    this.match(BOOST);
    if (this.next === '~') this.fail('"~" (fuzzy and near) is not supported');
    if (this.next === '^') this.fail('expected a number after "^"');
    return query;
  }
}

function toTerm(field: string | undefined, parts: readonly TermPart[], quoted: boolean): Lucene {
  return { kind: 'term', ...(field !== undefined && { field }), values: textsOf(parts), quoted };
}

/** All texts of the parts: more than one if a placeholder is a list. */
function textsOf(parts: readonly TermPart[]): readonly string[] {
  let texts = [''];
  for (const part of parts) {
    if (typeof part === 'string') continue;
    const { text } = part;
    const values = 'values' in part ? part.values : [text];
    // Two lists in one term would multiply, so only the first value of the second is used.
    const usable = texts.length > 1 ? values.slice(0, 1) : values;
    texts = texts.flatMap((before) => usable.map((value) => before + value));
  }
  return texts;
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? plainDecimal(value) : undefined;
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0') ? value : undefined;
}
