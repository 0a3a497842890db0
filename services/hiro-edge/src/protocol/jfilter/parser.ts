/**
 * The grammar of jfilter. The operator characters of the vendor's table are lost in every copy of its page; what is accepted here is what
 * the surviving examples, the clients' own filters and the vendor's client-side LDAP parser show (RFC 4515 is its model):
 *
 *     filter = ws ( group / "(" ws filter ws ")" / item ) ws
 *     group  = ( "&" / "|" ) 1*( ws "(" ws filter ws ")" ) / "!" ws "(" ws filter ws ")"
 *     item   = path ws [ op ws value ]
 *     op     = "!=" / ">=" / "<=" / "~=" / "=" / ">" / "<"
 *
 * Blanks inside values are kept (the vendor's parser deletes them). A backslash and two hex digits stand for one byte of UTF-8.
 */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';

export type Jfilter =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Jfilter[] }
  | { readonly kind: 'not'; readonly part: Jfilter }
  | { readonly kind: 'item'; readonly path: string; readonly op: Operator; readonly value: Value };

export type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~=' | 'present';

/** A value: literal texts with a wildcard between each two. One text: no wildcard. */
export type Value = readonly string[];

export const JFILTER_LIMITS = { bytes: 16 * 1024, depth: 32, items: 256 } as const;

/** Reads a jfilter. Failures are `invalid`; the detail names the position, counted from 0. Never throws. */
export function parseJfilter(text: string): Outcome<Jfilter> {
  if (text.length > JFILTER_LIMITS.bytes || Buffer.byteLength(text) > JFILTER_LIMITS.bytes) {
    return failed('invalid', `the filter is longer than ${JFILTER_LIMITS.bytes} bytes`);
  }
  if (!text.isWellFormed() || text.includes('\0')) return failed('invalid', 'the filter contains NUL or an unpaired surrogate');
  try {
    return done(new Parser(text).whole());
  } catch (error) {
    if (error instanceof Refusal) return failed('invalid', error.message);
    throw error;
  }
}

/** Carries a problem out of the recursion, whose depth is bounded; never leaves this file. */
class Refusal extends Error {}

const BLANK = /[ \t\r\n]/;
const PATH = /[^()=!<>~ \t\r\n]+/y;
const OPERATOR = /!=|>=|<=|~=|=|>|</y;
const VALUE = /[^)]*/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #items = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Jfilter {
    const filter = this.#filter();
    if (this.#at < this.#text.length) this.#fail('expected the end of the filter');
    return filter;
  }

  #filter(): Jfilter {
    this.#blanks();
    const next = this.#text.charAt(this.#at);
    const filter = next === '(' ? this.#enclosed() : next === '&' || next === '|' || next === '!' ? this.#group(next) : this.#item();
    this.#blanks();
    return filter;
  }

  #group(sign: '&' | '|' | '!'): Jfilter {
    this.#at += 1;
    this.#blanks();
    const first = this.#enclosed();
    if (sign === '!') return { kind: 'not', part: first };
    const parts = [first];
    for (;;) {
      const end = this.#at;
      this.#blanks();
      if (this.#text.charAt(this.#at) !== '(') {
        this.#at = end;
        return { kind: sign === '&' ? 'and' : 'or', parts };
      }
      parts.push(this.#enclosed());
    }
  }

  #enclosed(): Jfilter {
    this.#expect('(');
    this.#depth += 1;
    if (this.#depth > JFILTER_LIMITS.depth) this.#fail(`parentheses are nested more than ${JFILTER_LIMITS.depth} deep`);
    const filter = this.#filter();
    this.#expect(')');
    this.#depth -= 1;
    return filter;
  }

  #item(): Jfilter {
    this.#items += 1;
    if (this.#items > JFILTER_LIMITS.items) this.#fail(`there are more than ${JFILTER_LIMITS.items} conditions`);
    const path = this.#match(PATH);
    if (path === undefined) this.#fail('expected "(", "&", "|", "!" or an attribute');
    if (path.endsWith('.') && path.indexOf('.') === path.length - 1) this.#fail('expected an attribute after "."');
    this.#blanks();
    const op = this.#match(OPERATOR);
    if (op === undefined) return { kind: 'item', path, op: 'present', value: [''] };
    const start = this.#at;
    const raw = this.#match(VALUE) ?? '';
    const value = toValue(raw);
    if (value === undefined) {
      this.#at = start;
      this.#fail('a value cannot contain NUL');
    }
    return { kind: 'item', path, op: isOperator(op) ? op : '=', value };
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #expect(character: '(' | ')'): void {
    if (this.#text.charAt(this.#at) !== character) this.#fail(`expected "${character}"`);
    this.#at += 1;
  }

  #blanks(): void {
    while (BLANK.test(this.#text.charAt(this.#at))) this.#at += 1;
  }

  #fail(what: string): never {
    throw new Refusal(`jfilter: ${what} at position ${this.#at}`);
  }
}

const isOperator = (text: string): text is Operator => ['=', '!=', '>', '>=', '<', '<=', '~='].includes(text);

/** The literal texts between the unescaped wildcards; undefined if one contains NUL. Blanks at both ends go before escapes are read. */
function toValue(raw: string): Value | undefined {
  let end = raw.length;
  while (end > 0 && BLANK.test(raw.charAt(end - 1))) end -= 1;
  const trimmed = raw.slice(0, end).replace(/^[ \t\r\n]+/, '');
  const texts = trimmed.split('*').map(unescaped);
  return texts.some((text) => text.includes('\0')) ? undefined : texts;
}

/** Runs of escapes are UTF-8; what is not, counts as Latin-1. A backslash without two hex digits stands for itself. */
function unescaped(text: string): string {
  return text.replace(/(?:\\[0-9a-fA-F]{2})+/g, (run) => {
    const bytes = Uint8Array.from(run.slice(1).split('\\'), (hex) => Number.parseInt(hex, 16));
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return String.fromCharCode(...bytes);
    }
  });
}
