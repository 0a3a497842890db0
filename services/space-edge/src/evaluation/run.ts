/** Evaluates an expression, with JavaScript's rules for values of different types. Its cost is bounded by its size, and by steps for long values. */
import { type Binary, type ContextName, MATH, type MathFunction, type Primitive, type Tree, type Value } from './tree.ts';

/** The values of names. Unknown names are undefined. */
export interface Variables {
  readonly variables?: ReadonlyMap<string, Value>;
  readonly contexts?: Readonly<Record<ContextName, ReadonlyMap<string, Value>>>;
}

export type Evaluated = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly problem: string };

/** The most steps of one evaluation: one for every part, and one for every 16 characters or items that an operation reads. */
const MAX_STEPS = 10_000;

class StepLimitExceeded extends Error {}

/** Never throws. */
export function run(tree: Tree, environment: Variables): Evaluated {
  try {
    return { ok: true, value: new Evaluation(environment).of(tree) };
  } catch (error) {
    if (error instanceof StepLimitExceeded) return { ok: false, problem: `takes more than ${MAX_STEPS} steps` };
    throw error;
  }
}

class Evaluation {
  readonly #around: Variables;
  #steps = 0;

  constructor(environment: Variables) {
    this.#around = environment;
  }

  of(tree: Tree): Value {
    this.#spend(1);
    switch (tree.op) {
      case 'value':
        return tree.value;
      case 'variable':
        return this.#around.variables?.get(tree.name);
      case 'name':
        return this.#around.contexts?.[tree.context].get(tree.name);
      case 'and':
        return this.#until(tree.parts, (value) => !value);
      case 'or':
        return this.#until(tree.parts, (value) => Boolean(value));
      case 'else':
        return this.#until(tree.parts, (value) => value !== null && value !== undefined);
      case 'not':
        return !this.of(tree.of);
      case 'minus':
        return -toNumber(this.#primitive(tree.of));
      case 'plus':
        return toNumber(this.#primitive(tree.of));
      case 'length': {
        const value = this.of(tree.of);
        return typeof value === 'string' || isList(value) ? value.length : undefined;
      }
      case 'choose':
        return this.of(this.of(tree.condition) ? tree.then : tree.otherwise);
      case 'includes':
        return this.#includes(this.of(tree.of), this.of(tree.part));
      case 'math':
        return callMath(
          tree.name,
          tree.of.map((part) => toNumber(this.#primitive(part))),
        );
      case 'binary':
        return this.#binary(tree.sign, this.of(tree.left), this.of(tree.right));
    }
  }

  #spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MAX_STEPS) throw new StepLimitExceeded();
  }

  #spendOn(value: Value): void {
    if (typeof value === 'string' || isList(value)) this.#spend(value.length >> 4);
  }

  /** The first value for which `ends` holds, else the last. */
  #until(parts: readonly Tree[], ends: (value: Value) => boolean): Value {
    let value: Value;
    for (const part of parts) {
      value = this.of(part);
      if (ends(value)) break;
    }
    return value;
  }

  #includes(value: Value, part: Value): boolean {
    this.#spendOn(value);
    this.#spendOn(part);
    if (isList(value)) return value.some((item) => item === part);
    return typeof value === 'string' && value.includes(String(toPrimitive(part)));
  }

  #primitive(tree: Tree): Primitive {
    const value = this.of(tree);
    this.#spendOn(value);
    return toPrimitive(value);
  }

  #binary(sign: Binary, left: Value, right: Value): Value {
    this.#spendOn(left);
    this.#spendOn(right);
    if (sign === '===') return left === right;
    if (sign === '!==') return left !== right;
    if (isList(left) && isList(right) && (sign === '==' || sign === '!=')) return (left === right) === (sign === '==');
    return binary(sign, toPrimitive(left), toPrimitive(right));
  }
}

function binary(sign: Exclude<Binary, '===' | '!=='>, left: Primitive, right: Primitive): Value {
  switch (sign) {
    case '==':
      return looselyEqual(left, right);
    case '!=':
      return !looselyEqual(left, right);
    case '<':
      return less(left, right, (one, other) => one < other);
    case '<=':
      return less(left, right, (one, other) => one <= other);
    case '>':
      return less(left, right, (one, other) => one > other);
    case '>=':
      return less(left, right, (one, other) => one >= other);
    case '+':
      if (typeof left === 'string' || typeof right === 'string') return `${left}${right}`;
      return toNumber(left) + toNumber(right);
    case '-':
      return toNumber(left) - toNumber(right);
    case '*':
      return toNumber(left) * toNumber(right);
    case '/':
      return toNumber(left) / toNumber(right);
    case '%':
      return toNumber(left) % toNumber(right);
    case '**':
      return toNumber(left) ** toNumber(right);
  }
}

function less(left: Primitive, right: Primitive, compare: (one: number | string, other: number | string) => boolean): boolean {
  return typeof left === 'string' && typeof right === 'string' ? compare(left, right) : compare(toNumber(left), toNumber(right));
}

function looselyEqual(left: Primitive, right: Primitive): boolean {
  const neither = (value: Primitive): boolean => value === null || value === undefined;
  if (neither(left) || neither(right)) return neither(left) && neither(right);
  return typeof left === typeof right ? left === right : toNumber(left) === toNumber(right);
}

const isList = (value: Value): value is readonly string[] => Array.isArray(value);
const toPrimitive = (value: Value): Primitive => (isList(value) ? value.join(',') : value);
const toNumber = (value: Primitive): number => Number(value);

function callMath(name: MathFunction, numbers: readonly number[]): number {
  const call: (...numbers: readonly number[]) => number = MATH[name];
  return call(...numbers);
}
