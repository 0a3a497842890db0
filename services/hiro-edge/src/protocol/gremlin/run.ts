/**
 * Runs traversals breadth first: every step processes all traversers at once, so that a step over ten thousand vertices reads from the store
 * once. A run is a generator: it yields what it needs to read and is resumed with the result. Nothing is read twice.
 */
import type { Element } from '@polyedge/contracts/element';
import { attributeOf, compareValues, json, TraversalError, type Value, weightOf } from './values.ts';

/** A read from the store. The result contains only what the caller may see; other elements are simply absent. */
export type StoreRead =
  /** Vertices by id, in any order. */
  | { readonly read: 'vertices'; readonly ids: readonly string[] }
  /** Edges that have one of these vertices at that end; only of these verbs, if any are given. At most `limit` + 1 are used. */
  | {
      readonly read: 'edges';
      readonly of: readonly string[];
      readonly end: 'out' | 'in';
      readonly verbs: readonly string[];
      readonly limit: number;
    };

export type StoreReads<T> = Generator<StoreRead, T, readonly Element[]>;

/** `values`: the values in lists and maps that all steps together create, name or compare. */
export const RUN_LIMITS = { traversers: 10_000, work: 500_000, values: 2_000_000, loops: 64, path: 1000 } as const;

/** A position of the traversal. `before` is its path; `origin` is the input of a nested traversal that it runs for. */
export interface Traverser {
  readonly value: Value;
  readonly before: Traverser | undefined;
  readonly labels: readonly string[];
  /** The number of traversers on the path before this one. */
  readonly passed: number;
  readonly origin: number;
}

/** `origins` are all inputs of the traversal, including those without traversers: their count is 0. */
export type TraversalStep = (
  inputs: readonly Traverser[],
  origins: readonly number[],
  context: RunContext,
) => StoreReads<readonly Traverser[]>;

/** The state of one run: the elements read so far and its remaining budget. */
export class RunContext {
  readonly #vertices = new Map<string, Element>();
  /** Values that steps store under a name for `cap` and `where`. */
  readonly #collected = new Map<string, Value[]>();
  #work = 0;
  #values = 0;

  constructor(root: Element) {
    this.#vertices.set(root.id, root);
  }

  /** Counts traversers; throws if a run creates too many. */
  spend(traversers: number): void {
    this.#work += traversers;
    if (traversers > RUN_LIMITS.traversers || this.#work > RUN_LIMITS.work) {
      throw new TraversalError(`gremlin: the traversal has more than ${RUN_LIMITS.traversers} traversers`);
    }
  }

