import type { Path } from '@polyedge/query/filter';
import { type Field, parsePath, type StampName, type StampPart } from '@polyedge/query/path';
import type { SqlParameters } from './sql-parameters.ts';

/**
 * The expression that reads a path, and its kind of value. `read` binds the keys, so it is called only if its result is
 * used: PostgreSQL rejects bound values that no expression uses.
 */
export type SqlSource =
  | { readonly kind: 'text' | 'number' | 'boolean'; readonly sql: string; readonly nullable?: true }
  | { readonly kind: 'json'; readonly read: () => string; readonly keys: readonly string[] };

const FIELD_SOURCES: Readonly<Record<Field, SqlSource>> = {
  id: { kind: 'text', sql: 'id' },
  kind: { kind: 'text', sql: 'kind' },
  type: { kind: 'text', sql: 'type' },
  scope: { kind: 'text', sql: 'scope' },
  xid: { kind: 'text', sql: 'xid', nullable: true },
  version: { kind: 'number', sql: 'version' },
  seq: { kind: 'number', sql: 'seq' },
  deleted: { kind: 'boolean', sql: 'deleted' },
  out: { kind: 'text', sql: 'out_id', nullable: true },
  in: { kind: 'text', sql: 'in_id', nullable: true },
  outType: { kind: 'text', sql: 'out_type', nullable: true },
  inType: { kind: 'text', sql: 'in_type', nullable: true },
};

const STAMP_SOURCES: Readonly<Record<StampName, Readonly<Record<StampPart, SqlSource>>>> = {
  created: {
    on: { kind: 'number', sql: 'created_on' },
    by: { kind: 'text', sql: 'created_by' },
    app: { kind: 'text', sql: 'created_app' },
  },
  modified: {
    on: { kind: 'number', sql: 'modified_on' },
    by: { kind: 'text', sql: 'modified_by' },
    app: { kind: 'text', sql: 'modified_app' },
  },
};

/** The source of a path; undefined for an unknown path, whose value is absent. */
export function sourceOf(path: Path, parameters: SqlParameters): SqlSource | undefined {
  const place = parsePath(path);
  if (place === undefined) return undefined;
  switch (place.of) {
    case 'field':
      return FIELD_SOURCES[place.field];
    case 'stamp':
      return STAMP_SOURCES[place.stamp][place.part];
    case 'attribute': {
      const { keys } = place;
      // `->` with a text key returns null on lists, unlike `#>`, which would treat '0' as an index.
      return { kind: 'json', read: () => `(attributes${keys.map((key) => ` -> ${parameters.text(key)}`).join('')})`, keys };
    }
    case 'action':
      return undefined;
  }
}
