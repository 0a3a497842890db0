/** Which simple conditions must hold for a filter to match, so that an index can find it by a document's values. */
import type { Condition, Filter, Path } from './filter.ts';
import { parsePattern } from './like.ts';
import { canonicalDecimal, fold, isDecimal } from './text.ts';

export type Scalar = string | number | bigint | boolean;
export type Bound = string | number | bigint;

/**
 * A condition on the value at `path`. `mode` says how the value is read: as a JSON scalar, as text (of a list: as that of each element), as
 * text with decimals in canonical form, or as folded text. A range is closed, and may have only one bound.
 */
export type Anchor =
  | { readonly kind: 'equality'; readonly path: Path; readonly mode: 'typed' | 'text' | 'numeric'; readonly value: Scalar }
  | { readonly kind: 'prefix'; readonly path: Path; readonly mode: 'typed' | 'text' | 'folded'; readonly value: string }
  | RangeAnchor;

export interface RangeAnchor {
  readonly kind: 'range';
  readonly path: Path;
  readonly mode: 'typed' | 'text';
  readonly low: Bound | undefined;
  readonly high: Bound | undefined;
}

/** With more alternatives than this, filing a filter under each is not worth it; it is evaluated for every document. */
const MAX_ANCHORS = 64;
/** Longer prefixes are cut, so that a text has few prefixes to look up. */
const MAX_PREFIX = 32;

/** Anchors of which at least one holds whenever the filter does, and an estimate of how many filters share them. */
interface Anchors {
  readonly anchors: readonly Anchor[];
  readonly cost: number;
}

/**
 * The anchors of a filter that promise the fewest comparisons.
 *
 * @param crowd how many filters are looked at already where an anchor holds
 * @returns anchors of which at least one holds for every document that matches; undefined if there is no such set
 */
export function anchorsOf(filter: Filter, crowd: (anchor: Anchor) => number): readonly Anchor[] | undefined {
  return best(filter, crowd)?.anchors;
}

/** The name of the index of fields to which an anchor belongs. */
export function fieldOf({ kind, mode, path }: Anchor): string {
  return `${kind} ${mode} ${JSON.stringify(path)}`;
}

function best(filter: Filter, crowd: (anchor: Anchor) => number): Anchors | undefined {
  const lone = (anchor: Anchor | undefined): Anchors | undefined =>
    anchor && { anchors: [anchor], cost: commonness(anchor) + crowd(anchor) };
  if ('all' in filter) {
    const parts = flat(filter.all);
    const candidates = [...parts.map((part) => best(part, crowd)), ...ranges(parts).map(lone)];
    return candidates.reduce(
      (one, other) => (one === undefined || (other !== undefined && other.cost < one.cost) ? other : one),
      undefined,
    );
  }
  if ('any' in filter) return united(filter.any.map((part) => best(part, crowd)));
  if ('not' in filter) return undefined;
  if (filter.test === 'in') {
    return united(filter.values.map((value) => lone(anchorOf({ test: 'equal', path: filter.path, value }))));
  }
  return lone(anchorOf(filter));
}

/** The parts of a conjunction, with those of conjunctions in it. */
function flat(parts: readonly Filter[]): readonly Filter[] {
  return parts.flatMap((part) => ('all' in part ? flat(part.all) : [part]));
}

/** Two bounds for the same value become one range. (For a list each may hold for another element: the index looks at all ranges then.) */
function ranges(parts: readonly Filter[]): readonly RangeAnchor[] {
  const found = new Map<string, RangeAnchor>();
  for (const part of parts) {
    const anchor = 'test' in part ? anchorOf(part) : undefined;
    if (anchor?.kind !== 'range') continue;
    const field = fieldOf(anchor);
    const other = found.get(field);
    found.set(field, other === undefined ? anchor : { ...anchor, low: other.low ?? anchor.low, high: other.high ?? anchor.high });
  }
  return [...found.values()];
}

function united(parts: readonly (Anchors | undefined)[]): Anchors | undefined {
  const distinct = new Map<string, Anchor>();
  let cost = 0;
  for (const part of parts) {
    if (part === undefined) return undefined;
    cost += part.cost;
    for (const anchor of part.anchors) distinct.set(nameOf(anchor), anchor);
  }
  return distinct.size > MAX_ANCHORS ? undefined : { anchors: [...distinct.values()], cost };
}

function nameOf(anchor: Anchor): string {
  const values = anchor.kind === 'range' ? [anchor.low, anchor.high] : [anchor.value];
  return JSON.stringify([fieldOf(anchor), ...values.map((value) => [typeof value, String(value)])]);
}

function anchorOf(condition: Condition): Anchor | undefined {
  const { path } = condition;
  switch (condition.test) {
    case 'equal': {
      const { value } = condition;
      return value === null || typeof value === 'object' ? undefined : { kind: 'equality', path, mode: 'typed', value };
    }
    case 'text-equal':
      return condition.numeric === true
        ? { kind: 'equality', path, mode: 'numeric', value: numericForm(condition.value) }
        : { kind: 'equality', path, mode: 'text', value: condition.value };
    case 'starts-with':
      return prefixed(path, 'typed', condition.value);
    case 'text-like': {
      const folded = condition.fold === true;
      const first = parsePattern(folded ? fold(condition.pattern) : condition.pattern)[0];
      return typeof first === 'object' ? prefixed(path, folded ? 'folded' : 'text', first.literal) : undefined;
    }
    case 'less':
    case 'at-most':
    case 'text-less':
    case 'text-at-most':
      return ranged(condition, undefined, condition.value);
    case 'more':
    case 'at-least':
    case 'text-more':
    case 'text-at-least':
      return ranged(condition, condition.value, undefined);
    default:
      return undefined;
  }
}

function prefixed(path: Path, mode: 'typed' | 'text' | 'folded', text: string): Anchor | undefined {
  return text === '' ? undefined : { kind: 'prefix', path, mode, value: text.slice(0, MAX_PREFIX) };
}

function ranged({ path, test }: Condition, low: Scalar | undefined, high: Scalar | undefined): Anchor | undefined {
  if (typeof low === 'boolean' || typeof high === 'boolean') return undefined;
  return { kind: 'range', path, mode: test.startsWith('text-') ? 'text' : 'typed', low, high };
}

/** A text as equality with `numeric` compares it. */
export function numericForm(text: string): string {
  return isDecimal(text) ? canonicalDecimal(text) : text;
}

/** The base cost: a flag or a type is less selective than an attribute, and a range or a prefix less than an equality. */
function commonness(anchor: Anchor): number {
  const [first = ''] = anchor.path;
  if (anchor.kind !== 'equality') return anchor.kind === 'prefix' ? 3 : 4;
  if (typeof anchor.value === 'boolean' || first === 'kind' || first === 'deleted' || first === 'action') return 3;
  return first === 'type' || first === 'scope' || first === 'outType' || first === 'inType' ? 2 : 1;
}
