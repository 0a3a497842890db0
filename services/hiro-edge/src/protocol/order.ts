/** The parameters `order` and `fields` of HIRO's reads. */
import type { Outcome } from '@polyedge/contracts/errors';

export interface SortKey {
  path: string[];
  order: 'asc' | 'desc';
}

/** `"attr asc, attr2 desc"` (or a list of such) to sort keys; absent and empty give none. */
export function parseOrder(_order: unknown): Outcome<SortKey[]> {
  return { ok: true, value: [] };
}

/** `fields`: a comma list or a list, maybe URL-encoded inside JSON (Python client). Undefined: all. */
export function parseFields(_fields: unknown): readonly string[] | undefined {
  return undefined;
}

/** What the store must return for `toVertex` to show these fields. */
export function storedFields(_fields: readonly string[] | undefined): string[] | undefined {
  return undefined;
}
