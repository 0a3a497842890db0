/** Regular expressions of `search` parameters (Saga protocol page, 6.1). */
import type { Filter } from '@polyedge/query/filter';
import { type attribute, equal } from '@polyedge/saga/elements';

/** The filter for `^name$` and `^name` without special characters, which the Unity client sends: fast. */
export function plainFilter(pattern: string, path: ReturnType<typeof attribute>): Filter | undefined {
  const found = /^\^((?:[A-Za-z0-9_@ -]|\\[.^$*+?()[\]{}|\\/-])*)(\$?)$/.exec(pattern);
  if (found === null) return undefined;
  const text = (found[1] ?? '').replace(/\\(.)/g, '$1');
  return found[2] === '$' ? equal(path, text) : { test: 'starts-with', path, value: text };
}
