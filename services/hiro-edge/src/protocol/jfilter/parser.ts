/**
 * The grammar of jfilter. The operator characters of the vendor's table are missing in every copy of its page; the grammar follows
 * the surviving examples, the clients' own filters and the vendor's client-side LDAP parser (modelled on RFC 4515):
 *
 *     filter = ws ( group / "(" ws filter ws ")" / item ) ws
 *     group  = ( "&" / "|" ) 1*( ws "(" ws filter ws ")" ) / "!" ws "(" ws filter ws ")"
 *     item   = path ws [ op ws value ]
 *     op     = "!=" / ">=" / "<=" / "~=" / "=" / ">" / "<"
 *
 * Spaces inside values are kept (the vendor's parser removes them). A backslash and two hex digits encode one byte of UTF-8.
 */
import { failed, type Outcome } from '@polyedge/contracts/errors';
import { parsing } from '@polyedge/query/parsed';
import { checkText, Scanner } from '@polyedge/query/scanner';

export type Jfilter =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Jfilter[] }
  | { readonly kind: 'not'; readonly part: Jfilter }
  | { readonly kind: 'item'; readonly path: string; readonly op: Operator; readonly value: FilterValue };

export type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~=' | 'present';

/** A value: literal texts with a wildcard between each two; a single text has no wildcard. */
export type FilterValue = readonly string[];

export const JFILTER_LIMITS = { bytes: 16 * 1024, depth: 32, items: 256 } as const;

/** Parses a jfilter. Failures are `invalid`; the detail names the position, counted from 0. Never throws. */
export function parseJfilter(text: string): Outcome<Jfilter> {
  const parsed = parsing(() => {
    checkText(text, JFILTER_LIMITS.bytes, 'filter');
    return new JfilterParser('jfilter', text).whole();
  });
  return parsed.ok ? parsed : failed('invalid', parsed.problem);
}

const BLANK = /[ \t\r\n]/;
const PATH = /[^()=!<>~ \t\r\n]+/y;
const OPERATOR = /!=|>=|<=|~=|=|>|</y;
const VALUE = /[^)]*/y;

class JfilterParser extends Scanner {
  #items = 0;

  whole(): Jfilter {
    const filter = this.#filter();
    if (!this.atEnd) this.fail('expected the end of the filter');
    return filter;
  }

  #filter(): Jfilter {
    this.skipSpace();
    const next = this.next;
    const filter = next === '(' ? this.#enclosed() : next === '&' || next === '|' || next === '!' ? this.#group(next) : this.#item();
    this.skipSpace();
    return filter;
  }

  #group(sign: '&' | '|' | '!'): Jfilter {
    this.at += 1;
    this.skipSpace();
    const first = this.#enclosed();
    if (sign === '!') return { kind: 'not', part: first };
    const parts = [first];
    for (;;) {
      const end = this.at;
      this.skipSpace();
      if (this.next !== '(') {
        this.at = end;
        return { kind: sign === '&' ? 'and' : 'or', parts };
      }
      parts.push(this.#enclosed());
    }
  }

  #enclosed(): Jfilter {
    this.expect('(');
    const filter = this.nested(JFILTER_LIMITS.depth, 'parentheses', () => this.#filter());
    this.expect(')');
    return filter;
  }

  #item(): Jfilter {
    this.#items += 1;
    if (this.#items > JFILTER_LIMITS.items) this.fail(`there are more than ${JFILTER_LIMITS.items} conditions`);
    const path = this.match(PATH);
    if (path === undefined) this.fail('expected "(", "&", "|", "!" or an attribute');
    if (path.endsWith('.') && path.indexOf('.') === path.length - 1) this.fail('expected an attribute after "."');
    this.skipSpace();
    const op = this.match(OPERATOR);
    if (op === undefined) return { kind: 'item', path, op: 'present', value: [''] };
    const start = this.at;
    const raw = this.match(VALUE) ?? '';
    const value = toValue(raw);
    if (value === undefined) this.fail('a value cannot contain NUL', start);
    return { kind: 'item', path, op: isOperator(op) ? op : '=', value };
  }
}

const isOperator = (text: string): text is Operator => ['=', '!=', '>', '>=', '<', '<=', '~='].includes(text);

/** The literal texts between the unescaped wildcards; undefined if one contains NUL. Surrounding spaces are removed before escapes are decoded. */
function toValue(raw: string): FilterValue | undefined {
  let end = raw.length;
  while (end > 0 && BLANK.test(raw.charAt(end - 1))) end -= 1;
  const trimmed = raw.slice(0, end).replace(/^[ \t\r\n]+/, '');
  const texts = trimmed.split('*').map(unescaped);
  return texts.some((text) => text.includes('\0')) ? undefined : texts;
}

/** Runs of escapes are UTF-8, or else Latin-1. A backslash without two hex digits is literal. */
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
