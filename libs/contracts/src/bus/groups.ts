/** Consumer groups: their durable positions in PostgreSQL. Leases, members and the working copy of the positions are in Redis (libs/journal). */
import { defineRequest, defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** Longest name of a group, in characters. */
export const MAX_GROUP_NAME = 128;
/** Prefix of the names of internal groups, which clients may not use. */
export const INTERNAL_GROUPS = 'polyedge/';
/** Groups of one tenant. */
export const MAX_GROUPS = 1000;
/** Members of one group. */
export const MAX_GROUP_MEMBERS = 64;

const Name = T.String({ minLength: 1, maxLength: MAX_GROUP_NAME });
const Partition = T.Integer({ minimum: 0, maximum: 255 });
const Seq = T.Integer({ minimum: 0 });
const Fence = T.Integer({ minimum: 0 });

export const groupOpen = defineRequest({
  address: 'pe.cmd.groups.open.v1.{tenant}',
  perJournal: true,
  summary:
    'Returns a group; creates it if it does not exist, with all partitions at one position: the newest commit (`largest`) or before the oldest retained change (`smallest`). With `skip` an existing group moves to the newest commit too. A group that expired and was created again has a new `id`.',
  request: T.Object({
    name: Name,
    start: T.Union([T.Literal('largest'), T.Literal('smallest')]),
    skip: T.Optional(T.Boolean()),
  }),
  reply: T.Object({ id: T.Integer(), created: T.Boolean(), epoch: T.String(), partitions: T.Integer() }),
  errors: ['limited'],
});

export const groupClaim = defineRequest({
  address: 'pe.cmd.groups.claim.v1',
  perJournal: true,
  summary:
    'Sets the fence of a new owner: from then on no older owner can move the position, which is returned. A fence that is not above the current one is rejected; the reply then contains the current one.',
  request: T.Object({
    epoch: T.String(),
    group: T.Integer(),
    claims: T.Array(T.Object({ partition: Partition, fence: Fence }), { minItems: 1, maxItems: 256 }),
  }),
  reply: T.Object({
    claims: T.Array(T.Object({ partition: Partition, fence: Fence, position: Seq, taken: T.Boolean() })),
  }),
  errors: ['not-found', 'lost'],
});

export const groupCommit = defineRequest({
  address: 'pe.cmd.groups.commit.v1',
  perJournal: true,
  summary:
    'Positions of one edge, all its groups in one statement: each only moves forward, and only under a fence that is not older than the current one. `touched` are groups still in use. The reply names the rejected positions and the groups that no longer exist.',
  request: T.Object({
    epoch: T.String(),
    positions: T.Array(T.Object({ group: T.Integer(), partition: Partition, fence: Fence, position: Seq }), { maxItems: 100_000 }),
    touched: T.Array(T.Integer(), { maxItems: 100_000 }),
  }),
  reply: T.Object({
    fenced: T.Array(T.Object({ group: T.Integer(), partition: Partition })),
    gone: T.Array(T.Integer()),
  }),
  errors: ['lost'],
});

/** The durable state of a group. */
export const GroupState = T.Object({
  id: T.Integer(),
  name: T.String(),
  createdOn: T.Integer(),
  touchedOn: T.Integer(),
  positions: T.Array(T.Object({ partition: Partition, position: Seq, fence: Fence })),
});
export type GroupState = Static<typeof GroupState>;

export const groupList = defineRequest({
  address: 'pe.cmd.groups.list.v1.{tenant}',
  perJournal: true,
  summary: 'The groups of a tenant with their committed positions, by name, and the newest commit.',
  request: T.Object({}),
  reply: T.Object({ epoch: T.String(), seq: Seq, groups: T.Array(GroupState) }),
  errors: [],
});

/** Identifies the group: the id protects against one that expired or was reset, and was created again since it was read. */
const Which = { id: T.Integer() };

export const groupReset = defineRequest({
  address: 'pe.cmd.groups.reset.v1.{tenant}',
  perJournal: true,
  summary:
    'Resets a group to the newest commit (`largest`) or before the oldest kept change (`smallest`). It gets another id, so confirmations of the old one do not move its positions; members of the old one are lost and come back to the new one. Groups of our own services are not allowed.',
  request: T.Object({ ...Which, to: T.Union([T.Literal('largest'), T.Literal('smallest')]) }),
  reply: T.Object({ id: T.Integer(), position: Seq }),
  errors: ['not-found', 'not-allowed'],
});

export const groupDelete = defineRequest({
  address: 'pe.cmd.groups.delete.v1.{tenant}',
  perJournal: true,
  summary:
    'Deletes a group and its positions. Its members are lost; reconnecting ones create a new group. Internal groups are not allowed.',
  request: T.Object(Which),
  reply: T.Object({}),
  errors: ['not-found', 'not-allowed'],
});

export const groupMoved = defineSignal({
  address: 'pe.sig.groups.moved.v1.{tenant}.{group}',
  summary:
    'A member joined or left, a partition became free, or the group was reset or deleted: edges with members check their partitions again.',
  body: T.Object({ edge: T.String() }),
});
