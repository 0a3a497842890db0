/** Requests to graph-store about elements: mutations, reads, queries, history, time series and blobs. */
import type { Filter } from '@polyedge/query/filter';
import type { Sort } from '@polyedge/query/query';
import { Change, Origin } from '../change.ts';
import { defineRequest } from '../channel.ts';
import { Element, JsonObjectSchema, JsonSchema } from '../element.ts';
import type { ErrorCode } from '../errors.ts';
import { type Static, T } from '../schema.ts';

/** A filter of `libs/query`; graph-store parses it with that library's own validator. */
const FilterSchema = T.Unsafe<Filter>(T.Unknown());
/** Whether the organization's accounts are included as vertices of the type `ogit/Auth/Account`, as HIRO shows them. */
const accounts = T.Optional(T.Boolean());
const Name = T.String({ minLength: 1, maxLength: 512 });
const Id = T.String({ minLength: 1, maxLength: 1600 });

// Mutations

/** A name in a mutation. graph-store rejects an empty or too long one (512 bytes, an edge's id 1,600) only in the request that contains it. */
const AnyName = T.String();

/** One element by id, or every living element that a filter selects (found, locked, then checked again under the lock). */
const Target = T.Union([T.Object({ id: AnyName, where: T.Optional(FilterSchema) }), T.Object({ where: FilterSchema })]);

/** Conditions and options of an operation. */
const guards = {
  /** The state before must match, else `not-allowed`. */
  before: T.Optional(FilterSchema),
  /** The state after must match, else `not-allowed`. */
  after: T.Optional(FilterSchema),
  /** The exact number of elements that must be selected, else `conflict`. */
  expect: T.Optional(T.Integer({ minimum: 0 })),
  /** The most elements that may be selected, else `not-allowed`. */
  atMost: T.Optional(T.Integer({ minimum: 0 })),
  /** Compare-and-set: the version the element must have, else `conflict`. */
  version: T.Optional(T.Integer({ minimum: 1 })),
  /** Attributes (or `xid`) whose value must be unique among living elements of the type in the tenant, else `conflict`. Stored with the element. */
  unique: T.Optional(T.Array(AnyName, { maxItems: 8 })),
  /** A vertex whose attribute holds the JSON Schema that attribute `of` of the result must satisfy, else `invalid`. */
  schema: T.Optional(T.Object({ id: AnyName, attribute: AnyName, of: T.Optional(AnyName) })),
  /** Record a change (with an empty delta) even if nothing differs. */
  touch: T.Optional(T.Boolean()),
};

/** Creates the element if the target does not exist. */
const IfMissing = T.Object({
  type: AnyName,
  id: T.Optional(AnyName),
  scope: T.Optional(AnyName),
  xid: T.Optional(AnyName),
  attributes: T.Optional(JsonObjectSchema),
  accounts,
});

/** Saga's operators; its protocol page defines them. */
export const OPERATORS = [
  'set',
  'unset',
  'incr',
  'inrc',
  'mul',
  'sadd',
  'rem',
  'lpush',
  'rpush',
  'lpop',
  'rpop',
  'hincr',
  'hmul',
  'hlpush',
  'hrpush',
  'hlpop',
  'hrpop',
  'hrem',
  'hsadd',
] as const;
export type Operator = (typeof OPERATORS)[number];
// The inferred type of the union would not contain the names.
const Operator = T.Unsafe<Operator>(T.Union(OPERATORS.map((name) => T.Literal(name))));

/** The most values that one operation sets inside attributes, or removes. */
const MAX_PUT = 200_000;

