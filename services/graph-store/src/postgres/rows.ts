/** Converts rows of PostgreSQL to elements and changes. */
import type { Action, FullChange, Origin, Undo } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';

/** A row of `element`. */
export interface ElementRow {
  readonly tenant: string;
  readonly id: string;
  readonly kind: 'vertex' | 'edge';
  readonly type: string;
  readonly scope: string;
  readonly xid: string | null;
  readonly attributes: JsonObject;
  readonly version: number;
  readonly seq: number;
  readonly created_on: number;
  readonly created_by: string;
  readonly created_app: string;
  readonly modified_on: number;
  readonly modified_by: string;
  readonly modified_app: string;
  readonly deleted: boolean;
  readonly out_id: string | null;
  readonly in_id: string | null;
  readonly out_type: string | null;
  readonly in_type: string | null;
}

export const ELEMENT_COLUMNS =
  'tenant, id, kind, type, scope, xid, attributes, version, seq, created_on, created_by, created_app, modified_on, modified_by, modified_app, deleted, out_id, in_id, out_type, in_type';

export function toElement(row: ElementRow): Element {
  return {
    tenant: row.tenant,
    id: row.id,
    kind: row.kind,
    type: row.type,
    scope: row.scope,
    ...(row.xid === null ? {} : { xid: row.xid }),
    attributes: row.attributes,
    version: row.version,
    seq: row.seq,
    created: { on: row.created_on, by: row.created_by, app: row.created_app },
    modified: { on: row.modified_on, by: row.modified_by, app: row.modified_app },
    deleted: row.deleted,
    ...(row.out_id === null ? {} : { out: row.out_id }),
    ...(row.in_id === null ? {} : { in: row.in_id }),
    ...(row.out_type === null ? {} : { outType: row.out_type }),
    ...(row.in_type === null ? {} : { inType: row.in_type }),
  };
}

/** A row of `journal`: the element after the change, and the change itself. */
export interface JournalRow extends Omit<ElementRow, 'id'> {
  readonly element: string;
  readonly epoch: string;
  readonly owners: readonly string[];
  readonly action: Action;
  readonly undo: Omit<Undo, 'seq'>;
  readonly seq_before: number;
  readonly protocol: string;
  readonly way: Origin['way'];
  readonly operation: string;
  readonly operation_id: string;
  readonly first_seq: number;
  readonly last_seq: number;
}

export const JOURNAL_COLUMNS = `${ELEMENT_COLUMNS.replace(' id,', ' element,')}, epoch, array_to_json(owners) as owners, action, undo, seq_before, protocol, way, operation, operation_id, first_seq, last_seq`;

export function toChange(row: JournalRow): FullChange {
  const state = toElement({ ...row, id: row.element });
  return {
    seq: row.seq,
    epoch: row.epoch,
    tenant: row.tenant,
    id: row.element,
    kind: row.kind,
    type: row.type,
    scope: row.scope,
    owners: row.owners,
    action: row.action,
    version: row.version,
    on: row.modified_on,
    by: row.modified_by,
    app: row.modified_app,
    origin: { protocol: row.protocol, way: row.way, operation: row.operation },
    operationId: row.operation_id,
    first: row.first_seq,
    last: row.last_seq,
    state,
    undo: { ...row.undo, seq: row.seq_before },
  };
}
