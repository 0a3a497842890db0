/** What the console sees of the running processes: their state once a second, and the connections that edges hold. Read only, but for closing one. */
import { defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** Figures that one process tells; further ones are left out. */
export const MAX_FIGURES = 400;
/** Connections in one answer of one process. */
export const MAX_CONNECTIONS_TOLD = 500;

const Name = T.String({ maxLength: 64 });

export const ServiceStatus = T.Object({
  service: Name,
  instance: Name,
  version: T.String({ maxLength: 32 }),
  /** Of this process, from 1: a number that was skipped is a message that was lost. */
  beat: T.Integer({ minimum: 1 }),
  uptimeMs: T.Number({ minimum: 0 }),
  /** True, or what is missing. */
  ready: T.Union([T.Literal(true), T.String({ maxLength: 512 })]),
  memoryBytes: T.Number({ minimum: 0 }),
  heapBytes: T.Number({ minimum: 0 }),
  /** Of one core, since the beat before: 1 is all of it. */
  cpu: T.Number({ minimum: 0 }),
  /** How late the event loop was since the beat before: the 99th percentile and the worst. */
  loopDelayMs: T.Number({ minimum: 0 }),
  loopDelayMaxMs: T.Number({ minimum: 0 }),
  /** The metrics of the process that are not 0, by name and labels as Prometheus writes them. */
  figures: T.Record(T.String({ maxLength: 160 }), T.Number()),
});
export type ServiceStatus = Static<typeof ServiceStatus>;

export const serviceStatus = defineSignal({
  address: 'pe.sig.console.status.v1.{service}',
  summary: 'How one process of a service is, once a second.',
  body: ServiceStatus,
});

/** An open socket of a client. What it says is never told, only how much. */
export const ConnectionState = T.Object({
  /** Of its process; never used again. */
  number: T.Integer({ minimum: 1 }),
  api: Name,
  address: T.String({ maxLength: 128 }),
  account: T.Optional(T.String({ maxLength: 512 })),
  username: T.Optional(T.String({ maxLength: 512 })),
  /** Milliseconds since 1970. */
  since: T.Integer(),
  subscriptions: T.Integer({ minimum: 0 }),
  /** It is a member of a consumer group. */
  member: T.Boolean(),
  bufferedBytes: T.Integer({ minimum: 0 }),
  inFlight: T.Integer({ minimum: 0 }),
});
export type ConnectionState = Static<typeof ConnectionState>;

/** What is looked for: each that is given must hold. `text` is part of a user name, an account or an address, in any case. */
export const ConnectionSearch = T.Object({
  text: T.Optional(T.String({ maxLength: 256 })),
  /** At least so much is owed to the client. */
  bufferedBytes: T.Optional(T.Integer({ minimum: 0 })),
});
export type ConnectionSearch = Static<typeof ConnectionSearch>;

export const connectionsWanted = defineSignal({
  address: 'pe.sig.console.connections-wanted.v1',
  summary: 'Asks every edge for its connections of a tenant, and those that nobody has logged in on; each answers under the question.',
  body: T.Object({ question: Name, tenant: T.String({ maxLength: 512 }), search: ConnectionSearch }),
});

export const connectionsFound = defineSignal({
  address: 'pe.sig.console.connections-found.v1.{question}',
  summary: 'The connections of one process that were looked for, those that are owed most first; `matching` counts those left out as well.',
  body: T.Object({
    service: Name,
    instance: Name,
    matching: T.Integer({ minimum: 0 }),
    connections: T.Array(ConnectionState, { maxItems: MAX_CONNECTIONS_TOLD }),
  }),
});

export const connectionClose = defineSignal({
  address: 'pe.sig.console.connection-close.v1.{instance}',
  summary: 'Asks the edge that holds a connection to close it (1008). It says in its log who asked.',
  body: T.Object({ api: Name, number: T.Integer({ minimum: 1 }), tenant: T.String({ maxLength: 512 }), by: T.String({ maxLength: 512 }) }),
});

/** Members and partitions of one answer about a group. */
const MAX_MEMBERS_TOLD = 256;

export const groupsWanted = defineSignal({
  address: 'pe.sig.console.groups-wanted.v1',
  summary: 'Asks the edges that serve consumer groups for what they know of some of a tenant; each answers under the question.',
  body: T.Object({
    question: Name,
    tenant: T.String({ maxLength: 512 }),
    groups: T.Array(T.Object({ id: T.Integer(), name: T.String({ maxLength: 128 }) }), { maxItems: 100 }),
  }),
});

/** A member that is connected to the edge that tells. Times are milliseconds since 1970. */
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
 * One group as one edge knows it. `members` and `owners` are those of all edges, as Redis has them; `own` are the partitions and `here` the
 * clients of this edge.
 */
export const GroupTold = T.Object({
  id: T.Integer(),
  here: T.Optional(T.Array(MemberHere, { maxItems: MAX_MEMBERS_TOLD })),
  members: T.Array(T.Object({ member: T.String({ maxLength: 128 }), edge: Name }), { maxItems: MAX_MEMBERS_TOLD }),
  owners: T.Array(T.Object({ partition: T.Integer(), owner: T.String({ maxLength: 128 }) }), { maxItems: 256 }),
  own: T.Array(T.Object({ partition: T.Integer(), position: T.Integer(), pending: T.Integer(), lag: T.Integer() }), { maxItems: 256 }),
});
export type GroupTold = Static<typeof GroupTold>;

export const groupsFound = defineSignal({
  address: 'pe.sig.console.groups-found.v1.{question}',
  summary: 'What one edge knows of the groups that were asked for.',
  body: T.Object({ instance: Name, groups: T.Array(GroupTold, { maxItems: 100 }) }),
});
