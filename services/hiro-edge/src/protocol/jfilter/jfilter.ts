/**
 * jfilter, the language of event filters (HIRO WS API, Filters), as filters over the element after a change and `['action']`.
 *
 * `element` and `vertex` are the element's attributes under HIRO's names, including those of `metadata`. `action` and `type` are the event's
 * type, in either case; `id`, `timestamp`, `nanotime` and `identity` are the event's. Other roots never match.
 */
import { done, type Outcome } from '@polyedge/contracts/errors';
import { EVERYTHING, type Filter, literalPattern, NOTHING } from '@polyedge/query/filter';
import { type AttributeSource, sourceOf } from '../element/attributes.ts';
import { type Comparison, compareSource, compareText } from '../element/comparison.ts';
import { EVENT_TYPES } from '../element/event.ts';
import { type FilterValue, type Jfilter, type Operator, parseJfilter } from './parser.ts';

/**
 * Compiles a jfilter, for `compile` or a `FilterIndex`; the filter applies to `eventDocument(change)`.
 * Failures are `invalid`, with the position in the detail. Never throws.
 *
 * @param context.tenant the value of `ogit/_organization` in elements that do not have it
 */
export function compileJfilter(text: string, context: { readonly tenant: string }): Outcome<Filter> {
  const parsed = parseJfilter(text);
  return parsed.ok ? done(toFilter(parsed.value, context.tenant)) : parsed;
}

/** A comparison that searches in the whole text of an attribute costs as much as this many others. */
const SEARCH_COST = 4;

/** What it costs to compare one change with a filter: its conditions, of which those that search in a text count more. At least 1. */
export function costOf(filter: Filter): number {
  if ('not' in filter) return costOf(filter.not);
  if ('test' in filter) return filter.test === 'text-like' ? SEARCH_COST : 1;
  const parts = 'all' in filter ? filter.all : filter.any;
  let cost = 0;
  for (const part of parts) cost += costOf(part);
  return Math.max(1, cost);
}

function toFilter(jfilter: Jfilter, tenant: string): Filter {
  switch (jfilter.kind) {
    case 'and':
    case 'or': {
      const parts = jfilter.parts.map((part) => toFilter(part, tenant));
      const [only] = parts;
      if (parts.length === 1 && only !== undefined) return only;
      return jfilter.kind === 'and' ? { all: parts } : { any: parts };
    }
    case 'not':
      return not(toFilter(jfilter.part, tenant));
    case 'item':
      return toItem(jfilter.path, jfilter.op, jfilter.value, tenant);
  }
}

const METADATA: ReadonlySet<string> = new Set(['ogit/_modified-by', 'ogit/_modified-by-app', 'ogit/_modified-on']);

/** Fields of the event that are fields of the element after it. */
const EVENT_FIELDS: ReadonlyMap<string, AttributeSource> = new Map([
  ['id', { path: ['id'], kind: 'text', always: true }],
  ['identity', { path: ['modified', 'by'], kind: 'text', always: true }],
  ['timestamp', { path: ['modified', 'on'], kind: 'number', always: true }],
  ['nanotime', { path: ['seq'], kind: 'number', always: true }],
]);

/** The path splits at its first dot only: attribute names may contain dots. */
function toItem(path: string, op: Operator, value: FilterValue, tenant: string): Filter {
  const dot = path.indexOf('.');
  const root = dot < 0 ? path : path.slice(0, dot);
  const attribute = dot < 0 ? undefined : path.slice(dot + 1);
  const comparison = toComparison(op, value);
  const test = (filter: Filter): Filter => (op === '!=' ? not(filter) : filter);
  switch (root) {
    case 'element':
    case 'vertex':
      // The element itself is an object, and objects never match.
      return test(attribute === undefined ? NOTHING : compareSource(sourceOf(attribute), comparison, tenant));
    case 'metadata': {
      const known = attribute !== undefined && METADATA.has(attribute);
      return test(known ? compareSource(sourceOf(attribute), comparison, tenant) : NOTHING);
    }
    case 'action':
    case 'type':
      return test(attribute === undefined ? onAction(comparison) : NOTHING);
    default: {
      const field = EVENT_FIELDS.get(root);
      if (field === undefined) return NOTHING;
      return test(attribute === undefined ? compareSource(field, comparison, tenant) : NOTHING);
    }
  }
}

/** `!=` is the negation of `=` (so absent attributes differ); `~=` is `=` regardless of case. */
function toComparison(op: Operator, value: FilterValue): Comparison {
  const [text = '', ...more] = value;
  switch (op) {
    case 'present':
      return { is: 'filled' };
    case '=':
    case '!=':
      if (isAnything(value)) return { is: 'filled' };
      return more.length === 0 ? { is: 'equal', value: text } : { is: 'like', pattern: toPattern(value) };
    case '~=':
      return isAnything(value) ? { is: 'filled' } : { is: 'like', pattern: toPattern(value), fold: true };
    // Order comparisons have no wildcards: a star is literal.
    case '>':
      return { is: 'order', order: 'more', value: value.join('*') };
    case '>=':
      return { is: 'order', order: 'at-least', value: value.join('*') };
    case '<':
      return { is: 'order', order: 'less', value: value.join('*') };
    case '<=':
      return { is: 'order', order: 'at-most', value: value.join('*') };
  }
}

const isAnything = (value: FilterValue): boolean => value.length > 1 && value.every((text) => text === '');
const toPattern = (value: FilterValue): string => value.map(literalPattern).join('*');

/** Of the nine actions, those that match are determined now, so that filters by action are equalities. */
function onAction(comparison: Comparison): Filter {
  const wanted = upper(comparison);
  const actions = Object.entries(EVENT_TYPES).filter(([, type]) => compareText(type, wanted));
  const [only] = actions;
  if (actions.length === Object.keys(EVENT_TYPES).length) return EVERYTHING;
  if (only === undefined) return NOTHING;
  const path = ['action'];
  return actions.length === 1 ? { test: 'equal', path, value: only[0] } : { test: 'in', path, values: actions.map(([action]) => action) };
}

function upper(comparison: Comparison): Comparison {
  if ('value' in comparison) return { ...comparison, value: comparison.value.toUpperCase() };
  return comparison.is === 'like' ? { ...comparison, pattern: comparison.pattern.toUpperCase() } : comparison;
}

/** Negates a filter, simplifying double negations. */
function not(filter: Filter): Filter {
  if ('not' in filter) return filter.not;
  if ('all' in filter && filter.all.length === 0) return NOTHING;
  if ('any' in filter && filter.any.length === 0) return EVERYTHING;
  return { not: filter };
}
