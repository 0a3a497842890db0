/** Checks whether untrusted JSON can be stored: its characters, numbers, depth and size. Walks iteratively, so any depth is safe. */
import { isList, type Json, type JsonObject } from '@polyedge/query/json';
import { MAX_JSON_DEPTH } from '@polyedge/query/json-text';
import { MAX_ELEMENT_BYTES, MAX_PLACE_CHARACTERS } from './limits.ts';

/** A problem and its JSON pointer (without the leading slash). Never repeats a value. */
export interface StorageProblem {
  readonly code: 'invalid' | 'too-large';
  readonly place: string;
  readonly text: string;
}

/** Whether PostgreSQL can store a text as it is. */
const isTextStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

const CHARACTERS = 'contains NUL or an unpaired surrogate';

/** The problem of a text, if any. */
export const problemOfText = (text: string, place: string): StorageProblem | undefined =>
  isTextStorable(text) ? undefined : { code: 'invalid', place, text: CHARACTERS };

/**
 * The problem of a value, if any: NUL or unpaired surrogates in texts and keys, numbers that are not finite, more than 64 levels,
 * or more characters than an element may have bytes.
 *
 * @param above levels of lists and objects that will enclose the stored value
 */
export function problemOfValue(value: Json | undefined, place: string, above: number): StorageProblem | undefined {
  if (value === undefined || isStorable(value, above)) return undefined;
  return explain(value, place, above);
}

/** The fast pass, which does not track places. */
function isStorable(root: Json, above: number): boolean {
  if (typeof root !== 'object' || root === null)
    return isScalarStorable(root) && (typeof root !== 'string' || root.length <= MAX_ELEMENT_BYTES);
  const values: (readonly Json[] | JsonObject)[] = [root];
  const depths: number[] = [above + 1];
  let characters = 0;
  for (let container = values.pop(); container !== undefined; container = values.pop()) {
    const depth = depths.pop() ?? 0;
    if (depth > MAX_JSON_DEPTH) return false;
    const names = isList(container) ? undefined : Object.keys(container);
    const items = isList(container) ? container : Object.values(container);
    for (let at = 0; at < items.length; at += 1) {
      const item = items[at] ?? null;
      const name = names?.[at];
      characters += 1;
      if (name !== undefined) {
        characters += name.length;
        if (!isTextStorable(name)) return false;
      }
      if (typeof item === 'object' && item !== null) {
        values.push(item);
        depths.push(depth + 1);
      } else {
        if (!isScalarStorable(item)) return false;
        if (typeof item === 'string') characters += item.length;
        else if (typeof item === 'bigint') characters += String(item).length;
      }
    }
    if (characters > MAX_ELEMENT_BYTES) return false;
  }
  return true;
}

function isScalarStorable(value: Json): boolean {
  return typeof value === 'string' ? isTextStorable(value) : typeof value !== 'number' || Number.isFinite(value);
}

interface Visit {
  readonly value: Json;
  readonly depth: number;
  readonly name: string;
  readonly parent: Visit | undefined;
}

/** The slow pass, for a value known to be invalid: finds the problem and its place. */
function explain(root: Json, place: string, above: number): StorageProblem {
  const visits: Visit[] = [{ value: root, depth: above, name: place, parent: undefined }];
  for (let visit = visits.pop(); visit !== undefined; visit = visits.pop()) {
    const { value } = visit;
    if (typeof value === 'object' && value !== null) {
      const depth = visit.depth + 1;
      if (depth > MAX_JSON_DEPTH) return { code: 'invalid', place: pointer(visit), text: `is more than ${MAX_JSON_DEPTH} levels deep` };
      for (const [name, item] of Object.entries(value)) {
        if (!isTextStorable(name)) return { code: 'invalid', place: pointer(visit), text: `a name ${CHARACTERS}` };
        visits.push({ value: item, depth, name: name.replaceAll('~', '~0').replaceAll('/', '~1'), parent: visit });
      }
    } else if (!isScalarStorable(value)) {
      const text = typeof value === 'string' ? CHARACTERS : 'is not a finite number';
      return { code: 'invalid', place: pointer(visit), text };
    }
  }
  return { code: 'too-large', place, text: 'is larger than 2 MiB' };
}

function pointer(visit: Visit): string {
  const parts: string[] = [];
  for (let at: Visit | undefined = visit; at !== undefined; at = at.parent) parts.push(at.name);
  const text = parts.reverse().join('/');
  if (text.length <= MAX_PLACE_CHARACTERS) return text;
  // Truncation must not split a surrogate pair.
  return `${text.slice(0, MAX_PLACE_CHARACTERS).toWellFormed()}…`;
}