export const Operation = T.Union([
  T.Object({
    op: T.Literal('create'),
    type: AnyName,
    id: T.Optional(AnyName),
    scope: T.Optional(AnyName),
    xid: T.Optional(AnyName),
    attributes: JsonObjectSchema,
    /** An account's id counts as taken. */
    accounts,
    after: guards.after,
    unique: guards.unique,
    schema: guards.schema,
  }),
  T.Object({
    op: T.Literal('update'),
    target: Target,
    /** Merged at the top level; null is stored as null. */
    set: T.Optional(JsonObjectSchema),
    /** Values set inside an attribute: the path's first part is the attribute. Missing objects on the path are created. */
    put: T.Optional(T.Array(T.Object({ path: T.Array(AnyName, { minItems: 1, maxItems: 32 }), value: JsonSchema }), { maxItems: MAX_PUT })),
    unset: T.Optional(T.Array(AnyName, { maxItems: MAX_PUT })),
    /** Criteria do not select elements that an earlier operation of the same request has changed. */
    unchangedOnly: T.Optional(T.Boolean()),
    ifMissing: T.Optional(IfMissing),
    ...guards,
  }),
  T.Object({
    op: T.Literal('replace'),
    target: Target,
    attributes: JsonObjectSchema,
    /** Attributes whose names begin with one of these prefixes stay unless `attributes` names them. */
    keep: T.Optional(T.Array(AnyName, { maxItems: 16 })),
    ifMissing: T.Optional(IfMissing),
    ...guards,
  }),
  T.Object({ op: T.Literal('delete'), target: Target, ...guards }),
  T.Object({
    op: T.Literal('connect'),
    out: AnyName,
    verb: AnyName,
    in: AnyName,
    attributes: T.Optional(JsonObjectSchema),
    /** `conflict` (default) or leave the existing edge as it is. */
    ifExists: T.Optional(T.Union([T.Literal('conflict'), T.Literal('keep')])),
    /** Filters on the two ends, else `not-allowed`. */
    ends: T.Optional(FilterSchema),
    accounts,
    after: guards.after,
  }),
  T.Object({
    op: T.Literal('apply'),
    target: Target,
    attribute: AnyName,
    operator: Operator,
    /** Of any length: the element's size bounds it. */
    key: T.Optional(T.String()),
    value: T.Optional(JsonSchema),
    /** Other attributes, merged in the same change; not if the operator's key is missing. */
    set: T.Optional(JsonObjectSchema),
    ifMissing: T.Optional(IfMissing),
    ...guards,
  }),
  T.Object({
    op: T.Literal('write-values'),
    target: Target,
    /** `at` in milliseconds; writing the same `at` again replaces the value and keeps the old one in its history. `ttlMs` counts from now. */
    values: T.Array(T.Object({ at: T.Integer(), value: JsonSchema, ttlMs: T.Optional(T.Integer({ minimum: 1 })) }), {
      minItems: 1,
      maxItems: 10_000,
    }),
    ...guards,
  }),
  T.Object({
    op: T.Literal('attach'),
    target: Target,
    /** A blob whose chunks were all written; null detaches. `set` is merged in the same change. */
    content: T.Union([T.String({ maxLength: 64 }), T.Null()]),
    set: T.Optional(JsonObjectSchema),
    ...guards,
  }),
]);
export type Operation = Static<typeof Operation>;

/** Operations that take effect all or nothing. */
export const MutationRequest = T.Object({
  /** See operation-id.ts. Repeating a successful request under its id returns the first result for 24 hours; another request under it is a `conflict`. */
  operationId: T.String({ pattern: '^[0-9a-f]{32}$' }),
  /** The account and application recorded in the stamps. */
  by: T.String({ maxLength: 512 }),
  app: T.String({ maxLength: 512 }),
  origin: Origin,
  operations: T.Array(Operation, { minItems: 1, maxItems: 1000 }),
});
export type MutationRequest = Static<typeof MutationRequest>;

/** The result of one operation: the elements it changed or selected, in their new state. */
const OperationResult = T.Object({
  elements: T.Array(Element),
  /** The operation recorded no change because nothing differed. */
  unchanged: T.Optional(T.Boolean()),
  /** The attributes that the operation gives are missing from the elements (given-attributes.ts). */
  omitted: T.Optional(T.Boolean()),
  /** The value that a pop operator removed; null if there was none. */
  popped: T.Optional(JsonSchema),
});

