import type { Document } from './document.ts';
import type { Condition, Filter, Path } from './filter.ts';
import { isList, type Json } from './json.ts';
import { key } from './normalize.ts';
import { compilePath } from './path.ts';
import { compile, type Predicate } from './predicate.ts';
import { canonicalDecimal, isDecimal, textOf } from './text.ts';

/** With more alternatives than this, a bucket for each is not worth it; the filter is evaluated for every document. */
const MAX_ANCHORS = 64;

/**
 * Finds, among many filters, those that a document matches.
 *
 * Filters are put in buckets by an equality that must hold for them to match. A document is compared only with the filters whose
 * equality it satisfies, and equal filters are evaluated once. Filters without such an equality are evaluated for every document.
 * The matches are exactly those of evaluating every filter. The number of items is not bounded; the caller must bound it.
 */
export class FilterIndex<T> {
  readonly #groups = new Map<string, FilterGroup<T>>();
  readonly #groupOf = new Map<T, FilterGroup<T>>();
  readonly #fields = new Map<string, FieldIndex<T>>();
  readonly #scan = new Set<FilterGroup<T>>();
  #round = 0;

  /** The number of items. */
  get size(): number {
    return this.#groupOf.size;
  }

  /** The number of different filters. */
  get groups(): number {
    return this.#groups.size;
  }

  /** Adds an item under a filter that `parseFilter` accepted. An item has one filter; adding it again replaces the previous one. */
  add(filter: Filter, item: T): void {
    this.remove(item);
    const name = key(filter);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { name, matches: compile(filter), items: new Set(), anchors: [], round: 0 };
      this.#groups.set(name, group);
      this.#fileGroup(group, filter);
    }
    group.items.add(item);
    this.#groupOf.set(item, group);
  }

  /** Removes an item; returns false if it was not present. */
  remove(item: T): boolean {
    const group = this.#groupOf.get(item);
    if (group === undefined) return false;
    this.#groupOf.delete(item);
    group.items.delete(item);
    if (group.items.size === 0) this.#unfileGroup(group);
    return true;
  }

  /**
   * Visits every item whose filter the document matches, each once, in no particular order. The matches are found before the first
   * visit, so `visit` may add and remove.
   */
  match(document: Document, visit: (item: T) => void): void {
    const round = ++this.#round;
    const found: T[] = [];
    for (const group of this.#scan) {
      if (group.matches(document)) for (const item of group.items) found.push(item);
    }
    for (const field of this.#fields.values()) {
      field.lookUp(document, (bucket) => {
        for (const group of bucket) {
          if (group.round === round) continue;
          group.round = round;
          if (group.matches(document)) for (const item of group.items) found.push(item);
        }
      });
    }
    for (const item of found) visit(item);
  }

  #fileGroup(group: FilterGroup<T>, filter: Filter): void {
    const anchors = anchorsOf(filter, (anchor) => this.#fields.get(anchor.field)?.buckets.get(anchor.value)?.size ?? 0)?.anchors;
    if (anchors === undefined) {
      this.#scan.add(group);
      return;
    }
    group.anchors = anchors;
    for (const { field, path, mode, value } of anchors) {
      let index = this.#fields.get(field);
      if (index === undefined) {
        index = new FieldIndex(path, mode);
        this.#fields.set(field, index);
      }
      const bucket = index.buckets.get(value);
      if (bucket === undefined) index.buckets.set(value, new Set([group]));
      else bucket.add(group);
    }
  }

  #unfileGroup(group: FilterGroup<T>): void {
    this.#groups.delete(group.name);
    this.#scan.delete(group);
    for (const { field, value } of group.anchors) {
      const index = this.#fields.get(field);
      const bucket = index?.buckets.get(value);
      bucket?.delete(group);
      if (bucket?.size === 0) index?.buckets.delete(value);
      if (index?.buckets.size === 0) this.#fields.delete(field);
    }
  }
}

/** All items with equal filters. */
interface FilterGroup<T> {
  readonly name: string;
  readonly matches: Predicate;
  readonly items: Set<T>;
  anchors: readonly Anchor[];
  /** The last `match` that evaluated it, so that two anchors do not find it twice. */
  round: number;
}

/** How a value is mapped to a bucket: as a JSON scalar, as text, or as text with decimals in canonical form. */
type Mode = 'typed' | 'text' | 'numeric';
type Scalar = string | number | bigint | boolean;

