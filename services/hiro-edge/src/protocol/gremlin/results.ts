/** Steps that aggregate and order traversers, or make maps and lists of them. */
import { meanOf, sumOf } from '@polyedge/query/decimal-sum';
import { isDecimal, textOf } from '@polyedge/query/text';
import { toVertex } from '../element/vertex.ts';
import { refuse } from './arguments.ts';
import { moved } from './moves.ts';
import type { StepCall } from './parser.ts';
import {
  type By,
  byValues,
  labelled,
  move,
  ordered,
  pathOf,
  perOrigin,
  perTraverser,
  type RunContext,
  run,
  type StoreReads,
  start,
  type TraversalStep,
  type Traverser,
} from './run.ts';
import { attributeOf, compareValues, json, keyOf, TraversalError, type Value } from './values.ts';

/** The greatest depth of a tree, and so of the nesting of its answer. */
const MAX_TREE = 64;

export const ITSELF: By = { of: 'itself' };

/** An order key; `sign` is -1 for descending. */
export interface Sorting {
  readonly by: By;
  readonly sign: number;
}

/** A step with one result per origin, computed from all its values, which may be none. */
export const reduce = (make: (values: readonly Value[]) => Value): TraversalStep =>
  perOrigin((traversers, origin) => [start(make(traversers.map(({ value }) => value)), origin)]);

/** Orders the traversers of each origin. */
export function order(bys: readonly Sorting[]): TraversalStep {
  const sortings = bys.length === 0 ? [{ by: ITSELF, sign: 1 }] : bys;
  return function* (inputs, origins, context) {
    const columns: (readonly (Value | undefined)[])[] = [];
    for (const { by } of sortings) columns.push(yield* byValues(by, inputs, context));
    const sorted = ordered(
      inputs,
      columns,
      sortings.map(({ sign }) => sign),
    );
    return yield* perOrigin((traversers) => traversers)(sorted, origins, context);
  };
}

/** Sum, mean, minimum or maximum; no result without values. */
export function numbers(name: 'sum' | 'mean' | 'min' | 'max'): TraversalStep {
  return perOrigin((traversers, origin) => {
    const values = traversers.map(({ value }) => value);
    const [first] = values;
    if (first === undefined) return [];
    if (name === 'min' || name === 'max') {
      const sign = name === 'min' ? 1 : -1;
      return [
        start(
          values.reduce((best, value) => (sign * compareValues(value, best) < 0 ? value : best), first),
          origin,
        ),
      ];
    }
    const parts = values.flatMap((value) => decimalOf(value) ?? []);
    if (parts.length === 0) return [];
    const result = name === 'sum' ? sumOf(parts) : meanOf(parts);
    if (result === undefined) throw new TraversalError(`gremlin: the ${name} is beyond 2^53 with a fraction, or has no end`);
    return [start(json(result), origin)];
  });
}

/** A number, or a text that is one, as a decimal. */
function decimalOf(value: Value): string | undefined {
  const text = value.is === 'json' ? textOf(value.json)?.trim() : undefined;
  if (text === undefined || isDecimal(text)) return text;
  return EXPONENT.test(text) ? textOf(Number(text)) : undefined;
}

const EXPONENT = /^[+-]?\d{1,100}(?:\.\d{1,100})?e[+-]?\d{1,3}$/i;

export function group(key: By, value: By | undefined): TraversalStep {
  return function* (inputs, origins, context) {
    const results: Traverser[] = [];
    for (const [origin, groups] of yield* groupsOf(key, inputs, origins, context)) {
      const entries: [string, Value][] = [];
      for (const [name, members] of groups) entries.push([name, yield* groupValue(value, members, context)]);
      results.push(start({ is: 'map', entries }, origin));
    }
    return results;
  };
}

export function groupCount(key: By): TraversalStep {
  return function* (inputs, origins, context) {
    return [...(yield* groupsOf(key, inputs, origins, context))].map(([origin, groups]) => {
      const entries = [...groups].map(([name, members]) => [name, json(members.length)] as const);
      return start({ is: 'map', entries }, origin);
    });
  };
}

