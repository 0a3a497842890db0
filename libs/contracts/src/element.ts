/** The element: a vertex or an edge of the property graph, as all processes exchange it. */
import type { Json, JsonObject } from '@polyedge/query/json';
import { T } from './schema.ts';

/** Any JSON value. Depth, size and characters are checked by graph-store before a batch, not by the schema. */
export const JsonSchema = T.Unsafe<Json>(T.Unknown());
export const JsonObjectSchema = T.Unsafe<JsonObject>(T.Record(T.String(), T.Unknown()));

/** When (milliseconds since 1970), by which account and through which application. */
export const Stamp = T.Object({ on: T.Integer(), by: T.String(), app: T.String() });

/**
 * A vertex or an edge. `version` counts from 1 and never repeats for an id; `seq` is the change that led to this state. A deleted element
 * keeps its last attributes with `deleted: true` (`modified` then says when and by whom) until an element is created under its id again.
 * An edge's `type` is its verb; it has the ids and types of its two ends.
 */
export const Element = T.Unsafe<Element>(
  T.Object({
    tenant: T.String(),
    id: T.String(),
    kind: T.Union([T.Literal('vertex'), T.Literal('edge')]),
    type: T.String(),
    scope: T.String(),
    xid: T.Optional(T.String()),
    attributes: JsonObjectSchema,
    version: T.Integer(),
    seq: T.Integer(),
    created: Stamp,
    modified: Stamp,
    deleted: T.Boolean(),
    out: T.Optional(T.String()),
    in: T.Optional(T.String()),
    outType: T.Optional(T.String()),
    inType: T.Optional(T.String()),
  }),
);

export interface Stamp {
  readonly on: number;
  readonly by: string;
  readonly app: string;
}

export interface Element {
  readonly tenant: string;
  readonly id: string;
  readonly kind: 'vertex' | 'edge';
  readonly type: string;
  readonly scope: string;
  readonly xid?: string;
  readonly attributes: JsonObject;
  readonly version: number;
  readonly seq: number;
  readonly created: Stamp;
  readonly modified: Stamp;
  readonly deleted: boolean;
  readonly out?: string;
  readonly in?: string;
  readonly outType?: string;
  readonly inType?: string;
}

/** The id of the edge from `out` over `verb` to `into`: there is at most one edge per verb and direction between two vertices. */
export const edgeId = (out: string, verb: string, into: string): string => `${out}$$${verb}$$${into}`;

/** The id of the vertex that represents a role of HIRO. */
export const roleId = (role: string): string => `role:${role}`;

/** The id of the profile of an account. */
export const profileId = (account: string): string => `profile:${account}`;

/** The scope of accounts, roles and keys. Its elements are never visible to a data query and never appended to Redis. */
export const SYSTEM_SCOPE = 'system';

/** The tenant of all accounts: only its elements may be in the system scope. No organization has this name, so no token names it. */
export const SYSTEM_TENANT = 'system';
