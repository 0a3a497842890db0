/**
 * The query string of `query vertices` (HIRO Graph API, Lucene syntax) as a filter.
 *
 * Strings are compared whole and case-sensitively. `ogit/_content` is searched by words, `ogit/_content.ngram` by any part of the text,
 * `ogit/_tags` by one of its comma-separated tags. Times are milliseconds, ISO dates or `now` with arithmetic. Regular expressions match a
 * whole value. Terms without a field are searched among the words of `ogit/_content` and `ogit/name`. A group that consists only of
 * negations matches everything else (as in the vendor's search engine).
 */
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { EVERYTHING, type Filter, literalPattern } from '@polyedge/query/filter';
import { parseRegexp } from '@polyedge/query/regexp';
import { isDecimal } from '@polyedge/query/text';
import { parseFilter } from '@polyedge/query/validate';
import { sourceOf } from '../element/attributes.ts';
import { type Comparison, compareAttribute } from '../element/comparison.ts';
import { type Span, timeSpan } from './dates.ts';
import { type Bound, type Lucene, type Placeholders, parseLucene } from './parser.ts';

const CONTENT = 'ogit/_content';
const PARTS_OF_CONTENT = 'ogit/_content.ngram';
const TAGS = 'ogit/_tags';

/** The attributes that contain times. */
const TIME = /^ogit\/_(?:created|modified|deleted)-on$/;

/** The attributes that terms without a field are searched in. */
const BARE_FIELDS = [CONTENT, 'ogit/name'];

/**
 * Compiles a query string. Failures are `invalid`, with the position in the detail. Never throws.
 *
 * @param context.tenant the value of `ogit/_organization` in elements that do not have it
 * @param context.at the time of `now`
 * @param context.placeholders the rest of the request's body: `$name` is replaced by the value of `name`, always as a value
 */
export function compileLucene(
  text: string,
  context: { readonly tenant: string; readonly at?: number; readonly placeholders?: Placeholders },
): Outcome<Filter> {
  const parsed = parseLucene(text, context.placeholders);
  if (!parsed.ok) return parsed;
  const filter = new Compiler(context.tenant, context.at ?? 0).filter(parsed.value);
  if (!filter.ok) return filter;
  const checked = parseFilter(filter.value);
  return checked.ok ? done(checked.value) : failed('invalid', `query: ${checked.problem}`);
}

class Compiler {
  readonly #tenant: string;
  readonly #at: number;
  #problem: string | undefined;

  constructor(tenant: string, at: number) {
    this.#tenant = tenant;
    this.#at = at;
  }

  filter(query: Lucene): Outcome<Filter> {
    const filter = this.#query(query);
    return this.#problem === undefined ? done(filter) : failed('invalid', `query: ${this.#problem}`);
  }

