/** The live feed: committed changes, heads that announce what should have arrived, and hints between replicas of graph-store. */
import { Change } from '../change.ts';
import { defineEvent, defineRequest, defineSignal } from '../channel.ts';
import type { Interest } from '../interest.ts';
import { T } from '../schema.ts';

export const graphChanged = defineEvent({
  address: 'pe.evt.graph.changed.v1.{tenant}.{type}.{owner}',
  summary: 'One change, published once per distinct (type, owner) of the states before and after, in the order of seq.',
  body: Change,
});

/** A change is published in full if its JSON is at most this long, else as a reference. */
export const MAX_CHANGE_BYTES = 256 * 1024;

export const graphHead = defineEvent({
  address: 'pe.evt.graph.head.v1',
  perJournal: true,
  summary:
    "Follows every run of published changes on the same connection, and comes at least every second. Contiguous: `from` is the previous head's `to` + 1; an idle head covers nothing (`to` = `from` - 1). `keys` holds, for each seq, the short keys of the interests it belongs to; an empty list means that the change is internal to the store.",
  body: T.Object({
    epoch: T.String(),
    fence: T.Integer(),
    from: T.Integer(),
    to: T.Integer(),
    keys: T.Array(T.Array(T.Integer())),
  }),
});

export const graphCommitted = defineSignal({
  address: 'pe.sig.graph.committed.v1',
  perJournal: true,
  summary: 'A replica committed changes up to `seq`; wakes the publisher.',
  body: T.Object({ seq: T.Integer() }),
});

const InterestSchema = T.Unsafe<Interest>(T.Object({ tenant: T.String(), type: T.Optional(T.String()), owner: T.Optional(T.String()) }));

export const graphChanges = defineRequest({
  address: 'pe.cmd.graph.changes.v1',
  perJournal: true,
  summary:
    'Changes with their states: those of `after` < seq <= `upTo` that belong to one of the interests, or exactly `seqs`. The reply covers everything up to its `to`; a caller asks again from there until `to` is what it wanted.',
  request: T.Object({
    epoch: T.String(),
    after: T.Optional(T.Integer({ minimum: 0 })),
    upTo: T.Optional(T.Integer({ minimum: 0 })),
    interests: T.Optional(T.Array(InterestSchema, { maxItems: 100_000 })),
    seqs: T.Optional(T.Array(T.Integer({ minimum: 1 }), { maxItems: 1000 })),
  }),
  reply: T.Object({ epoch: T.String(), to: T.Integer(), changes: T.Array(Change) }),
  errors: ['lost', 'too-large'],
});

export const graphPosition = defineRequest({
  address: 'pe.cmd.graph.position.v1',
  perJournal: true,
  summary: 'The epoch and the seq of the newest commit, and the oldest retained seq.',
  request: T.Object({}),
  reply: T.Object({ epoch: T.String(), seq: T.Integer(), oldest: T.Integer(), partitions: T.Integer() }),
  errors: [],
});

export const graphPartition = defineRequest({
  address: 'pe.cmd.graph.partition.v1',
  perJournal: true,
  summary:
    "Changes of one partition of the journal after a seq, in order, without those of accounts: everything up to the reply's `to` is in it. For readers that are behind what Redis retains, or that detected a gap.",
  request: T.Object({
    epoch: T.String(),
    partition: T.Integer({ minimum: 0, maximum: 255 }),
    after: T.Integer({ minimum: 0 }),
    limit: T.Optional(T.Integer({ minimum: 1, maximum: 5000 })),
  }),
  reply: T.Object({ to: T.Integer(), changes: T.Array(Change) }),
  errors: ['lost'],
});
