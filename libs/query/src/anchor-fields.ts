/** Items filed under equalities or prefixes of one path, found by a document's value. */
import { type Anchor, numericForm } from './anchors.ts';
import type { Document } from './document.ts';
import { isList, type Json } from './json.ts';
import { compilePath } from './path.ts';
import { fold, textOf } from './text.ts';

/** All anchors of one kind, path and mode. */
export interface AnchorField<T> {
  readonly isEmpty: boolean;
  add(anchor: Anchor, item: T): void;
  remove(anchor: Anchor, item: T): void;
  /** About how many items are found by a document for which this anchor holds. */
  crowd(anchor: Anchor): number;
  /** Passes on every item that has an anchor which holds for the document, some more than once; ranges also pass on others. */
  find(document: Document, use: (item: T) => void): void;
}

type ValueAnchor = Exclude<Anchor, { readonly kind: 'range' }>;

/** Items by value. */
class Buckets<T> {
  readonly #buckets = new Map<unknown, Set<T>>();

  get isEmpty(): boolean {
    return this.#buckets.size === 0;
  }

  add(value: unknown, item: T): void {
    const bucket = this.#buckets.get(value);
    if (bucket === undefined) this.#buckets.set(value, new Set([item]));
    else bucket.add(item);
  }

  /** Whether nothing is left of this value. */
  remove(value: unknown, item: T): boolean {
    const bucket = this.#buckets.get(value);
    bucket?.delete(item);
    return bucket?.size === 0 && this.#buckets.delete(value);
  }

  size(value: unknown): number {
    return this.#buckets.get(value)?.size ?? 0;
  }

  use(value: unknown, use: (item: T) => void): void {
    const bucket = this.#buckets.get(value);
    if (bucket !== undefined) for (const item of bucket) use(item);
  }
}

/** What equalities and prefixes have in common: items by the value of their anchor. */
abstract class ValueField<T> {
  protected readonly buckets = new Buckets<T>();
  protected readonly read: (document: Document) => Json | undefined;
  protected readonly mode: ValueAnchor['mode'];

  constructor({ path, mode }: ValueAnchor) {
    this.read = compilePath(path);
    this.mode = mode;
  }

  get isEmpty(): boolean {
    return this.buckets.isEmpty;
  }

  crowd(anchor: ValueAnchor): number {
    return this.buckets.size(anchor.value);
  }
}

export class EqualityField<T> extends ValueField<T> implements AnchorField<T> {
  add(anchor: ValueAnchor, item: T): void {
    this.buckets.add(anchor.value, item);
  }

  remove(anchor: ValueAnchor, item: T): void {
    this.buckets.remove(anchor.value, item);
  }

  find(document: Document, use: (item: T) => void): void {
    const value = this.read(document);
    if (value === undefined || value === null) return;
    if (this.mode === 'typed') {
      if (typeof value !== 'object') this.buckets.use(value, use);
    } else {
      eachText(value, (text) => this.buckets.use(this.mode === 'numeric' ? numericForm(text) : text, use));
    }
  }
}

export class PrefixField<T> extends ValueField<T> implements AnchorField<T> {
  /** How many prefixes have this length. */
  readonly #lengths = new Map<number, number>();

  add({ value }: ValueAnchor & { readonly value: string }, item: T): void {
    if (this.buckets.size(value) === 0) this.#count(value.length, 1);
    this.buckets.add(value, item);
  }

  remove({ value }: ValueAnchor & { readonly value: string }, item: T): void {
    if (this.buckets.remove(value, item)) this.#count(value.length, -1);
  }

  find(document: Document, use: (item: T) => void): void {
    const value = this.read(document);
    if (value === undefined || value === null) return;
    if (this.mode !== 'typed') eachText(value, (text) => this.#findText(this.mode === 'folded' ? fold(text) : text, use));
    else if (typeof value === 'string') this.#findText(value, use);
  }

  #findText(text: string, use: (item: T) => void): void {
    for (const length of this.#lengths.keys()) if (length <= text.length) this.buckets.use(text.slice(0, length), use);
  }

  #count(length: number, more: number): void {
    const count = (this.#lengths.get(length) ?? 0) + more;
    if (count === 0) this.#lengths.delete(length);
    else this.#lengths.set(length, count);
  }
}

function eachText(value: Json, use: (text: string) => void): void {
  for (const element of isList(value) ? value : [value]) {
    const text = textOf(element);
    if (text !== undefined) use(text);
  }
}