const FailureSchema = T.Object({
  code: T.Unsafe<ErrorCode>(T.String()),
  detail: T.Optional(T.String()),
  retryAfterMs: T.Optional(T.Integer()),
});

export const MutationOutcome = T.Union([
  T.Object({
    ok: T.Literal(true),
    value: T.Object({
      /** Seqs of the first and last change; 0 and 0 when nothing changed. */
      first: T.Integer(),
      last: T.Integer(),
      /** True when this is the stored result of an earlier attempt. */
      repeated: T.Optional(T.Boolean()),
      operations: T.Array(OperationResult),
    }),
  }),
  T.Object({
    ok: T.Literal(false),
    failure: FailureSchema,
    /** The index of the operation that failed, if known. */
    operation: T.Optional(T.Integer()),
  }),
]);
export type MutationOutcome = Static<typeof MutationOutcome>;
export type MutationResult = Extract<MutationOutcome, { ok: true }>['value'];

export const graphMutate = defineRequest({
  address: 'pe.cmd.graph.mutate.v1.{tenant}',
  perJournal: true,
  summary: 'An ordered array of independent requests of one connection: applied in order, each all or nothing, each with its own outcome.',
  request: T.Object({
    defaultScope: Name,
    /** The caller puts back what results omit (given-attributes.ts). */
    restores: T.Optional(T.Boolean()),
    requests: T.Array(MutationRequest, { minItems: 1, maxItems: 500 }),
  }),
  reply: T.Object({ epoch: T.String(), outcomes: T.Array(MutationOutcome) }),
  errors: ['not-allowed', 'not-found', 'conflict', 'too-large'],
});

// Reads

/** The oldest journal position a read must reflect; the store waits or answers `unavailable`. */
const atLeast = T.Optional(T.Integer({ minimum: 0 }));

export const graphGet = defineRequest({
  address: 'pe.cmd.graph.get.v1.{tenant}',
  perJournal: true,
  summary: 'Elements by id, in the requested order; null for one that does not exist, is deleted (unless requested) or fails `visible`.',
  request: T.Object({
    ids: T.Array(Id, { minItems: 1, maxItems: 10_000 }),
    includeDeleted: T.Optional(T.Boolean()),
    visible: T.Optional(FilterSchema),
    accounts,
    atLeast,
  }),
  reply: T.Object({ epoch: T.String(), seq: T.Integer(), elements: T.Array(T.Union([Element, T.Null()])) }),
  errors: ['too-large'],
});

/** Sort keys, checked by `libs/query` like the filter. */
const SortSchema = T.Unsafe<readonly Sort[]>(T.Array(T.Unknown(), { maxItems: 8 }));

/** Elements or changes that fit into one reply whatever their size. A request for more may be `too-large`: it is repeated for so many. */
export const ALWAYS_FITTING = 14;

export const graphQuery = defineRequest({
  address: 'pe.cmd.graph.query.v1.{tenant}',
  perJournal: true,
  summary:
    'Elements that match a filter. All rows of one reply come from one state of the graph, the one after `seq`. A cursor continues after the last row; pages do not share one state.',
  request: T.Object({
    filter: FilterSchema,
    sort: T.Optional(SortSchema),
    limit: T.Optional(T.Integer({ minimum: 0, maximum: 10_000 })),
    offset: T.Optional(T.Integer({ minimum: 0, maximum: 1_000_000 })),
    cursor: T.Optional(T.String({ maxLength: 16_384 })),
    /** Top-level attributes to return; the rest of the element is always returned. */
    fields: T.Optional(T.Array(T.String(), { maxItems: 1000 })),
    /** Also (or, with limit 0, only) count all matches. */
    count: T.Optional(T.Boolean()),
    includeDeleted: T.Optional(T.Boolean()),
    accounts,
    atLeast,
  }),
  reply: T.Object({
    epoch: T.String(),
    seq: T.Integer(),
    elements: T.Array(Element),
    cursor: T.Optional(T.String()),
    count: T.Optional(T.Integer()),
  }),
  errors: ['too-large'],
});

