/**
 * JSSocket between its edges: notifications, logins and who can answer them. Messages, not elements: delivery is at most once, in the order
 * of one sender. `tenant` keeps installations that share a NATS server apart; `edge` is the first part of every connection id of that edge.
 *
 * Payloads travel as JSON *text* (a string): what clients exchange is passed on as it was written (`1.0` stays `1.0`).
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
  summary: 'Somebody notified a group. The body repeats its name, since two long names may share a token.',
  body: T.Object({ group: T.String(), payload: JsonText }),
});

const Told = T.Union([
  /** `notify_client`. With `within`, only a member of that group takes it. */
  T.Object({ kind: T.Literal('notified'), payload: JsonText, within: T.Optional(T.String()) }),
  /** `client_connected`: the group that the core put the client in, and what the client is told. `by` is the core's connection. */
  T.Object({ kind: T.Literal('confirmed'), by: ConnectionId, group: T.String(), data: JsonText }),
  /** A connection's own `callback`: travels like what it sent before, so that it comes after that. */
  T.Object({ kind: T.Literal('callback'), data: JsonText }),
  /** Which group is this client in? Asked before a group is notified by the id of a member; the answer goes to `by`. */
  T.Object({ kind: T.Literal('group-asked'), question: T.Integer(), by: ConnectionId }),
  /** `known` is false when there is no such client; `group` is absent when it was never confirmed. */
  T.Object({ kind: T.Literal('group-known'), question: T.Integer(), known: T.Boolean(), group: T.Optional(T.String()) }),
  /** The core that was asked for this client is no longer connected. */
  T.Object({ kind: T.Literal('core-gone'), core: ConnectionId }),
  /** To a connection from itself: comes after everything that it sent before and hears itself. */
  T.Object({ kind: T.Literal('marker'), marker: T.Integer() }),
]);
export type JssocketTold = Static<typeof Told>;

export const jssocketTold = defineEvent({
  address: 'pe.evt.jssocket.told.v1.{tenant}.{edge}.{connection}',
  summary: 'Something for one connection, wherever it is.',
  body: Told,
});

export const jssocketAsked = defineEvent({
  address: 'pe.evt.jssocket.asked.v1.{tenant}.{edge}.{core}',
  summary: "A client's `client_connect` for one core; `data` already names the client as `target`.",
  body: T.Object({ client: ConnectionId, data: JsonText }),
});

const Cores = T.Object({
  edge: T.String({ minLength: 1, maxLength: 64 }),
  cores: T.Array(ConnectionId, { maxItems: 10_000 }),
  /** True in the last one of an edge that stops. */
  leaving: T.Optional(T.Boolean()),
});
export type JssocketCores = Static<typeof Cores>;

export const jssocketCores = defineSignal({
  address: 'pe.sig.jssocket.cores.v1.{tenant}',
  summary: 'The cores connected to one edge, in the order they registered: every second, and at once when one comes or goes.',
  body: Cores,
});
