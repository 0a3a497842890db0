/** How HIRO shows an element: a vertex or edge object with `ogit/_` system attributes (HIRO Graph API, sample vertices). */
import type { Element } from '@polyedge/contracts/element';

/** A vertex or an edge as HIRO shows it: attribute name to value, ready for JSON. */
export type Shown = Record<string, unknown>;

export interface Showing {
  /** Only these attributes; `ogit/_id` and `ogit/_type` always come. Absent: all. */
  readonly fields?: readonly string[] | undefined;
  /** List attributes as `[{ value, created, key? }]` instead of JSON text. */
  readonly listMeta?: boolean | undefined;
}

export function toVertex(_element: Element, _showing: Showing = {}): Shown {
  return {};
}

/** The id of one version: `<ms>-<6 alphanumerics>`, the same wherever and whenever it is computed. */
export function versionId(_element: Pick<Element, 'id' | 'version' | 'modified'>): string {
  return '';
}
