import { fold } from './text.ts';

/** A part of a `text-like` pattern: literal text, `*` (any run) and `?` (one character). */
export type PatternPart = { readonly literal: string } | 'any' | 'one';

/** Parses a pattern. Every text is valid: a trailing backslash is literal. A run of `*` becomes one. */
export function parsePattern(pattern: string): readonly PatternPart[] {
  const parts: PatternPart[] = [];
  let literal = '';
  const flush = (): void => {
    if (literal !== '') parts.push({ literal });
    literal = '';
  };
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === '\\' && at + 1 < pattern.length) {
      literal += pattern.charAt(++at);
    } else if (character === '*') {
      flush();
      if (parts.at(-1) !== 'any') parts.push('any');
    } else if (character === '?') {
      flush();
      parts.push('one');
    } else {
      literal += character;
    }
  }
  flush();
  return parts;
}

/**
 * Compiles a pattern to a test of the whole text. Matching never backtracks over more than one `*`, so it costs at most
 * text length × pattern length.
 */
export function compilePattern(pattern: string, folded: boolean): (text: string) => boolean {
  const parts = parsePattern(folded ? fold(pattern) : pattern);
  const matches = parts.includes('one') ? byCharacter(parts) : bySegment(parts);
  return folded ? (text) => matches(fold(text)) : matches;
}

/** For patterns without `?`: finds the literals one after the other, each as early as possible. */
function bySegment(parts: readonly PatternPart[]): (text: string) => boolean {
  const literals = parts.flatMap((part) => (typeof part === 'object' ? [part.literal] : []));
  const openStart = parts[0] === 'any';
  const openEnd = parts.at(-1) === 'any';
  if (!openStart && !openEnd && literals.length <= 1) {
    const whole = literals[0] ?? '';
    return (text) => text === whole;
  }
  const first = openStart ? '' : (literals[0] ?? '');
  const last = openEnd ? '' : (literals.at(-1) ?? '');
  const between = literals.slice(openStart ? 0 : 1, openEnd ? undefined : -1);
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const literal of between) {
      const found = text.indexOf(literal, at);
      if (found < 0) return false;
      at = found + literal.length;
      if (at > end) return false;
    }
    return true;
  };
}

/** For patterns with `?`: compares code point by code point. */
function byCharacter(parts: readonly PatternPart[]): (text: string) => boolean {
  const tokens = parts.flatMap((part): (string | { readonly wild: 'any' | 'one' })[] =>
    typeof part === 'object' ? Array.from(part.literal) : [{ wild: part }],
  );
  return (text) => {
    const characters = Array.from(text);
    let at = 0;
    let token = 0;
    let resumeToken = -1;
    let resumeAt = 0;
    while (at < characters.length) {
      const expected = tokens[token];
      if (typeof expected === 'object' && expected.wild === 'any') {
        resumeToken = ++token;
        resumeAt = at;
      } else if (expected !== undefined && (typeof expected === 'object' || expected === characters[at])) {
        token++;
        at++;
      } else if (resumeToken >= 0) {
        token = resumeToken;
        at = ++resumeAt;
      } else {
        return false;
      }
    }
    return tokens.slice(token).every((rest) => typeof rest === 'object' && rest.wild === 'any');
  };
}
