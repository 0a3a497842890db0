/** Items filed under ranges of one path, found by a document's value. */
import type { AnchorField } from './anchor-fields.ts';
import type { Bound, RangeAnchor } from './anchors.ts';
import type { Document } from './document.ts';
import { isList, type Json } from './json.ts';
import { compilePath } from './path.ts';
import { compareText, isDecimal, textOf } from './text.ts';

/** Cells are no smaller than this power of two, so that their size is not rounded to zero. */
const SMALLEST = -1000;
const LARGEST = 1023;
const MANTISSA_BITS = 52;

/**
 * Numbers are looked up among ranges with two bounds by cells of powers of two, and among those with one bound in an order, in which all up to
 * the value, or from it on, are found; so are texts. Bounds become doubles, which keeps their order, so what is found includes all that match.
 * A list may satisfy each bound with another element: for lists all ranges are found.
 */
export class RangeField<T> implements AnchorField<T> {
  readonly #items = new Map<RangeAnchor, T>();
  readonly #cells = new Map<number, Map<number, Set<RangeAnchor>>>();
  readonly #numbers = new Ordered<number>((one, other) => one - other);
  /** Ranges without a numeric bound, and those that have one: as texts they are compared with texts that are no decimals. */
  readonly #texts = new Ordered<string>(compareText);
  readonly #decimals = new Ordered<string>(compareText);
  readonly #read: (document: Document) => Json | undefined;
  readonly #isText: boolean;

  constructor({ path, mode }: RangeAnchor) {
    this.#read = compilePath(path);
    this.#isText = mode === 'text';
  }

  get isEmpty(): boolean {
    return this.#items.size === 0;
  }

