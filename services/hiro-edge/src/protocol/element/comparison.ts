/** The comparisons of one attribute in HIRO's two filter languages, as filters of `libs/query`. */
import type { Document } from '@polyedge/query/document';
import { EVERYTHING, type Filter, NOTHING, type Path } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import { isDecimal } from '@polyedge/query/text';
import { type AttributeSource, sourceOf } from './attributes.ts';

/**
 * - `equal`: the same text, or the same number if both are decimals.
 * - `exact`: the same text.
 * - `order`: by number if both are decimals, else by code point.
 * - `like`: a pattern of `text-like`.
 * - `regexp`: a regular expression of `text-regexp`.
 * - `filled`: present and not the empty text. `present`: present, with any value.
 * - `words`: the words of the value occur, with `phrase` consecutively.
 */
export type Comparison =
  | { readonly is: 'equal' | 'exact'; readonly value: string }
  | { readonly is: 'order'; readonly order: 'less' | 'at-most' | 'more' | 'at-least'; readonly value: string }
  | { readonly is: 'like'; readonly pattern: string; readonly fold?: boolean }
  | { readonly is: 'regexp'; readonly pattern: string }
  | { readonly is: 'filled' | 'present' }
  | { readonly is: 'words'; readonly value: string; readonly phrase: boolean };

/** The filter for a comparison. Absent attributes never match. */
export function compareAttribute(name: string, comparison: Comparison, tenant: string): Filter {
  return compareSource(sourceOf(name), comparison, tenant);
}

/** Evaluates a comparison for a known text. */
export function compareText(text: string, comparison: Comparison): boolean {
  return compile(onPath({ path: ['attributes', 'text'], kind: 'json' }, comparison))({ ...BLANK, attributes: { text } });
}

export function compareSource(source: AttributeSource, comparison: Comparison, tenant: string): Filter {
  if (source.always && isTrivial(comparison)) return EVERYTHING;
  if (source.kind === 'opaque') return NOTHING;
  const here = onPath(source, comparison);
  if (source.when !== undefined) return { all: [source.when, here] };
  if (source.otherwise === undefined) return here;
  if (isTrivial(comparison)) return EVERYTHING;
  const unwritten: Filter = { not: { test: 'present', path: source.path } };
  if (source.otherwise === 'tenant') return compareText(tenant, comparison) ? { any: [here, unwritten] } : here;
  return { any: [here, { all: [unwritten, onPath({ path: source.otherwise.path, kind: 'text' }, comparison)] }] };
}

/** Whether every text satisfies the comparison. */
function isTrivial(comparison: Comparison): boolean {
  return comparison.is === 'present' || comparison.is === 'filled' || (comparison.is === 'like' && /^\*+$/.test(comparison.pattern));
}

function onPath({ path, kind }: Pick<AttributeSource, 'path' | 'kind'>, comparison: Comparison): Filter {
  switch (comparison.is) {
    case 'equal':
    case 'exact':
      return equal(path, kind, comparison.value, comparison.is === 'equal');
    case 'order': {
      const { order, value } = comparison;
      // Typed conditions can use the store's column indexes; 15 digits are exact in a double.
      if (kind === 'number' && isDecimal(value) && value.length <= 15) return { test: order, path, value: Number(value) };
      return { test: `text-${order}`, path, value };
    }
    case 'like':
      return { test: 'text-like', path, pattern: comparison.pattern, ...(comparison.fold && { fold: true }) };
    case 'regexp':
      return { test: 'text-regexp', path, pattern: comparison.pattern };
    case 'filled':
      return kind === 'json' ? { test: 'text-like', path, pattern: '?*' } : { test: 'present', path };
    case 'present':
      return { test: 'present', path };
    case 'words':
      return { test: 'text-words', path, value: comparison.value, ...(comparison.phrase && { phrase: true }) };
  }
}

function equal(path: Path, kind: AttributeSource['kind'], value: string, numeric: boolean): Filter {
  const decimal = isDecimal(value);
  if (kind === 'boolean') return value === 'true' || value === 'false' ? { test: 'equal', path, value: value === 'true' } : NOTHING;
  if (kind === 'number' && decimal && value.length <= 15) return { test: 'equal', path, value: Number(value) };
  if (numeric && decimal) return { test: 'text-equal', path, value, numeric: true };
  return kind === 'text' ? { test: 'equal', path, value } : { test: 'text-equal', path, value };
}

const STAMP = { on: 0, by: '', app: '' };
const BLANK: Document = {
  id: '',
  kind: 'vertex',
  type: '',
  scope: '',
  version: 1,
  seq: 1,
  deleted: false,
  created: STAMP,
  modified: STAMP,
  attributes: {},
};