export const graphHistory = defineRequest({
  address: 'pe.cmd.graph.history.v1.{tenant}',
  perJournal: true,
  summary:
    'Changes with their states, newest first unless `order` says otherwise: of the given elements, or of all elements (of one type) in a time range.',
  request: T.Object({
    elements: T.Optional(T.Array(Id, { minItems: 1, maxItems: 1000 })),
    type: T.Optional(Name),
    from: T.Optional(T.Integer()),
    to: T.Optional(T.Integer()),
    version: T.Optional(T.Integer()),
    afterSeq: T.Optional(T.Integer()),
    beforeSeq: T.Optional(T.Integer()),
    order: T.Optional(T.Union([T.Literal('asc'), T.Literal('desc')])),
    limit: T.Optional(T.Integer({ minimum: 1, maximum: 10_000 })),
    offset: T.Optional(T.Integer({ minimum: 0, maximum: 1_000_000 })),
    visible: T.Optional(FilterSchema),
    /** Only if `elements` names an account. */
    accounts,
  }),
  reply: T.Object({ epoch: T.String(), seq: T.Integer(), changes: T.Array(Change), more: T.Boolean() }),
  errors: ['not-found', 'too-large'],
});

const ValueSchema = T.Object({ at: T.Integer(), value: JsonSchema });

export const graphValues = defineRequest({
  address: 'pe.cmd.graph.values.v1.{tenant}',
  perJournal: true,
  summary:
    'Values of time series, merged and ordered by time; `at` asks for every value ever written for one time, newest first, `history` for those of all times.',
  request: T.Object({
    ids: T.Array(Id, { minItems: 1, maxItems: 1000 }),
    from: T.Optional(T.Integer()),
    to: T.Optional(T.Integer()),
    at: T.Optional(T.Integer()),
    history: T.Optional(T.Boolean()),
    order: T.Optional(T.Union([T.Literal('asc'), T.Literal('desc'), T.Literal('none')])),
    aggregate: T.Optional(T.Union([T.Literal('none'), T.Literal('avg'), T.Literal('min'), T.Literal('max'), T.Literal('sum')])),
    limit: T.Optional(T.Integer({ minimum: 1, maximum: 100_000 })),
    offset: T.Optional(T.Integer({ minimum: 0 })),
  }),
  reply: T.Object({ values: T.Array(ValueSchema), more: T.Boolean() }),
  errors: ['too-large'],
});

/** Bytes of one chunk of a blob. */
export const CHUNK_BYTES = 256 * 1024;

export const graphWriteChunk = defineRequest({
  address: 'pe.cmd.graph.write-chunk.v1.{tenant}',
  perJournal: true,
  summary: 'One chunk of a blob, in order from 0. Blobs without a reference are deleted after an hour.',
  request: T.Object({
    content: T.String({ pattern: '^[A-Za-z0-9_-]{16,64}$' }),
    index: T.Integer({ minimum: 0 }),
    data: T.String({ maxLength: 350_000 }),
    last: T.Boolean(),
    mediaType: T.String({ maxLength: 256 }),
  }),
  reply: T.Object({ size: T.Integer() }),
  errors: ['conflict', 'too-large'],
});

export const graphReadChunk = defineRequest({
  address: 'pe.cmd.graph.read-chunk.v1.{tenant}',
  perJournal: true,
  summary: 'One chunk of a blob as base64, with the metadata of the blob.',
  request: T.Object({ content: T.String({ maxLength: 64 }), index: T.Integer({ minimum: 0 }) }),
  reply: T.Object({ data: T.String(), size: T.Integer(), chunks: T.Integer(), mediaType: T.String() }),
  errors: ['not-found'],
});
