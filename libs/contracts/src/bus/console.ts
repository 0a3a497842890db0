/** What the console sees of the running processes: their state once a second, and the connections of the edges. Read-only, except for closing one. */
import { defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** The most metrics that one process publishes; further ones are left out. */
export const MAX_FIGURES = 400;
/** The most connections in one answer of one process. */
export const MAX_CONNECTIONS_REPORTED = 500;

const Name = T.String({ maxLength: 64 });

export const ServiceStatus = T.Object({
  service: Name,
  instance: Name,
  version: T.String({ maxLength: 32 }),
  /** Counts this process's messages from 1: a gap means that a message was lost. */
  beat: T.Integer({ minimum: 1 }),
  uptimeMs: T.Number({ minimum: 0 }),
  /** True, or the reason why it is not ready. */
  ready: T.Union([T.Literal(true), T.String({ maxLength: 512 })]),
  memoryBytes: T.Number({ minimum: 0 }),
  heapBytes: T.Number({ minimum: 0 }),
  /** CPU use since the previous message: 1 is one full core. */
  cpu: T.Number({ minimum: 0 }),
  /** The event loop's delay since the previous message: 99th percentile and maximum. */
  loopDelayMs: T.Number({ minimum: 0 }),
  loopDelayMaxMs: T.Number({ minimum: 0 }),
  /** The non-zero metrics of the process, by name and labels in Prometheus's notation. */
  figures: T.Record(T.String({ maxLength: 160 }), T.Number()),
});
export type ServiceStatus = Static<typeof ServiceStatus>;

export const serviceStatus = defineSignal({
  address: 'pe.sig.console.status.v1.{service}',
  summary: 'The state of one process of a service, once a second.',
  body: ServiceStatus,
});

/** An open socket of a client. Contains amounts only, never message contents. */
export const ConnectionState = T.Object({
  /** Unique within its process; never reused. */
  number: T.Integer({ minimum: 1 }),
  api: Name,
  address: T.String({ maxLength: 128 }),
  account: T.Optional(T.String({ maxLength: 512 })),
  username: T.Optional(T.String({ maxLength: 512 })),
  /** Milliseconds since 1970. */
  since: T.Integer(),
  subscriptions: T.Integer({ minimum: 0 }),
  /** Whether it is a member of a consumer group. */
  member: T.Boolean(),
  bufferedBytes: T.Integer({ minimum: 0 }),
  inFlight: T.Integer({ minimum: 0 }),
});
export type ConnectionState = Static<typeof ConnectionState>;

/** Search criteria: all that are given must hold. `text` is part of a user name, an account or an address, regardless of case. */
export const ConnectionSearch = T.Object({
  text: T.Optional(T.String({ maxLength: 256 })),
  /** The least number of unsent bytes. */
  bufferedBytes: T.Optional(T.Integer({ minimum: 0 })),
});
export type ConnectionSearch = Static<typeof ConnectionSearch>;

export const connectionsWanted = defineSignal({
  address: 'pe.sig.console.connections-wanted.v1',
  summary: "Requests every edge's connections of a tenant, and those without a login; each edge answers under the question's id.",
  body: T.Object({ question: Name, tenant: T.String({ maxLength: 512 }), search: ConnectionSearch }),
});

export const connectionsFound = defineSignal({
  address: 'pe.sig.console.connections-found.v1.{question}',
  summary:
    'The matching connections of one process, those with the most unsent bytes first; `matching` also counts those that were left out.',
  body: T.Object({
    service: Name,
    instance: Name,
    matching: T.Integer({ minimum: 0 }),
    connections: T.Array(ConnectionState, { maxItems: MAX_CONNECTIONS_REPORTED }),
  }),
});

export const connectionClose = defineSignal({
  address: 'pe.sig.console.connection-close.v1.{instance}',
  summary: 'Requests the edge that holds a connection to close it (1008). The edge logs who requested it.',
  body: T.Object({ api: Name, number: T.Integer({ minimum: 1 }), tenant: T.String({ maxLength: 512 }), by: T.String({ maxLength: 512 }) }),
});

/** The most members of a group in one answer. */
const MAX_MEMBERS_REPORTED = 256;

export const groupsWanted = defineSignal({
  address: 'pe.sig.console.groups-wanted.v1',
  summary: "Requests the state of some consumer groups of a tenant; each edge that serves groups answers under the question's id.",
  body: T.Object({
    question: Name,
    tenant: T.String({ maxLength: 512 }),
    groups: T.Array(T.Object({ id: T.Integer(), name: T.String({ maxLength: 128 }) }), { maxItems: 100 }),
  }),
});

/** A member that is connected to the answering edge. Times are milliseconds since 1970. */
const MemberHere = T.Object({
  member: T.String({ maxLength: 128 }),
  address: T.String({ maxLength: 128 }),
  username: T.Optional(T.String({ maxLength: 512 })),
  since: T.Integer(),
  /** When its client last answered a ping; absent before the first answer. */
  pongOn: T.Optional(T.Integer()),
});
export type MemberHere = Static<typeof MemberHere>;

/**
 * One group as one edge sees it. `members` and `owners` are those of all edges, from Redis; `own` are the partitions and `here` the clients of
 * this edge.
 */
export const GroupReport = T.Object({
  id: T.Integer(),
  here: T.Optional(T.Array(MemberHere, { maxItems: MAX_MEMBERS_REPORTED })),
  members: T.Array(T.Object({ member: T.String({ maxLength: 128 }), edge: Name }), { maxItems: MAX_MEMBERS_REPORTED }),
  owners: T.Array(T.Object({ partition: T.Integer(), owner: T.String({ maxLength: 128 }) }), { maxItems: 256 }),
  own: T.Array(T.Object({ partition: T.Integer(), position: T.Integer(), pending: T.Integer(), lag: T.Integer() }), { maxItems: 256 }),
});
export type GroupReport = Static<typeof GroupReport>;

export const groupsFound = defineSignal({
  address: 'pe.sig.console.groups-found.v1.{question}',
  summary: "One edge's view of the requested groups.",
  body: T.Object({ instance: Name, groups: T.Array(GroupReport, { maxItems: 100 }) }),
});
