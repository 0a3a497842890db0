/** One row of the journal: a change of one element by one operation, and how to compute the state before it. */
import type { JsonObject } from '@polyedge/query/json';
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

/** Which protocol, which way and which of its operations caused a change: what an edge needs to name its own events. */
export const Origin = T.Object({
  protocol: T.String({ maxLength: 32 }),
  way: T.Union([T.Literal('socket'), T.Literal('rest'), T.Literal('job')]),
  operation: T.String({ maxLength: 128 }),
});
export type Origin = Static<typeof Origin>;

/**
 * What has to be put back to get the state before from the state after. `fresh`: there was no living element before (`previous` is absent
 * then, or describes the deleted one whose id was taken again). Attributes are restored by name: those in `set` get their old value,
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
  /** True when the element did not exist at all: the state before is nothing, and the rest of this value has no meaning. */
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
  /** Of an edge that was connected again after an end came back as another type. */
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
 * A change as it travels. `owners`: under whom it is heard, before and after together. `first` and `last`: the seqs of the request it is part
 * of. `state` and `undo` are absent when they were too large for a message: then the change is a *reference* and is fetched by `seq`.
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

/** A change that carries its state: what sessions and views are given. */
export type FullChange = Change & { readonly state: Element; readonly undo: Undo };

export const isFull = (change: Change): change is FullChange => change.state !== undefined && change.undo !== undefined;

/** The state before a change, or undefined when the element did not exist. Exact: folding forward and back gives the same value. */
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

/** Sets an own property whatever its name; `__proto__` is an attribute like any other. */
function setOwn<Value>(target: Record<string, Value>, name: string, value: Value): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}
