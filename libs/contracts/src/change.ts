/** One row of the journal: a change of one element by one operation, and how to compute the state before it. */
import type { JsonObject } from '@polyedge/query/json';
import { setOwn } from '@polyedge/query/own-properties';
import { Element, JsonObjectSchema, Stamp } from './element.ts';
import { type Static, T } from './schema.ts';

/** What an operation did to an element. */
export const Action = T.Union([
  T.Literal('create'),
  T.Literal('update'),
  T.Literal('replace'),
  T.Literal('delete'),
  T.Literal('connect'),
  T.Literal('disconnect'),
  T.Literal('write-values'),
  T.Literal('write-blob'),
  T.Literal('delete-blob'),
]);
export type Action = Static<typeof Action>;

/** The protocol, transport and operation that caused a change: an edge derives its own events from it. */
export const Origin = T.Object({
  protocol: T.String({ maxLength: 32 }),
  way: T.Union([T.Literal('socket'), T.Literal('rest'), T.Literal('job')]),
  operation: T.String({ maxLength: 128 }),
});
export type Origin = Static<typeof Origin>;

/**
 * What to restore to get the state before from the state after. `fresh`: there was no living element before (`previous` is absent
 * then, or describes the deleted element whose id was reused). Attributes are restored by name: those in `set` get their old value,
 * those in `unset` did not exist.
 */
export const Undo = T.Object({
  fresh: T.Optional(T.Boolean()),
  set: JsonObjectSchema,
  unset: T.Array(T.String()),
  version: T.Integer(),
  seq: T.Integer(),
  modified: T.Optional(Stamp),
  created: T.Optional(Stamp),
  deleted: T.Boolean(),
  scope: T.Optional(T.String()),
  type: T.Optional(T.String()),
  xid: T.Optional(T.Union([T.String(), T.Null()])),
  outType: T.Optional(T.String()),
  inType: T.Optional(T.String()),
});

export interface Undo {
  /** True if the element did not exist: there is no state before, and the other fields have no meaning. */
  readonly fresh?: boolean;
  readonly set: JsonObject;
  readonly unset: readonly string[];
  readonly version: number;
  readonly seq: number;
  readonly modified?: Stamp;
  readonly created?: Stamp;
  readonly deleted: boolean;
  readonly scope?: string;
  readonly type?: string;
  readonly xid?: string | null;
  /** Set for an edge that was connected again after one of its ends was re-created with another type. */
  readonly outType?: string;
  readonly inType?: string;
}

export const Change = T.Unsafe<Change>(
  T.Object({
    seq: T.Integer({ minimum: 1 }),
    epoch: T.String(),
    tenant: T.String(),
    id: T.String(),
    kind: T.Union([T.Literal('vertex'), T.Literal('edge')]),
    type: T.String(),
    scope: T.String(),
    owners: T.Array(T.String()),
    action: Action,
    version: T.Integer(),
    on: T.Integer(),
    by: T.String(),
    app: T.String(),
    origin: Origin,
    operationId: T.String(),
    first: T.Integer(),
    last: T.Integer(),
    state: T.Optional(Element),
    undo: T.Optional(Undo),
  }),
);

/**
 * A change as it is published. `owners`: its owners before and after together. `first` and `last`: the seqs of the request it is part
 * of. `state` and `undo` are absent if they are too large for a message; such a change is a *reference* and is fetched by `seq`.
 */
export interface Change {
  readonly seq: number;
  readonly epoch: string;
  readonly tenant: string;
  readonly id: string;
  readonly kind: 'vertex' | 'edge';
  readonly type: string;
  readonly scope: string;
  readonly owners: readonly string[];
  readonly action: Action;
  readonly version: number;
  readonly on: number;
  readonly by: string;
  readonly app: string;
  readonly origin: Origin;
  readonly operationId: string;
  readonly first: number;
  readonly last: number;
  readonly state?: Element;
  readonly undo?: Undo;
}

/** A change with its state, as sessions and views receive it. */
export type FullChange = Change & { readonly state: Element; readonly undo: Undo };

export const isFull = (change: Change): change is FullChange => change.state !== undefined && change.undo !== undefined;

/** The state before a change, or undefined if the element did not exist. Exact: no information is lost. */
export function stateBefore(state: Element, undo: Undo): Element | undefined {
  if (undo.fresh === true) return undefined;
  const attributes: Record<string, JsonObject[string]> = {};
  const unset = new Set(undo.unset);
  for (const [name, value] of Object.entries(state.attributes)) {
    if (!unset.has(name)) setOwn(attributes, name, value);
  }
  for (const [name, value] of Object.entries(undo.set)) setOwn(attributes, name, value);
  const { xid, ...rest } = state;
  const xidBefore = undo.xid === undefined ? xid : (undo.xid ?? undefined);
  return {
    ...rest,
    ...(xidBefore === undefined ? {} : { xid: xidBefore }),
    attributes,
    version: undo.version,
    seq: undo.seq,
    created: undo.created ?? state.created,
    modified: undo.modified ?? state.modified,
    deleted: undo.deleted,
    scope: undo.scope ?? state.scope,
    type: undo.type ?? state.type,
    ...(undo.outType === undefined ? {} : { outType: undo.outType }),
    ...(undo.inType === undefined ? {} : { inType: undo.inType }),
  };
}
