/**
 * Price formulas: `#seats * 4.5 + 10`. Numbers, `#variable`, `+ - * /` and parentheses, nothing else: the text comes from an upload, so it is
 * read by a parser of its own and never given to the JavaScript engine.
 */

/** Characters of a formula: longer ones are a mistake. */
const MAX_CHARACTERS = 1000;
/** Parentheses and signs within each other. */
const MAX_DEPTH = 32;

export type FormulaResult = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly problem: string };

/** Whether a text price is a formula: it mentions a variable. */
export const isFormula = (text: string): boolean => /#[A-Za-z_]/.test(text);

/** The value of a formula with the variables of its pricing. Never throws. */
export function evaluateFormula(text: string, variables: ReadonlyMap<string, number>): FormulaResult {
  if (text.length > MAX_CHARACTERS) return { ok: false, problem: `is longer than ${MAX_CHARACTERS} characters` };
  const reader = new FormulaReader(text, variables);
  const value = reader.sum(0);
  if (reader.problem === undefined && !reader.atEnd) reader.fail(`has something unexpected at character ${reader.at + 1}`);
  if (reader.problem !== undefined) return { ok: false, problem: reader.problem };
  return Number.isFinite(value) ? { ok: true, value } : { ok: false, problem: 'has no finite value' };
}

class FormulaReader {
  readonly #text: string;
  readonly #variables: ReadonlyMap<string, number>;
  at = 0;
  problem: string | undefined;

  constructor(text: string, variables: ReadonlyMap<string, number>) {
    this.#text = text;
    this.#variables = variables;
  }

  get atEnd(): boolean {
    this.#skip();
    return this.at >= this.#text.length;
  }

  fail(problem: string): number {
    this.problem ??= problem;
    this.at = this.#text.length;
    return 0;
  }

  sum(depth: number): number {
    let value = this.#product(depth);
    for (;;) {
      if (this.#take('+')) value += this.#product(depth);
      else if (this.#take('-')) value -= this.#product(depth);
      else return value;
    }
  }

  #product(depth: number): number {
    let value = this.#factor(depth);
    for (;;) {
      if (this.#take('*')) value *= this.#factor(depth);
      else if (this.#take('/')) value /= this.#factor(depth);
      else return value;
    }
  }

  #factor(depth: number): number {
    if (depth > MAX_DEPTH) return this.fail('is nested too deep');
    if (this.#take('-')) return -this.#factor(depth + 1);
    if (this.#take('(')) {
      const value = this.sum(depth + 1);
      return this.#take(')') ? value : this.fail('lacks a closing parenthesis');
    }
    const number = this.#match(/\d+(?:\.\d+)?/y);
    if (number !== undefined) return Number(number);
    const variable = this.#match(/#[A-Za-z_][A-Za-z0-9_-]*/y)?.slice(1);
    if (variable === undefined) return this.fail(`has something unexpected at character ${this.at + 1}`);
    return this.#variables.get(variable) ?? this.fail(`uses #${variable}, which is no number under "variables"`);
  }

  #take(character: string): boolean {
    this.#skip();
    if (this.#text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    this.#skip();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  #skip(): void {
    while (this.#text[this.at] === ' ' || this.#text[this.at] === '\t') this.at += 1;
  }
}
