/** The syntax tree of an expression. */

export type Primitive = number | string | boolean | null | undefined;
/** A value in an expression. A list of texts is the value of a PAYMENT feature. */
export type Value = Primitive | readonly string[];

/** The object that a name is read from: `pricingContext['features']`, `pricingContext['usageLimits']`, `subscriptionContext`. */
export type ContextName = 'features' | 'usageLimits' | 'used';

export type Binary = '===' | '!==' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%' | '**';

export type Tree =
  | { readonly op: 'value'; readonly value: Value }
  | { readonly op: 'variable'; readonly name: string }
  | { readonly op: 'name'; readonly context: ContextName; readonly name: string }
  /** `&&`, `||` and `??` over two or more parts. */
  | { readonly op: 'and' | 'or' | 'else'; readonly parts: readonly Tree[] }
  | { readonly op: 'not' | 'minus' | 'plus' | 'length'; readonly of: Tree }
  | { readonly op: 'choose'; readonly condition: Tree; readonly then: Tree; readonly otherwise: Tree }
  | { readonly op: 'includes'; readonly of: Tree; readonly part: Tree }
  | { readonly op: 'math'; readonly name: MathFunction; readonly of: readonly Tree[] }
  | { readonly op: 'binary'; readonly sign: Binary; readonly left: Tree; readonly right: Tree };

/** The functions that formulas may call. */
export const MATH = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  max: Math.max,
  min: Math.min,
  pow: Math.pow,
  round: Math.round,
  sign: Math.sign,
  sqrt: Math.sqrt,
  trunc: Math.trunc,
} as const satisfies Readonly<Record<string, (...numbers: number[]) => number>>;
export type MathFunction = keyof typeof MATH;
