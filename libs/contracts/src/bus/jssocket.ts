/**
 * JSSocket's messages between its edges: notifications, logins and the cores that answer them. They are not elements: delivery is at most once, in the order
 * of one sender. `tenant` separates installations that share a NATS server; `edge` is the first part of every connection id of that edge.
 *
 * Payloads are JSON *text* (a string), so that clients receive exactly what was sent (`1.0` stays `1.0`).
 */
import { defineEvent, defineSignal } from '../channel.ts';
import { type Static, T } from '../schema.ts';

/** The source text of one JSON value. */
const JsonText = T.String();
const ConnectionId = T.String({ maxLength: 64 });

export const jssocketNotifiedAll = defineEvent({
  address: 'pe.evt.jssocket.notified-all.v1.{tenant}',
  summary: 'A core notified all clients.',
  body: T.Object({ payload: JsonText }),
});

export const jssocketNotifiedGroup = defineEvent({
  address: 'pe.evt.jssocket.notified-group.v1.{tenant}.{group}',
  summary: 'A group was notified. The body repeats its name, because two long names may share a token.',
  body: T.Object({ group: T.String(), payload: JsonText }),
});

const Message = T.Union([
  /** `notify_client`. With `within`, only a member of that group accepts it. */
  T.Object({ kind: T.Literal('notified'), payload: JsonText, within: T.Optional(T.String()) }),
  /** `client_connected`: the group that the core assigned to the client, and the data for the client. `by` is the core's connection. */
  T.Object({ kind: T.Literal('confirmed'), by: ConnectionId, group: T.String(), data: JsonText }),
  /** A connection's own `callback`: it takes the same route as the messages sent before it, so that it arrives after them. */
  T.Object({ kind: T.Literal('callback'), data: JsonText }),
  /** Asks which group a client is in, before its group is notified by the client's id; the answer goes to `by`. */
  T.Object({ kind: T.Literal('group-asked'), question: T.Integer(), by: ConnectionId }),
  /** `known` is false if there is no such client; `group` is absent if the client was never confirmed. */
  T.Object({ kind: T.Literal('group-known'), question: T.Integer(), known: T.Boolean(), group: T.Optional(T.String()) }),
  /** The core that was to confirm this client is no longer connected. */
  T.Object({ kind: T.Literal('core-gone'), core: ConnectionId }),
  /** From a connection to itself: arrives after everything that it published before and receives itself. */
  T.Object({ kind: T.Literal('marker'), marker: T.Integer() }),
]);
export type JssocketMessage = Static<typeof Message>;

export const jssocketTold = defineEvent({
  address: 'pe.evt.jssocket.told.v1.{tenant}.{edge}.{connection}',
  summary: 'A message for one connection, on whichever edge it is.',
  body: Message,
});

export const jssocketAsked = defineEvent({
  address: 'pe.evt.jssocket.asked.v1.{tenant}.{edge}.{core}',
  summary: "A client's `client_connect` for one core; `data` already names the client as `target`.",
  body: T.Object({ client: ConnectionId, data: JsonText }),
});

const Cores = T.Object({
  edge: T.String({ minLength: 1, maxLength: 64 }),
  cores: T.Array(ConnectionId, { maxItems: 10_000 }),
  /** True in the last message of an edge that stops. */
  leaving: T.Optional(T.Boolean()),
});
export type JssocketCores = Static<typeof Cores>;

export const jssocketCores = defineSignal({
  address: 'pe.sig.jssocket.cores.v1.{tenant}',
  summary: 'The cores connected to one edge, in the order of registration: every second, and immediately when one connects or disconnects.',
  body: Cores,
});
