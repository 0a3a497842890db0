/**
 * How traversals run: breadth first, every step over all traversers at once, so that a step over ten thousand vertices asks the store once.
 * A run is a generator: it yields what it must read and is given what was found. Nothing is read twice that is known already.
 */
import type { Element } from '@polyedge/contracts/element';
import { attributeOf, compareValues, json, Refusal, type Value, weightOf } from './values.ts';

/** What a run must read. Whoever answers gives only what the caller may see; what is missing simply is not there. */
export type Need =
  /** Vertices by id, in any order. */
  | { readonly need: 'vertices'; readonly ids: readonly string[] }
  /** Edges that have one of these vertices at that end; of these verbs only, if any are named. At most `limit` + 1 are of use. */
  | {
      readonly need: 'edges';
      readonly of: readonly string[];
      readonly end: 'out' | 'in';
      readonly verbs: readonly string[];
      readonly limit: number;
    };

export type Reading<T> = Generator<Need, T, readonly Element[]>;

/** `values`: plain values in lists and maps that are made, named or compared, all steps together. */
export const RUN_LIMITS = { traversers: 10_000, work: 500_000, values: 2_000_000, loops: 64, path: 1000 } as const;

/** One thing under way. `before` is its path; `origin` says for which input of a nested traversal it runs. */
export interface Traverser {
  readonly value: Value;
  readonly before: Traverser | undefined;
  readonly labels: readonly string[];
  /** Things on the path before this one. */
  readonly passed: number;
  readonly origin: number;
}

/** `origins` are all inputs of the traversal, also those whose traversers have all been dropped: a count of nothing is 0. */
export type Step = (inputs: readonly Traverser[], origins: readonly number[], world: World) => Reading<readonly Traverser[]>;

/** What one run knows and may still do. */
export class World {
  readonly #vertices = new Map<string, Element>();
  /** What steps keep under a name for `cap` and `where`. */
  readonly #collected = new Map<string, Value[]>();
  #work = 0;
  #values = 0;

  constructor(root: Element) {
    this.#vertices.set(root.id, root);
  }

  /** Counts traversers; a run that makes too many of them ends. */
  spend(traversers: number): void {
    this.#work += traversers;
    if (traversers > RUN_LIMITS.traversers || this.#work > RUN_LIMITS.work) {
      throw new Refusal(`gremlin: the traversal has more than ${RUN_LIMITS.traversers} traversers`);
    }
  }