  /** Counts the cost of a step beyond its traversers; to be called before or during the step. */
  charge(values: number): void {
    this.#values += values;
    if (this.#values > RUN_LIMITS.values) throw new TraversalError(`gremlin: the traversal handles more than ${RUN_LIMITS.values} values`);
  }

  collect(name: string, values: readonly Value[]): void {
    const known = this.#collected.get(name) ?? [];
    for (const value of values) known.push(value);
    this.spend(known.length);
    this.charge(values.reduce((total, value) => total + weightOf(value), 0));
    this.#collected.set(name, known);
  }

  collected(name: string): readonly Value[] | undefined {
    return this.#collected.get(name);
  }

  *vertices(ids: Iterable<string>): StoreReads<(id: string) => Element | undefined> {
    const unknown = [...new Set(ids)].filter((id) => !this.#vertices.has(id));
    this.spend(unknown.length);
    if (unknown.length > 0) for (const element of yield { read: 'vertices', ids: unknown }) this.#vertices.set(element.id, element);
    return (id) => this.#vertices.get(id);
  }

  /** Edges by the vertex at the given end. */
  *edges(ids: Iterable<string>, end: 'out' | 'in', verbs: readonly string[]): StoreReads<(id: string) => readonly Element[]> {
    const of = [...new Set(ids)];
    const byVertex = new Map<string, Element[]>();
    if (of.length > 0) {
      const found = yield { read: 'edges', of, end, verbs, limit: RUN_LIMITS.traversers };
      this.spend(found.length);
      for (const edge of found) {
        const id = edge[end];
        if (id === undefined) continue;
        const known = byVertex.get(id);
        if (known === undefined) byVertex.set(id, [edge]);
        else known.push(edge);
      }
    }
    return (id) => byVertex.get(id) ?? [];
  }
}

export function move(from: Traverser, value: Value): Traverser {
  const passed = from.passed + 1;
  if (passed > RUN_LIMITS.path) throw new TraversalError(`gremlin: a path is longer than ${RUN_LIMITS.path} steps`);
  return { value, before: from, labels: [], passed, origin: from.origin };
}

/** A traverser without a path, for a result of many traversers. */
export const start = (value: Value, origin: number): Traverser => ({ value, before: undefined, labels: [], passed: 0, origin });

export function* run(
  steps: readonly TraversalStep[],
  inputs: readonly Traverser[],
  origins: readonly number[],
  context: RunContext,
): StoreReads<readonly Traverser[]> {
  let traversers = inputs;
  for (const step of steps) {
    context.spend(traversers.length);
    traversers = yield* step(traversers, origins, context);
    let values = 0;
    for (const { value } of traversers) if (value.is !== 'element') values += weightOf(value) - 1;
    context.charge(values);
  }
  context.spend(traversers.length);
  return traversers;
}

/** Runs a nested traversal for each input separately; the results of the n-th input are the n-th list. */
export function* each(
  steps: readonly TraversalStep[],
  inputs: readonly Traverser[],
  context: RunContext,
): StoreReads<readonly (readonly Traverser[])[]> {
  const results = inputs.map((): Traverser[] => []);
  const renumbered = inputs.map((input, origin) => ({ ...input, origin }));
  for (const result of yield* run(steps, renumbered, [...results.keys()], context)) {
    const origin = inputs[result.origin]?.origin ?? 0;
    results[result.origin]?.push({ ...result, origin });
  }
  return results;
}

/** A step that processes all traversers of one origin together. */
export function perOrigin(make: (traversers: readonly Traverser[], origin: number) => readonly Traverser[]): TraversalStep {
  return function* (inputs, origins, context) {
    context.charge(Math.floor(origins.length / 16));
    const byOrigin = new Map<number, Traverser[]>(origins.map((origin) => [origin, []]));
    for (const input of inputs) byOrigin.get(input.origin)?.push(input);
    return [...byOrigin].flatMap(([origin, traversers]) => make(traversers, origin));
  };
}

/** A step that processes one traverser at a time and reads nothing. @param cost of one traverser, in values */
export function perTraverser(
  make: (traverser: Traverser) => readonly Traverser[],
  cost: (traverser: Traverser) => number = () => 0,
): TraversalStep {
  // biome-ignore lint/correctness/useYield: a step that reads nothing
  return function* (inputs, _origins, context) {
    const results: Traverser[] = [];
    for (const input of inputs) {
      context.charge(cost(input));
      for (const made of make(input)) results.push(made);
      // Checked before the next traverser adds more.
      if (results.length > RUN_LIMITS.traversers) context.spend(results.length);
    }
    return results;
  };
}

/** What `by(…)` selects of a value: an attribute, its id or type, the first result of a traversal, or the value itself. */
export type By =
  | { readonly of: 'itself' }
  | { readonly of: 'attribute'; readonly name: string }
  | { readonly of: 'id' | 'label' }
  | { readonly of: 'traversal'; readonly steps: readonly TraversalStep[]; readonly reduces: boolean };

export function* byValues(by: By, inputs: readonly Traverser[], context: RunContext): StoreReads<readonly (Value | undefined)[]> {
  if (by.of === 'traversal') return (yield* each(by.steps, inputs, context)).map(([first]) => first?.value);
  return inputs.map(({ value }) => {
    if (by.of === 'itself') return value;
    return by.of === 'attribute' ? attributeOf(value, by.name)[0] : idOrLabel(value, by.of);
  });
}

export function idOrLabel(value: Value, which: 'id' | 'label'): Value | undefined {
  if (value.is !== 'element') return undefined;
  return json(which === 'id' ? value.element.id : value.element.type);
}

/** Sorts by several keys, each with its direction; the sort is stable. */
export function ordered<T>(items: readonly T[], keys: readonly (readonly (Value | undefined)[])[], signs: readonly number[]): readonly T[] {
  const positions = [...items.keys()];
  positions.sort((left, right) => {
    for (const [at, column] of keys.entries()) {
      const [a, b] = [column[left], column[right]];
      const order = a === undefined || b === undefined ? Number(a !== undefined) - Number(b !== undefined) : compareValues(a, b);
      if (order !== 0) return order * (signs[at] ?? 1);
    }
    return left - right;
  });
  return positions.flatMap((at) => items.slice(at, at + 1));
}

/** The path, first to last, including the current traverser. */
export function pathOf(traverser: Traverser): readonly Traverser[] {
  const path: Traverser[] = [];
  for (let at: Traverser | undefined = traverser; at !== undefined; at = at.before) path.push(at);
  return path.reverse();
}

/** The last traverser on the path with this label. */
export function labelled(traverser: Traverser, label: string): Traverser | undefined {
  for (let at: Traverser | undefined = traverser; at !== undefined; at = at.before) if (at.labels.includes(label)) return at;
  return undefined;
}
