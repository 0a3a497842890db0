import { type AnchorField, EqualityField, PrefixField } from './anchor-fields.ts';
import { type Anchor, anchorsOf, fieldOf } from './anchors.ts';
import type { Document } from './document.ts';
import type { Filter } from './filter.ts';
import { key } from './normalize.ts';
import { compile, type Predicate } from './predicate.ts';
import { RangeField } from './range-field.ts';

/**
 * Finds, among many filters, those that a document matches.
 *
 * A filter is filed under an equality, a prefix or a range that must hold for it to match, or under several of which one must. A document is
 * compared only with the filters for which that holds, and equal filters are evaluated once. Filters without such a condition are
 * evaluated for every document. The matches are exactly those of evaluating every filter. The number of items is not bounded; the caller
 * must bound it.
 */
export class FilterIndex<T> {
  readonly #groups = new Map<string, FilterGroup<T>>();
  readonly #groupOf = new Map<T, FilterGroup<T>>();
  readonly #fields = new Map<string, AnchorField<FilterGroup<T>>>();
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
      field.find(document, (group) => {
        if (group.round === round) return;
        group.round = round;
        if (group.matches(document)) for (const item of group.items) found.push(item);
      });
    }
    for (const item of found) visit(item);
  }

  #fileGroup(group: FilterGroup<T>, filter: Filter): void {
    const anchors = anchorsOf(filter, (anchor) => this.#fields.get(fieldOf(anchor))?.crowd(anchor) ?? 0);
    if (anchors === undefined) {
      this.#scan.add(group);
      return;
    }
    group.anchors = anchors;
    for (const anchor of anchors) {
      const name = fieldOf(anchor);
      const field = this.#fields.get(name) ?? fieldFor<FilterGroup<T>>(anchor);
      this.#fields.set(name, field);
      field.add(anchor, group);
    }
  }

  #unfileGroup(group: FilterGroup<T>): void {
    this.#groups.delete(group.name);
    this.#scan.delete(group);
    for (const anchor of group.anchors) {
      const name = fieldOf(anchor);
      const field = this.#fields.get(name);
      field?.remove(anchor, group);
      if (field?.isEmpty === true) this.#fields.delete(name);
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

function fieldFor<Item>(anchor: Anchor): AnchorField<Item> {
  switch (anchor.kind) {
    case 'equality':
      return new EqualityField(anchor);
    case 'prefix':
      return new PrefixField(anchor);
    case 'range':
      return new RangeField(anchor);
  }
}