  /** Counts what a step costs beyond its traversers; to be called before or while it is done. */
  charge(values: number): void {
    this.#values += values;
    if (this.#values > RUN_LIMITS.values) throw new Refusal(`gremlin: the traversal handles more than ${RUN_LIMITS.values} values`);
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

  *vertices(ids: Iterable<string>): Reading<(id: string) => Element | undefined> {
    const unknown = [...new Set(ids)].filter((id) => !this.#vertices.has(id));
    this.spend(unknown.length);
    if (unknown.length > 0) for (const element of yield { need: 'vertices', ids: unknown }) this.#vertices.set(element.id, element);
    return (id) => this.#vertices.get(id);
  }

  /** Edges by the vertex at that end. */
  *edges(ids: Iterable<string>, end: 'out' | 'in', verbs: readonly string[]): Reading<(id: string) => readonly Element[]> {
    const of = [...new Set(ids)];
    const byVertex = new Map<string, Element[]>();
    if (of.length > 0) {
      const found = yield { need: 'edges', of, end, verbs, limit: RUN_LIMITS.traversers };
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
  if (passed > RUN_LIMITS.path) throw new Refusal(`gremlin: a path is longer than ${RUN_LIMITS.path} steps`);
  return { value, before: from, labels: [], passed, origin: from.origin };
}

/** A result that comes from many traversers and so has no path. */
export const start = (value: Value, origin: number): Traverser => ({ value, before: undefined, labels: [], passed: 0, origin });

export function* run(
  steps: readonly Step[],
  inputs: readonly Traverser[],
  origins: readonly number[],
  world: World,
): Reading<readonly Traverser[]> {
  let traversers = inputs;
  for (const step of steps) {
    world.spend(traversers.length);
    traversers = yield* step(traversers, origins, world);
    let values = 0;
    for (const { value } of traversers) if (value.is !== 'element') values += weightOf(value) - 1;
    world.charge(values);
  }
  world.spend(traversers.length);
  return traversers;
}

/** Runs a nested traversal for each input by itself; the results of the n-th input are the n-th list. */
export function* each(steps: readonly Step[], inputs: readonly Traverser[], world: World): Reading<readonly (readonly Traverser[])[]> {
  const results = inputs.map((): Traverser[] => []);
  const renumbered = inputs.map((input, origin) => ({ ...input, origin }));
  for (const result of yield* run(steps, renumbered, [...results.keys()], world)) {
    const origin = inputs[result.origin]?.origin ?? 0;
    results[result.origin]?.push({ ...result, origin });
  }
  return results;
}

/** A step that makes something of all traversers of one origin. */
export function perOrigin(make: (traversers: readonly Traverser[], origin: number) => readonly Traverser[]): Step {
  return function* (inputs, origins, world) {
    world.charge(Math.floor(origins.length / 16));
    const byOrigin = new Map<number, Traverser[]>(origins.map((origin) => [origin, []]));
    for (const input of inputs) byOrigin.get(input.origin)?.push(input);
    return [...byOrigin].flatMap(([origin, traversers]) => make(traversers, origin));
  };
}

/** A step that looks at one traverser at a time and reads nothing. @param cost of one, in values */
export function perTraverser(make: (traverser: Traverser) => readonly Traverser[], cost: (traverser: Traverser) => number = () => 0): Step {
  // biome-ignore lint/correctness/useYield: a step that reads nothing
  return function* (inputs, _origins, world) {
    const results: Traverser[] = [];
    for (const input of inputs) {
      world.charge(cost(input));
      for (const made of make(input)) results.push(made);
      // Before the next one makes more.
      if (results.length > RUN_LIMITS.traversers) world.spend(results.length);
    }
    return results;
  };
}

/** What `by(…)` takes of a thing: an attribute, its id or type, the first result of a traversal, or the thing itself. */
export type By =
  | { readonly of: 'itself' }
  | { readonly of: 'attribute'; readonly name: string }
  | { readonly of: 'id' | 'label' }
  | { readonly of: 'traversal'; readonly steps: readonly Step[]; readonly reduces: boolean };

export function* byValues(by: By, inputs: readonly Traverser[], world: World): Reading<readonly (Value | undefined)[]> {
  if (by.of === 'traversal') return (yield* each(by.steps, inputs, world)).map(([first]) => first?.value);
  return inputs.map(({ value }) => {
    if (by.of === 'itself') return value;
    return by.of === 'attribute' ? attributeOf(value, by.name)[0] : idOrLabel(value, by.of);
  });
}

export function idOrLabel(value: Value, which: 'id' | 'label'): Value | undefined {
  if (value.is !== 'element') return undefined;
  return json(which === 'id' ? value.element.id : value.element.type);
}

/** Orders by several keys, each with its direction; equal ones stay as they were. */
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

/** The things passed on the way, first to last, the present one included. */
export function pathOf(traverser: Traverser): readonly Traverser[] {
  const path: Traverser[] = [];
  for (let at: Traverser | undefined = traverser; at !== undefined; at = at.before) path.push(at);
  return path.reverse();
}

/** The last thing on the path with this label. */
export function labelled(traverser: Traverser, label: string): Traverser | undefined {
  for (let at: Traverser | undefined = traverser; at !== undefined; at = at.before) if (at.labels.includes(label)) return at;
  return undefined;
}