  #query(query: Lucene): Filter {
    switch (query.kind) {
      case 'everything':
        return EVERYTHING;
      case 'exists':
        return this.#compare(query.field === PARTS_OF_CONTENT ? CONTENT : query.field, { is: 'present' });
      case 'clauses': {
        const [must, should, not] = [query.must, query.should, query.not].map((parts) => parts.map((part) => this.#query(part)));
        // If something must match, a clause that should match only raises the score.
        const wanted = must?.length === 0 && should !== undefined && should.length > 0 ? [any(should)] : (must ?? []);
        return all([...wanted, ...(not ?? []).map((part): Filter => ({ not: part }))]);
      }
      case 'term': {
        const { field, values, quoted } = query;
        return any(values.map((value) => this.#perField(field, (name) => this.#term(name, value, quoted, field === undefined))));
      }
      case 'wildcard': {
        const { field, pattern } = query;
        return this.#perField(field, (name) => this.#wildcard(name, pattern, field === undefined));
      }
      case 'regexp':
        return this.#regexp(query.field, query.pattern);
      case 'range':
        return this.#range(query.field, query.from, query.to);
    }
  }

  #perField(field: string | undefined, make: (name: string) => Filter): Filter {
    return field === undefined ? any(BARE_FIELDS.map(make)) : make(field);
  }

  #term(field: string, value: string, quoted: boolean, bare: boolean): Filter {
    if (field === PARTS_OF_CONTENT) return this.#compare(CONTENT, { is: 'like', pattern: `*${literalPattern(value)}*`, fold: true });
    if (field === CONTENT || bare) return this.#compare(field, { is: 'words', value, phrase: quoted });
    if (field === TAGS) return any(tagPatterns(literalPattern(value)).map((pattern) => this.#compare(field, { is: 'like', pattern })));
    const time = this.#time(field, value);
    if (time !== undefined && time.first !== time.last) return this.#between(field, time.first, time.last);
    return this.#compare(field, { is: 'exact', value: time === undefined ? this.#typed(field, value) : String(time.first) });
  }

  #regexp(field: string, pattern: string): Filter {
    const regexp = parseRegexp(pattern);
    if (!regexp.ok) this.#problem ??= regexp.problem;
    if (field === CONTENT || field === PARTS_OF_CONTENT) this.#problem ??= `${field} is searched by words, not by regular expressions`;
    // Matches one of the comma-separated tags.
    return this.#compare(field, { is: 'regexp', pattern: field === TAGS ? `(@,( )?)?(${pattern})(,@)?` : pattern });
  }

  #wildcard(field: string, pattern: string, bare: boolean): Filter {
    if (field === PARTS_OF_CONTENT || field === CONTENT || bare) {
      // There is no pattern for a single word; one for a part of the text finds at least as much.
      return this.#compare(field === PARTS_OF_CONTENT ? CONTENT : field, { is: 'like', pattern: `*${pattern}*`, fold: true });
    }
    if (field === TAGS) return any(tagPatterns(pattern).map((tag) => this.#compare(field, { is: 'like', pattern: tag })));
    return this.#compare(field, { is: 'like', pattern });
  }

  #range(field: string, from: Bound | undefined, to: Bound | undefined): Filter {
    for (const bound of [from, to]) {
      // Compared as text it would silently find nothing.
      const isNow = bound !== undefined && /^now(?:[+-]\d+[a-zA-Z]|\/[a-zA-Z]|$)/.test(bound.value);
      if (isNow && !TIME.test(field)) this.#problem ??= `${field} is not a time, so it cannot be compared with now`;
    }
    const parts: Filter[] = [];
    if (from !== undefined) {
      const time = this.#time(field, from.value);
      // "More than" a day means after its end.
      const value = time === undefined ? this.#typed(field, from.value) : String(from.inclusive ? time.first : time.last);
      parts.push(this.#compare(field, { is: 'order', order: from.inclusive ? 'at-least' : 'more', value }));
    }
    if (to !== undefined) {
      const time = this.#time(field, to.value);
      const value = time === undefined ? this.#typed(field, to.value) : String(to.inclusive ? time.last : time.first);
      parts.push(this.#compare(field, { is: 'order', order: to.inclusive ? 'at-most' : 'less', value }));
    }
    return parts.length === 0 ? this.#compare(field, { is: 'present' }) : all(parts);
  }

  #between(field: string, first: number, last: number): Filter {
    return all([
      this.#compare(field, { is: 'order', order: 'at-least', value: String(first) }),
      this.#compare(field, { is: 'order', order: 'at-most', value: String(last) }),
    ]);
  }

  /** The span of a time; undefined for milliseconds and for attributes that are not times. */
  #time(field: string, value: string): Span | undefined {
    if (!TIME.test(field)) return undefined;
    if (isDecimal(value)) return undefined;
    const span = timeSpan(value, this.#at);
    if (span === undefined)
      this.#problem ??= `${field} is compared with milliseconds, an ISO date, or now with arithmetic such as now-1d/d`;
    return span ?? { first: 0, last: 0 };
  }

  /** Checks the values of typed fields. Numbers may have leading zeros, which HIRO 6 required. */
  #typed(field: string, value: string): string {
    const { kind } = sourceOf(field);
    if (kind === 'number' && !isDecimal(value)) this.#problem ??= `${field} is compared with a number`;
    if (kind === 'boolean' && value !== 'true' && value !== 'false') this.#problem ??= `${field} is compared with true or false`;
    return kind === 'number' && value.length > 15 ? value.replace(/^0+(?=\d)/, '') : value;
  }

  #compare(field: string, comparison: Comparison): Filter {
    return compareAttribute(field, comparison, this.#tenant);
  }
}

/** Patterns for one tag of a comma-separated list, with or without a space after each comma. */
function tagPatterns(tag: string): readonly string[] {
  return [tag, `${tag},*`, `*,${tag}`, `*,${tag},*`, `*, ${tag}`, `*, ${tag},*`];
}

function all(parts: readonly Filter[]): Filter {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { all: parts };
}

/** Equalities on one path become one `in`, which the store answers with one index lookup. */
function any(parts: readonly Filter[]): Filter {
  const rest: Filter[] = [];
  const equalities = new Map<string, { path: readonly string[]; values: string[] }>();
  for (const part of parts) {
    if (!('test' in part) || part.test !== 'equal' || typeof part.value !== 'string') {
      rest.push(part);
      continue;
    }
    const key = part.path.join('\0');
    const known = equalities.get(key);
    if (known === undefined) equalities.set(key, { path: part.path, values: [part.value] });
    else known.values.push(part.value);
  }
  for (const { path, values } of equalities.values()) {
    const [only] = values;
    rest.push(values.length === 1 && only !== undefined ? { test: 'equal', path, value: only } : { test: 'in', path, values });
  }
  const [only] = rest;
  return rest.length === 1 && only !== undefined ? only : { any: rest };
}