/** The traversers of each origin by their key, in the order in which the keys appear; those without a key are left out. */
function* groupsOf(
  key: By,
  inputs: readonly Traverser[],
  origins: readonly number[],
  context: RunContext,
): StoreReads<ReadonlyMap<number, ReadonlyMap<string, readonly Traverser[]>>> {
  const keys = yield* byValues(key, inputs, context);
  const groups = new Map<number, Map<string, Traverser[]>>(origins.map((origin) => [origin, new Map()]));
  for (const [at, input] of inputs.entries()) {
    const name = keys[at] === undefined ? undefined : keyOf(keys[at]);
    const mine = groups.get(input.origin);
    if (name === undefined || mine === undefined) continue;
    const members = mine.get(name);
    if (members === undefined) mine.set(name, [input]);
    else members.push(input);
  }
  return groups;
}

/** The second `by` of a group: a reducing traversal gives a single result, anything else a list. */
function* groupValue(by: By | undefined, members: readonly Traverser[], context: RunContext): StoreReads<Value> {
  if (by?.of !== 'traversal') {
    const values = yield* byValues(by ?? ITSELF, members, context);
    return { is: 'list', items: values.filter((value) => value !== undefined) };
  }
  const results = yield* run(
    by.steps,
    members.map((member) => ({ ...member, origin: 0 })),
    [0],
    context,
  );
  const [first] = results;
  return by.reduces && first !== undefined ? first.value : { is: 'list', items: results.map(({ value }) => value) };
}

/** Elements on the path by their labels, or entries of a map: a single one as it is, several as a map. */
export function select(labels: readonly string[], bys: readonly By[]): TraversalStep {
  return function* (inputs, _origins, context) {
    context.charge(inputs.length * (labels.length - 1));
    const columns: (readonly (Value | undefined)[])[] = [];
    for (const [at, label] of labels.entries()) {
      const things = inputs.map((input) => {
        const entry = input.value.is === 'map' ? attributeOf(input.value, label)[0] : undefined;
        return entry === undefined ? labelled(input, label) : move(input, entry);
      });
      const present = things.filter((thing) => thing !== undefined);
      const values = yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, present, context);
      const known = new Map(present.map((thing, index) => [thing, values[index]]));
      columns.push(things.map((thing) => (thing === undefined ? undefined : known.get(thing))));
    }
    return inputs.flatMap((input, at) => {
      const values = columns.map((column) => column[at]);
      const [only] = values;
      if (values.length === 1) return moved(input, only);
      const entries = labels.flatMap((label, index): (readonly [string, Value])[] => {
        const value = values[index];
        return value === undefined ? [] : [[label, value]];
      });
      return entries.length < labels.length ? [] : [move(input, { is: 'map', entries })];
    });
  };
}

/** A map of the results of each `by`, in turn. */
export function project(names: readonly string[], bys: readonly By[]): TraversalStep {
  return function* (inputs, _origins, context) {
    const columns: (readonly (Value | undefined)[])[] = [];
    context.charge(inputs.length * names.length);
    for (const at of names.keys()) columns.push(yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, inputs, context));
    return inputs.map((input, at) => {
      const entries = names.flatMap((name, index): (readonly [string, Value])[] => {
        const value = columns[index]?.[at];
        return value === undefined ? [] : [[name, value]];
      });
      return move(input, { is: 'map', entries });
    });
  };
}

/** The elements on the path, mapped by each `by` in turn. */
export function path(bys: readonly By[]): TraversalStep {
  return function* (inputs, _origins, context) {
    const results: Traverser[] = [];
    for (const input of inputs) {
      const items: Value[] = [];
      for (const [at, thing] of pathOf(input).entries()) {
        const [value] = yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, [thing], context);
        if (value !== undefined) items.push(value);
      }
      context.spend(items.length);
      results.push(move(input, { is: 'list', items }));
    }
    return results;
  };
}

