/**
 * Regular expressions of `text-regexp`, in Lucene's syntax (org.apache.lucene.util.automaton.RegExp): the whole text must match.
 *
 * `.` and `[…]`, `|`, `(…)`, `?`, `*`, `+`, `{n,m}`, `"literal"`, `@` (any text), `#` (no text), `<1-9>` (a range of at most 1,000 numbers),
 * `\d \w \s` and their opposites over ASCII. Complement (`~`) and intersection (`&`) have no counterpart in the engines that run these and are
 * rejected. An expression is parsed once and generated for each engine, so that both agree: RE2 here, PostgreSQL in graph-store.
 */
import { compilePattern } from './pattern.ts';

/** Limits of an expression. A bounded repetition counts as if its part were written out. */
const REGEXP_LIMITS = { characters: 512, size: 2000, depth: 32, repeat: 255, numbers: 1000 } as const;

/** Code points, both ends included. */
type Range = readonly [from: number, to: number];

type Node =
  | { readonly is: 'set'; readonly ranges: readonly Range[]; readonly negated: boolean }
  | { readonly is: 'sequence' | 'any-of'; readonly parts: readonly Node[] }
  | { readonly is: 'repeat'; readonly part: Node; readonly least: number; readonly most: number | undefined };

/** A parsed expression. */
export interface Regexp {
  /** The same expression in PostgreSQL's advanced syntax. */
  readonly sql: string;
  readonly matches: (text: string) => boolean;
}

export type ParsedRegexp = { readonly ok: true; readonly value: Regexp } | { readonly ok: false; readonly problem: string };

/** Parses an expression; the problem is one sentence with the position. Never throws. */
export function parseRegexp(source: string): ParsedRegexp {
  if (source.length > REGEXP_LIMITS.characters) {
    return { ok: false, problem: `a regular expression has at most ${REGEXP_LIMITS.characters} characters` };
  }
  try {
    const node = new RegexpParser(source).whole();
    if (sizeOf(node) > REGEXP_LIMITS.size) return { ok: false, problem: 'the regular expression is too large' };
    const compiled = compilePattern(`^(?:${written(node, ecma)})$`, 8 * REGEXP_LIMITS.size);
    if (compiled === undefined) return { ok: false, problem: 'the regular expression is too large' };
    return { ok: true, value: { sql: `^(?:${written(node, postgres)})$`, matches: (text) => compiled.find(text) } };
  } catch (error) {
    if (error instanceof RegexpError) return { ok: false, problem: error.message };
    throw error;
  }
}

/** Carries a problem out of the recursive parser; never leaves this file. */
class RegexpError extends Error {}

const ANY: Node = { is: 'set', ranges: [], negated: true };
const EMPTY: Node = { is: 'sequence', parts: [] };
const NOTHING: Node = { is: 'any-of', parts: [] };
const ANY_TEXT: Node = { is: 'repeat', part: ANY, least: 0, most: undefined };

const CLASSES: Readonly<Record<string, readonly Range[]>> = {
  d: [[48, 57]],
  w: [
    [48, 57],
    [65, 90],
    [95, 95],
    [97, 122],
  ],
  s: [
    [9, 10],
    [12, 13],
    [32, 32],
  ],
};

class RegexpParser {
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  whole(): Node {
    const node = this.#anyOf();
    if (this.#next !== undefined) this.#fail(`unexpected ${JSON.stringify(this.#next)}`);
    return node;
  }

  get #next(): string | undefined {
    return this.#characters[this.#at];
  }

  #skip(character: string): boolean {
    if (this.#next !== character) return false;
    this.#at += 1;
    return true;
  }

