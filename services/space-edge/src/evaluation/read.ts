/**
 * Parses an expression: the subset of JavaScript that pricings use. There are no assignments, no functions except those of `MATH`, no
 * properties except `length` and `includes`, and no computed names, so any expression that parses is harmless.
 */
import { type Token, tokensOf, unexpected } from './tokens.ts';
import { type Binary, type ContextName, MATH, type MathFunction, type Tree } from './tree.ts';

/** The depth of nested parentheses, signs and conditions. */
const MAX_DEPTH = 32;

/** The names that an expression may use. */
export interface Names {
  /** `#name`, in price formulas. */
  readonly variables: readonly string[];
  /** Whether it may use `pricingContext` and `subscriptionContext`, or their older names `planContext` and `userContext`. */
  readonly contexts: boolean;
}

export type ParsedExpression = { readonly ok: true; readonly tree: Tree } | { readonly ok: false; readonly problem: string };

/** Never throws. */
export function readExpression(text: string, names: Names): ParsedExpression {
  const lexed = tokensOf(text, names.variables);
  if (!lexed.ok) return lexed;
  const reader = new ExpressionParser(lexed.tokens, names);
  const tree = reader.expression(0);
  reader.end();
  return reader.problem === undefined ? { ok: true, tree } : { ok: false, problem: reader.problem };
}

const NOTHING: Tree = { op: 'value', value: undefined };