/** A pair of name and value for each of these attributes, or for all; `key` and `value` access its parts. */
export function properties(names: readonly string[]): TraversalStep {
  return perTraverser(
    ({ value: thing, ...at }) =>
      (names.length === 0 ? allNames(thing) : names).flatMap((name) =>
        attributeOf(thing, name).map((value) => {
          const entries: (readonly [string, Value])[] = [
            ['key', json(name)],
            ['value', value],
          ];
          return move({ value: thing, ...at }, { is: 'map', entries });
        }),
      ),
    () => names.length,
  );
}

/** The paths of each origin as one tree: a map from each element to the subtree after it. */
export function tree(bys: readonly By[]): TraversalStep {
  return function* (inputs, origins, context) {
    const trees = new Map<number, Branches>(origins.map((origin) => [origin, new Map()]));
    for (const input of inputs) {
      let here = trees.get(input.origin);
      for (const [at, thing] of pathOf(input).entries()) {
        const [value] = yield* byValues(bys[at % Math.max(1, bys.length)] ?? ITSELF, [thing], context);
        const key = value === undefined ? undefined : keyOf(value);
        context.charge(1);
        if (here === undefined || key === undefined) break;
        const next: Branches = here.get(key) ?? new Map();
        here.set(key, next);
        here = next;
      }
    }
    return [...trees].map(([origin, branches]) => start(treeValue(branches, 0), origin));
  };
}

interface Branches extends Map<string, Branches> {}

function treeValue(branches: Branches, depth: number): Value {
  if (depth > MAX_TREE) throw new TraversalError(`gremlin: a tree is deeper than ${MAX_TREE} steps`);
  return { is: 'map', entries: [...branches].map(([key, next]) => [key, treeValue(next, depth + 1)] as const) };
}

/** Stores a value of each traverser under a name, and passes all traversers. */
export function collect(name: string, by: By): TraversalStep {
  return function* (inputs, _origins, context) {
    const values = yield* byValues(by, inputs, context);
    context.collect(
      name,
      values.filter((value) => value !== undefined),
    );
    return inputs;
  };
}

/** Stores the results of a step under a name, and passes its inputs. */
export function keepAside(name: string, step: TraversalStep): TraversalStep {
  return function* (inputs, _origins, context) {
    const made = yield* step(
      inputs.map((input) => ({ ...input, origin: 0 })),
      [0],
      context,
    );
    context.collect(
      name,
      made.map(({ value }) => value),
    );
    return inputs;
  };
}

/** The values stored under a name: a map as it is, anything else as a list. */
export function cap(call: StepCall, names: readonly string[]): TraversalStep {
  const [name] = names;
  if (name === undefined || names.length > 1) return refuse(call, '"cap" takes one name');
  return function* (_inputs, origins, context) {
    const items = context.collected(name) ?? [];
    const [only] = items;
    const value: Value = items.length === 1 && only?.is === 'map' ? only : { is: 'list', items };
    return origins.map((origin) => start(value, origin));
  };
}

/** All attribute names of a value. */
export const allNames = (value: Value): readonly string[] =>
  value.is === 'element' ? Object.keys(toVertex(value.element)) : value.is === 'map' ? value.entries.map(([key]) => key) : [];

/** As in TinkerPop: lists of values for vertices, plain values for edges. */
export function valueMap(value: Value, names: readonly string[]): Value {
  const edge = value.is === 'element' && value.element.kind === 'edge';
  const entries = names.flatMap((name): (readonly [string, Value])[] => {
    const values = attributeOf(value, name);
    const [first] = values;
    if (first === undefined) return [];
    return [[name, edge ? first : { is: 'list', items: values }]];
  });
  return { is: 'map', entries };
}

/** The elements of a list, the entries of a map, or the value itself. */
export function unfolded(value: Value): readonly Value[] {
  if (value.is === 'list') return value.items;
  return value.is === 'map' ? value.entries.map((entry) => ({ is: 'map', entries: [entry] })) : [value];
}

/** The size for a local count. */
export const sizeOf = (value: Value): number => (value.is === 'list' ? value.items.length : value.is === 'map' ? value.entries.length : 1);