/** An equality: the value at `path`, mapped by `mode`, is `value`. */
interface Anchor {
  readonly field: string;
  readonly path: Path;
  readonly mode: Mode;
  readonly value: Scalar;
}

/** Anchors of which at least one holds whenever the filter does, and an estimate of how many filters share them. */
interface Anchors {
  readonly anchors: readonly Anchor[];
  readonly cost: number;
}

/** All buckets of one path and mode. */
class FieldIndex<T> {
  readonly buckets = new Map<Scalar, Set<FilterGroup<T>>>();
  readonly #read: (document: Document) => Json | undefined;
  readonly #mode: Mode;

  constructor(path: Path, mode: Mode) {
    this.#read = compilePath(path);
    this.#mode = mode;
  }

  lookUp(document: Document, use: (bucket: ReadonlySet<FilterGroup<T>>) => void): void {
    const value = this.#read(document);
    if (value === undefined || value === null) return;
    if (this.#mode === 'typed') {
      if (typeof value !== 'object') this.#use(value, use);
    } else if (isList(value)) {
      for (const element of value) this.#useText(textOf(element), use);
    } else {
      this.#useText(textOf(value), use);
    }
  }

  #useText(text: string | undefined, use: (bucket: ReadonlySet<FilterGroup<T>>) => void): void {
    if (text !== undefined) this.#use(this.#mode === 'numeric' ? numericForm(text) : text, use);
  }

  #use(value: Scalar, use: (bucket: ReadonlySet<FilterGroup<T>>) => void): void {
    const bucket = this.buckets.get(value);
    if (bucket !== undefined) use(bucket);
  }
}

/**
 * Finds the anchors of a filter that promise the fewest comparisons.
 *
 * @param crowd returns the number of filters that already share an anchor
 * @returns undefined if the filter does not require any equality
 */
function anchorsOf(filter: Filter, crowd: (anchor: Anchor) => number): Anchors | undefined {
  if ('all' in filter) {
    let best: Anchors | undefined;
    for (const part of filter.all) {
      const candidate = anchorsOf(part, crowd);
      if (candidate !== undefined && (best === undefined || candidate.cost < best.cost)) best = candidate;
    }
    return best;
  }
  if ('any' in filter) {
    const parts: Anchors[] = [];
    for (const part of filter.any) {
      const candidate = anchorsOf(part, crowd);
      if (candidate === undefined) return undefined;
      parts.push(candidate);
    }
    return united(parts);
  }
  if ('not' in filter) return undefined;
  return anchorsOfCondition(filter, crowd);
}

function united(parts: readonly Anchors[]): Anchors | undefined {
  const distinct = new Map<string, Anchor>();
  for (const anchor of parts.flatMap((part) => part.anchors)) {
    distinct.set(`${typeof anchor.value} ${anchor.field} ${anchor.value}`, anchor);
  }
  if (distinct.size > MAX_ANCHORS) return undefined;
  return { anchors: [...distinct.values()], cost: parts.reduce((sum, part) => sum + part.cost, 0) };
}

function anchorsOfCondition(condition: Condition, crowd: (anchor: Anchor) => number): Anchors | undefined {
  const { path } = condition;
  const anchored = (mode: Mode, value: Scalar): Anchors => {
    const anchor = { field: mode + JSON.stringify(path), path, mode, value };
    return { anchors: [anchor], cost: commonness(path, value) + crowd(anchor) };
  };
  switch (condition.test) {
    case 'equal':
      return condition.value === null || typeof condition.value === 'object' ? undefined : anchored('typed', condition.value);
    case 'in': {
      const parts: Anchors[] = [];
      for (const value of condition.values) {
        if (value === null || typeof value === 'object') return undefined;
        parts.push(anchored('typed', value));
      }
      return united(parts);
    }
    case 'text-equal':
      return condition.numeric === true ? anchored('numeric', numericForm(condition.value)) : anchored('text', condition.value);
    default:
      return undefined;
  }
}

function numericForm(text: string): string {
  return isDecimal(text) ? canonicalDecimal(text) : text;
}

/** The base cost of an equality: a flag or a type is less selective than an attribute. */
function commonness([first = '']: Path, value: Scalar): number {
  if (typeof value === 'boolean' || first === 'kind' || first === 'deleted' || first === 'action') return 3;
  return first === 'type' || first === 'scope' || first === 'outType' || first === 'inType' ? 2 : 1;
}