  #anyOf(): Node {
    const parts = [this.#sequence()];
    while (this.#skip('|')) parts.push(this.#sequence());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : { is: 'any-of', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')') parts.push(this.#repeated());
    return { is: 'sequence', parts };
  }

  #repeated(): Node {
    let part = this.#part();
    for (;;) {
      if (this.#skip('?')) part = { is: 'repeat', part, least: 0, most: 1 };
      else if (this.#skip('*')) part = { is: 'repeat', part, least: 0, most: undefined };
      else if (this.#skip('+')) part = { is: 'repeat', part, least: 1, most: undefined };
      else if (this.#skip('{')) part = this.#counted(part);
      else return part;
    }
  }

  #counted(part: Node): Node {
    const least = this.#number();
    let most: number | undefined = least;
    if (this.#skip(',')) most = this.#next === '}' ? undefined : this.#number();
    if (!this.#skip('}')) this.#fail('expected "}"');
    if (least > REGEXP_LIMITS.repeat || (most !== undefined && (most < least || most > REGEXP_LIMITS.repeat))) {
      this.#fail(`a repetition is between 0 and ${REGEXP_LIMITS.repeat} times`);
    }
    return { is: 'repeat', part, least, most };
  }

  #number(): number {
    let digits = '';
    while (this.#next !== undefined && /^[0-9]$/.test(this.#next) && digits.length < 10) digits += this.#characters[this.#at++];
    return digits === '' ? this.#fail('expected a number') : Number(digits);
  }

  #part(): Node {
    const next = this.#next ?? '';
    this.#at += 1;
    switch (next) {
      case '.':
        return ANY;
      case '@':
        return ANY_TEXT;
      case '#':
        return NOTHING;
      case '(':
        return this.#group();
      case '[':
        return this.#set();
      case '<':
        return this.#interval();
      case '"':
        return this.#quoted();
      case '\\':
        return this.#escaped();
      case '~':
      case '&':
        this.#at -= 1;
        return this.#fail(`${JSON.stringify(next)} is not supported`);
      case '?':
      case '*':
      case '+':
      case '{':
        this.#at -= 1;
        return this.#fail('there is nothing to repeat');
      default:
        return character(next);
    }
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > REGEXP_LIMITS.depth) this.#fail(`parentheses are nested more than ${REGEXP_LIMITS.depth} deep`);
    const node = this.#next === ')' ? EMPTY : this.#anyOf();
    if (!this.#skip(')')) this.#fail('expected ")"');
    this.#depth -= 1;
    return node;
  }

  #set(): Node {
    const negated = this.#skip('^');
    const ranges: Range[] = [];
    do {
      const classes = this.#next === '\\' ? CLASSES[this.#characters[this.#at + 1] ?? ''] : undefined;
      if (classes !== undefined) {
        this.#at += 2;
        ranges.push(...classes);
        continue;
      }
      const from = this.#codePoint();
      // A hyphen at the end is literal.
      const spans = this.#next === '-' && this.#characters[this.#at + 1] !== ']' && this.#skip('-');
      const to = spans ? this.#codePoint() : from;
      if (to < from) this.#fail('a range of characters is reversed');
      ranges.push([from, to]);
    } while (!this.#skip(']'));
    return { is: 'set', ranges, negated };
  }

  #codePoint(): number {
    this.#skip('\\');
    const code = this.#next?.codePointAt(0);
    if (code === undefined) this.#fail('expected "]"');
    this.#at += 1;
    return code;
  }

  /** Numbers have no leading zeros, unless both bounds have the same number of digits. */
  #interval(): Node {
    const start = this.#at;
    while (this.#next !== undefined && this.#next !== '>') this.#at += 1;
    const [, from = '', to = ''] = /^([0-9]{1,9})-([0-9]{1,9})$/.exec(this.#characters.slice(start, this.#at).join('')) ?? [];
    if (!this.#skip('>') || from === '' || to === '') this.#fail('expected a number, "-" and a number between "<" and ">"');
    const [least, most] = [Math.min(Number(from), Number(to)), Math.max(Number(from), Number(to))];
    if (most - least >= REGEXP_LIMITS.numbers) this.#fail(`an interval has at most ${REGEXP_LIMITS.numbers} numbers`);
    const digits = from.length === to.length ? from.length : 1;
    const numbers = Array.from({ length: most - least + 1 }, (_, index) => String(least + index).padStart(digits, '0'));
    return { is: 'any-of', parts: numbers.map(literal) };
  }

  #quoted(): Node {
    const end = this.#characters.indexOf('"', this.#at);
    if (end < 0) this.#fail('the quoted text is not closed');
    const text = this.#characters.slice(this.#at, end);
    this.#at = end + 1;
    return { is: 'sequence', parts: text.map(character) };
  }

  #escaped(): Node {
    const next = this.#next;
    if (next === undefined) this.#fail('nothing follows the backslash');
    this.#at += 1;
    const ranges = CLASSES[next.toLowerCase()];
    return ranges === undefined ? character(next) : { is: 'set', ranges, negated: next !== next.toLowerCase() };
  }

  #fail(what: string): never {
    throw new RegexpError(`the regular expression is wrong at position ${this.#at}: ${what}`);
  }
}

function character(text: string): Node {
  const code = text.codePointAt(0) ?? 0;
  return { is: 'set', ranges: [[code, code]], negated: false };
}

const literal = (text: string): Node => ({ is: 'sequence', parts: Array.from(text, character) });

/** Estimates the number of states in the engine. */
function sizeOf(node: Node): number {
  switch (node.is) {
    case 'set':
      return 1;
    case 'repeat':
      return 1 + sizeOf(node.part) * Math.max(1, node.least, node.most ?? 0);
    default:
      return node.parts.reduce((total, part) => total + sizeOf(part), 1);
  }
}

/** Writes a code point in an engine's syntax, alone and in brackets. */
type CodePointWriter = (code: number) => string;

const ecma: CodePointWriter = (code) => {
  const text = String.fromCodePoint(code);
  return code > 126 || /^[0-9A-Za-z]$/.test(text) ? text : code < 32 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\${text}`;
};

const postgres: CodePointWriter = (code) => {
  if (code > 0xffff) return `\\U${code.toString(16).padStart(8, '0')}`;
  const text = String.fromCodePoint(code);
  return /^[0-9A-Za-z]$/.test(text) ? text : `\\u${code.toString(16).padStart(4, '0')}`;
};

function written(node: Node, write: CodePointWriter): string {
  switch (node.is) {
    case 'set': {
      const [first, ...more] = node.ranges;
      if (first === undefined) return write === postgres ? '.' : '[\\s\\S]';
      if (more.length === 0 && !node.negated && first[0] === first[1]) return write(first[0]);
      const ranges = node.ranges.map(([from, to]) => (from === to ? write(from) : `${write(from)}-${write(to)}`));
      return `[${node.negated ? '^' : ''}${ranges.join('')}]`;
    }
    case 'sequence':
      return node.parts.length === 0
        ? '(?:)'
        : node.parts.map((part) => (part.is === 'any-of' ? group(part, write) : written(part, write))).join('');
    case 'any-of':
      // Matches nothing: a set without characters.
      if (node.parts.length === 0) return write === postgres ? '[^\\u0001-\\U0010ffff]' : '[^\\s\\S]';
      return node.parts.map((part) => written(part, write)).join('|');
    case 'repeat': {
      const { least, most } = node;
      const times =
        most === undefined ? (least === 0 ? '*' : least === 1 ? '+' : `{${least},}`) : least === most ? `{${least}}` : `{${least},${most}}`;
      return `${group(node.part, write)}${times}`;
    }
  }
}

const group = (node: Node, write: CodePointWriter): string => `(?:${written(node, write)})`;
