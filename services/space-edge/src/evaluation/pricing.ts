/** A pricing compiled for evaluation: parsed expressions, and the values that each offer grants. Compiled once per pricing version. */
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import { type ParsedExpression, readExpression } from './read.ts';
import type { Tree, Value } from './tree.ts';

/** A parsed expression and the names it uses. */
export interface Expression {
  readonly read: ParsedExpression;
  /** Whether it uses the subscription at all: SPACE treats one that does not as an error. */
  readonly mentionsContext: boolean;
  /** The names that it uses, each once, in the order of the text. */
  readonly features: readonly string[];
  readonly usageLimits: readonly string[];
  /** The limits whose consumption it uses: an evaluation consumes from these. */
  readonly used: readonly string[];
}

export interface EvaluatedFeature {
  readonly expression?: Expression;
  /** For evaluations on a server; falls back to `expression`. */
  readonly serverExpression?: Expression;
  /** The limits that link to the feature. */
  readonly linked: readonly string[];
}

/** The values that a plan or an add-on grants; for a plan, including the defaults of what it does not set. */
interface Grants {
  readonly features: ReadonlyMap<string, Value>;
  readonly usageLimits: ReadonlyMap<string, Value>;
  readonly extensions: ReadonlyMap<string, number>;
}

export interface EvaluatedPricing {
  readonly features: ReadonlyMap<string, EvaluatedFeature>;
  /** All limits of the pricing, whether or not a subscription has them. */
  readonly usageLimits: ReadonlySet<string>;
  readonly plans: ReadonlyMap<string, Grants>;
  readonly addOns: ReadonlyMap<string, Grants>;
}

/** @param sections of the stored pricing in the author's order. Other protocols may write it too, so its values are validated. */
export function compilePricing(sections: {
  readonly features: Readonly<Record<string, JsonObject>>;
  readonly usageLimits: Readonly<Record<string, JsonObject>>;
  readonly plans: Readonly<Record<string, JsonObject>>;
  readonly addOns: Readonly<Record<string, JsonObject>>;
}): EvaluatedPricing {
  const { features, usageLimits, plans, addOns } = sections;
  return {
    features: new Map(Object.entries(features).map(([name, feature]) => [name, compileFeature(name, feature, usageLimits)])),
    usageLimits: new Set(Object.keys(usageLimits)),
    plans: mapped(plans, (plan) => grantsOf(plan, { features: defaultsOf(features), usageLimits: defaultsOf(usageLimits) })),
    addOns: mapped(addOns, (addOn) => grantsOf(addOn, { features: [], usageLimits: [] })),
  };
}

const mapped = <T>(entries: Readonly<Record<string, JsonObject>>, make: (entry: JsonObject) => T): ReadonlyMap<string, T> =>
  new Map(Object.entries(entries).map(([name, entry]) => [name, make(entry)]));

function compileFeature(name: string, feature: JsonObject, limits: Readonly<Record<string, JsonObject>>): EvaluatedFeature {
  const { expression, serverExpression } = feature;
  const linked = Object.entries(limits).flatMap(([limit, { linkedFeatures }]) =>
    Array.isArray(linkedFeatures) && linkedFeatures.includes(name) ? [limit] : [],
  );
  return {
    linked,
    ...(typeof expression === 'string' ? { expression: compileExpression(expression) } : {}),
    ...(typeof serverExpression === 'string' ? { serverExpression: compileExpression(serverExpression) } : {}),
  };
}

export function compileExpression(text: string): Expression {
  const read = readExpression(text, { variables: [], contexts: true });
  const names = read.ok ? namesIn(read.tree) : { features: [], usageLimits: [], used: [] };
  return { read, mentionsContext: /(?:pricing|subscription|plan|user)Context/.test(text), ...names };
}

function namesIn(tree: Tree): Pick<Expression, 'features' | 'usageLimits' | 'used'> {
  const found = { features: new Set<string>(), usageLimits: new Set<string>(), used: new Set<string>() };
  for (const part of partsOf(tree)) if (part.op === 'name') found[part.context].add(part.name);
  return { features: [...found.features], usageLimits: [...found.usageLimits], used: [...found.used] };
}

/** A tree and all its descendants, in the order of the text. */
export function partsOf(tree: Tree): readonly Tree[] {
  const parts: Tree[] = [];
  const waiting: Tree[] = [tree];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    parts.push(part);
    waiting.push(...childrenOf(part).toReversed());
  }
  return parts;
}

function childrenOf(tree: Tree): readonly Tree[] {
  switch (tree.op) {
    case 'value':
    case 'variable':
    case 'name':
      return [];
    case 'and':
    case 'or':
    case 'else':
      return tree.parts;
    case 'not':
    case 'minus':
    case 'plus':
    case 'length':
      return [tree.of];
    case 'choose':
      return [tree.condition, tree.then, tree.otherwise];
    case 'includes':
      return [tree.of, tree.part];
    case 'math':
      return tree.of;
    case 'binary':
      return [tree.left, tree.right];
  }
}

type Entries = readonly (readonly [name: string, value: Value])[];

function grantsOf(offer: JsonObject, defaults: { readonly features: Entries; readonly usageLimits: Entries }): Grants {
  return {
    features: new Map([...defaults.features, ...valuesOf(offer.features)]),
    usageLimits: new Map([...defaults.usageLimits, ...valuesOf(offer.usageLimits)]),
    extensions: new Map(
      valuesOf(offer.usageLimitsExtensions).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])),
    ),
  };
}

const defaultsOf = (definitions: Readonly<Record<string, JsonObject>>): Entries =>
  Object.entries(definitions).map(([name, { defaultValue }]) => [name, toValue(defaultValue)]);

const valuesOf = (values: Json | undefined): Entries =>
  isObject(values) ? Object.entries(values).map(([name, value]) => [name, toValue(value)]) : [];

function toValue(value: Json | undefined): Value {
  // Pricings do not contain bigints, but another protocol may have written one.
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  return isObject(value) ? undefined : value.filter((item) => typeof item === 'string');
}