/** Binary operators by precedence, lowest first. `**` is parsed separately, because it is right-associative. */
const LEVELS: readonly (readonly Binary[])[] = [
  ['===', '!==', '==', '!='],
  ['<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
];

const WORDS: ReadonlyMap<string, Tree> = new Map<string, Tree>([
  ['true', { op: 'value', value: true }],
  ['false', { op: 'value', value: false }],
  ['null', { op: 'value', value: null }],
  ['undefined', NOTHING],
  ['NaN', { op: 'value', value: Number.NaN }],
  ['Infinity', { op: 'value', value: Number.POSITIVE_INFINITY }],
]);

class ExpressionParser {
  readonly #tokens: readonly Token[];
  readonly #names: Names;
  #next = 0;
  problem: string | undefined;

  constructor(tokens: readonly Token[], names: Names) {
    this.#tokens = tokens;
    this.#names = names;
  }

  end(): void {
    this.#take(';');
    if (this.#token?.kind !== 'end') this.#unexpected();
  }

  expression(depth: number): Tree {
    if (depth > MAX_DEPTH) return this.#fail('is nested too deep');
    const condition = this.#joined(depth, 0);
    if (!this.#take('?')) return condition;
    const then = this.expression(depth + 1);
    this.#expect(':');
    return { op: 'choose', condition, then, otherwise: this.expression(depth + 1) };
  }

  /** `a || b`, `a && b`: lists instead of trees, so that a long chain is not deep. */
  #joined(depth: number, level: 0 | 1): Tree {
    const part = (): Tree => (level === 0 ? this.#joined(depth, 1) : this.#sides(depth, 0));
    const first = part();
    const sign = level === 1 ? (this.#is('&&') ? '&&' : undefined) : this.#is('||') ? '||' : this.#is('??') ? '??' : undefined;
    if (sign === undefined) return first;
    const parts = [first];
    while (this.#take(sign)) parts.push(part());
    return { op: sign === '&&' ? 'and' : sign === '||' ? 'or' : 'else', parts };
  }

  #sides(depth: number, level: number): Tree {
    const signs = LEVELS[level];
    if (signs === undefined) return this.#power(depth);
    let left = this.#sides(depth, level + 1);
    for (let sign = this.#oneOf(signs); sign !== undefined; sign = this.#oneOf(signs)) {
      left = { op: 'binary', sign, left, right: this.#sides(depth, level + 1) };
    }
    return left;
  }

  #power(depth: number): Tree {
    const base = this.#signed(depth);
    return this.#take('**') ? { op: 'binary', sign: '**', left: base, right: this.#powerBelow(depth) } : base;
  }

  #powerBelow(depth: number): Tree {
    return depth > MAX_DEPTH ? this.#fail('is nested too deep') : this.#power(depth + 1);
  }

  #signed(depth: number): Tree {
    if (depth > MAX_DEPTH) return this.#fail('is nested too deep');
    if (this.#take('!')) return { op: 'not', of: this.#signed(depth + 1) };
    if (this.#take('-')) return { op: 'minus', of: this.#signed(depth + 1) };
    if (this.#take('+')) return { op: 'plus', of: this.#signed(depth + 1) };
    return this.#withProperties(this.#single(depth), depth);
  }

  /** `.length` and `.includes(…)` of a text or a list. */
  #withProperties(of: Tree, depth: number): Tree {
    let tree = of;
    while (this.#take('.')) {
      const name = this.#word();
      if (name === 'length') tree = { op: 'length', of: tree };
      else if (name === 'includes') {
        this.#expect('(');
        tree = { op: 'includes', of: tree, part: this.expression(depth + 1) };
        this.#expect(')');
      } else return this.#unexpected(-1);
    }
    return tree;
  }

  #single(depth: number): Tree {
    const token = this.#token;
    if (token === undefined) return this.#unexpected();
    switch (token.kind) {
      case 'number':
      case 'text':
        this.#next += 1;
        return { op: 'value', value: token.value };
      case 'variable':
        this.#next += 1;
        if (this.#names.variables.includes(token.value)) return { op: 'variable', name: token.value };
        return this.#fail(`uses #${token.value}, which is not among the "variables"`);
      case 'word':
        this.#next += 1;
        return this.#named(token.value, depth);
      case 'sign':
      case 'end': {
        if (!this.#take('(')) return this.#unexpected();
        const inner = this.expression(depth + 1);
        this.#expect(')', 'lacks a closing parenthesis');
        return inner;
      }
    }
  }

  #named(word: string, depth: number): Tree {
    const known = WORDS.get(word);
    if (known !== undefined) return known;
    if (word === 'Math') return this.#math(depth);
    if (this.#names.contexts) {
      if (word === 'subscriptionContext' || word === 'userContext') return this.#name('used');
      if (word === 'pricingContext' || word === 'planContext') {
        const section = this.#key();
        if (section === 'features') return this.#name('features');
        if (section === 'usageLimits') return this.#name('usageLimits');
        return this.#fail('reads something of pricingContext that is neither "features" nor "usageLimits"');
      }
    }
    return this.#unexpected(-1);
  }

  #name(context: ContextName): Tree {
    return { op: 'name', context, name: this.#key() };
  }

  /** `['name']`, `["name"]` or `.name`. Computed names are not allowed. */
  #key(): string {
    if (this.#take('.')) return this.#word();
    this.#expect('[');
    const token = this.#token;
    if (token?.kind !== 'text') {
      this.#unexpected();
      return '';
    }
    this.#next += 1;
    this.#expect(']');
    return token.value;
  }

  #math(depth: number): Tree {
    this.#expect('.');
    const name = this.#word();
    if (!isMath(name)) return this.#unexpected(-1);
    this.#expect('(');
    const of: Tree[] = [];
    if (!this.#is(')')) {
      do of.push(this.expression(depth + 1));
      while (this.#take(','));
    }
    this.#expect(')');
    return { op: 'math', name, of };
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #is(sign: string): boolean {
    const token = this.#token;
    return token?.kind === 'sign' && token.value === sign;
  }

  #take(sign: string): boolean {
    const taken = this.#is(sign);
    if (taken) this.#next += 1;
    return taken;
  }

  #oneOf(signs: readonly Binary[]): Binary | undefined {
    return signs.find((sign) => this.#take(sign));
  }

  #expect(sign: string, otherwise?: string): void {
    if (this.#take(sign)) return;
    if (otherwise === undefined) this.#unexpected();
    else this.#fail(otherwise);
  }

  #word(): string {
    const token = this.#token;
    if (token?.kind !== 'word') {
      this.#unexpected();
      return '';
    }
    this.#next += 1;
    return token.value;
  }

  #unexpected(by = 0): Tree {
    return this.#fail(unexpected(this.#tokens[this.#next + by]?.at ?? 0));
  }

  /** Records the first problem and moves to the end, where parsing stops. */
  #fail(problem: string): Tree {
    this.problem ??= problem;
    this.#next = this.#tokens.length - 1;
    return NOTHING;
  }
}

const isMath = (name: string): name is MathFunction => Object.hasOwn(MATH, name);