  add(anchor: RangeAnchor, item: T): void {
    this.#items.set(anchor, item);
    const { low, high } = this.#inNumbers(anchor);
    if (low !== undefined || high !== undefined) {
      const cells = cellsOf(low, high);
      if (cells === undefined) this.#numbers.add(anchor, low, high);
      else for (const cell of cells.indices) this.#cell(cells.level, cell).add(anchor);
      if (this.#isText) this.#decimals.add(anchor, asText(anchor.low), asText(anchor.high));
    } else {
      this.#texts.add(anchor, asText(anchor.low), asText(anchor.high));
    }
  }

  remove(anchor: RangeAnchor): void {
    this.#items.delete(anchor);
    const { low, high } = this.#inNumbers(anchor);
    const cells = cellsOf(low, high);
    for (const index of cells?.indices ?? []) {
      const ofLevel = this.#cells.get(cells?.level ?? 0);
      const cell = ofLevel?.get(index);
      cell?.delete(anchor);
      if (cell?.size === 0) ofLevel?.delete(index);
      if (ofLevel?.size === 0) this.#cells.delete(cells?.level ?? 0);
    }
    this.#numbers.remove(anchor, low, high);
    for (const texts of [this.#texts, this.#decimals]) texts.remove(anchor, asText(anchor.low), asText(anchor.high));
  }

  crowd(anchor: RangeAnchor): number {
    const { low, high } = this.#inNumbers(anchor);
    const cells = cellsOf(low, high);
    if (cells !== undefined) return Math.max(...cells.indices.map((index) => this.#cells.get(cells.level)?.get(index)?.size ?? 0));
    return low !== undefined || high !== undefined ? this.#numbers.size : this.#texts.size;
  }

  find(document: Document, use: (item: T) => void): void {
    const value = this.#read(document);
    const found = (anchor: RangeAnchor): void => {
      const item = this.#items.get(anchor);
      if (item !== undefined) use(item);
    };
    if (isList(value)) {
      if (this.#isText) for (const item of this.#items.values()) use(item);
    } else if (this.#isText) {
      const text = textOf(value);
      if (text === undefined) return;
      this.#texts.find(text, found);
      if (isDecimal(text)) this.#findNumber(Number(text), found);
      else this.#decimals.find(text, found);
    } else if (typeof value === 'string') {
      this.#texts.find(value, found);
    } else if (typeof value === 'number' || typeof value === 'bigint') {
      this.#findNumber(Number(value), found);
    }
  }

  #findNumber(value: number, found: (anchor: RangeAnchor) => void): void {
    this.#numbers.find(value, found);
    for (const [level, cells] of this.#cells) {
      const cell = cells.get(Math.floor(value / 2 ** level));
      if (cell !== undefined) for (const anchor of cell) found(anchor);
    }
  }

  #inNumbers({ low, high }: RangeAnchor): { readonly low: number | undefined; readonly high: number | undefined } {
    const numberOf = (bound: Bound | undefined): number | undefined => {
      if (typeof bound !== 'string') return bound === undefined ? undefined : Number(bound);
      return this.#isText && isDecimal(bound) ? Number(bound) : undefined;
    };
    return { low: numberOf(low), high: numberOf(high) };
  }

  #cell(level: number, index: number): Set<RangeAnchor> {
    const ofLevel = this.#cells.get(level) ?? new Map<number, Set<RangeAnchor>>();
    this.#cells.set(level, ofLevel);
    const cell = ofLevel.get(index) ?? new Set();
    ofLevel.set(index, cell);
    return cell;
  }
}

/** The cells, one or two, in which a range lies: at the first level whose cells are as large as the range. Undefined for an open or empty range. */
function cellsOf(
  low: number | undefined,
  high: number | undefined,
): { readonly level: number; readonly indices: readonly number[] } | undefined {
  if (low === undefined || high === undefined || !(low <= high) || !Number.isFinite(high - low)) return undefined;
  const precision = Math.floor(Math.log2(Math.max(Math.abs(low), Math.abs(high)))) - MANTISSA_BITS;
  for (let level = Math.max(SMALLEST, precision, Math.ceil(Math.log2(high - low)) - 1); level <= LARGEST; level += 1) {
    const first = Math.floor(low / 2 ** level);
    const last = Math.floor(high / 2 ** level);
    if (first === last) return { level, indices: [first] };
    if (last === first + 1) return { level, indices: [first, last] };
  }
  return undefined;
}

const asText = (bound: Bound | undefined): string | undefined => (bound === undefined ? undefined : String(bound));

/** Ranges in the order of their lower bounds or, without one, of their upper ones. */
class Ordered<Value> {
  readonly #compare: (one: Value, other: Value) => number;
  readonly #lows: { readonly bound: Value; readonly anchor: RangeAnchor }[] = [];
  readonly #highs: { readonly bound: Value; readonly anchor: RangeAnchor }[] = [];

  constructor(compare: (one: Value, other: Value) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#lows.length + this.#highs.length;
  }

  add(anchor: RangeAnchor, low: Value | undefined, high: Value | undefined): void {
    const [list, bound] = low === undefined ? [this.#highs, high] : [this.#lows, low];
    if (bound !== undefined) list.splice(this.#firstAbove(list, bound), 0, { bound, anchor });
  }

  remove(anchor: RangeAnchor, low: Value | undefined, high: Value | undefined): void {
    const [list, bound] = low === undefined ? [this.#highs, high] : [this.#lows, low];
    if (bound === undefined) return;
    for (let at = this.#firstAbove(list, bound) - 1; at >= 0; at -= 1) {
      const entry = list[at];
      if (entry === undefined || this.#compare(entry.bound, bound) !== 0) return;
      if (entry.anchor === anchor) {
        list.splice(at, 1);
        return;
      }
    }
  }

  /** Passes on the ranges whose lower bound is at most the value or, without one, whose upper bound is at least the value. */
  find(value: Value, found: (anchor: RangeAnchor) => void): void {
    for (const { bound, anchor } of this.#lows) {
      if (this.#compare(bound, value) > 0) break;
      found(anchor);
    }
    for (let at = this.#highs.length - 1; at >= 0; at -= 1) {
      const entry = this.#highs[at];
      if (entry === undefined || this.#compare(entry.bound, value) < 0) break;
      found(entry.anchor);
    }
  }

  /** The index of the first bound above this one. */
  #firstAbove(list: readonly { readonly bound: Value }[], bound: Value): number {
    let from = 0;
    let to = list.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const entry = list[middle];
      if (entry !== undefined && this.#compare(entry.bound, bound) <= 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
