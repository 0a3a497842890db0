/** Splits expressions into tokens: numbers, texts, words, `#variables` and the supported operators of JavaScript. */

export type Token = { readonly at: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'word' | 'variable' | 'sign'; readonly value: string }
  | { readonly kind: 'end' }
);

export type Tokens = { readonly ok: true; readonly tokens: readonly Token[] } | { readonly ok: false; readonly problem: string };

const MAX_CHARACTERS = 4096;
const MAX_TOKENS = 1000;

const SPACE = /\s+/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_$][A-Za-z0-9_$]*/y;
const VARIABLE = /#[A-Za-z_][A-Za-z0-9_-]*/y;
const SIGN = /===|!==|==|!=|<=|>=|&&|\|\||\?\?|\*\*|[-+*/%<>!?:()[\].,;]/y;
const TEXT = /'((?:[^'\\\n]|\\[^\n])*)'|"((?:[^"\\\n]|\\[^\n])*)"/y;

/** @param variables names that may follow a `#`, longest match first */
export function tokensOf(text: string, variables: readonly string[]): Tokens {
  if (text.length > MAX_CHARACTERS) return { ok: false, problem: `is longer than ${MAX_CHARACTERS} characters` };
  const byLength = variables.toSorted((one, other) => other.length - one.length);
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text) ?? undefined;
  };
  while (at < text.length) {
    if (tokens.length >= MAX_TOKENS) return { ok: false, problem: `has more than ${MAX_TOKENS} parts` };
    const space = take(SPACE);
    if (space !== undefined) {
      at += space[0].length;
      continue;
    }
    const found = oneToken(text, at, take, byLength);
    if (found === undefined) return { ok: false, problem: unexpected(at) };
    tokens.push(found.token);
    at += found.length;
  }
  tokens.push({ at: text.length, kind: 'end' });
  return { ok: true, tokens };
}

export const unexpected = (at: number): string => `has something unexpected at character ${at + 1}`;

function oneToken(
  text: string,
  at: number,
  take: (pattern: RegExp) => RegExpExecArray | undefined,
  variables: readonly string[],
): { readonly token: Token; readonly length: number } | undefined {
  const number = take(NUMBER);
  if (number !== undefined) return { token: { at, kind: 'number', value: Number(number[0]) }, length: number[0].length };
  const word = take(WORD);
  if (word !== undefined) return { token: { at, kind: 'word', value: word[0] }, length: word[0].length };
  const written = take(TEXT);
  if (written !== undefined) {
    const value = (written[1] ?? written[2] ?? '').replace(/\\(.)/g, (_match, character: string) => ESCAPES[character] ?? character);
    return { token: { at, kind: 'text', value }, length: written[0].length };
  }
  const known = text[at] === '#' ? variables.find((name) => name !== '' && text.startsWith(name, at + 1)) : undefined;
  if (known !== undefined) return { token: { at, kind: 'variable', value: known }, length: known.length + 1 };
  const variable = take(VARIABLE);
  if (variable !== undefined) return { token: { at, kind: 'variable', value: variable[0].slice(1) }, length: variable[0].length };
  const sign = take(SIGN);
  return sign === undefined ? undefined : { token: { at, kind: 'sign', value: sign[0] }, length: sign[0].length };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
