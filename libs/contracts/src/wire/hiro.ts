/**
 * Frames of HIRO's two WebSocket protocols, `graph-2.0.0` and `events-1.0.0` (HIRO 7.0 WS API; the JavaScript, Python, Java and Elixir
 * clients). Schemas of incoming frames are as loose as the real clients; schemas of outgoing frames are exact.
 */
import type { Json } from '@polyedge/query/json';
import { check, type Static, T } from '../schema.ts';

/** The longest accepted request id and filter id. The JavaScript client uses the text of a filter as its id. */
export const MAX_ID_CHARACTERS = 8192;

const Loose = T.Record(T.String(), T.Unknown());
/** "missing or {}": clients also send null. */
const Missing = T.Optional(T.Union([Loose, T.Null()]));

/** Ids are echoed with their type: the Java client sends numbers, the others strings. */
const FrameId = T.Union([T.String({ maxLength: MAX_ID_CHARACTERS }), T.Number(), T.BigInt()]);
export type FrameId = Static<typeof FrameId>;

/** A request of graph-ws. Parameters are in `headers` or, except for writes of a vertex, in `body`. */
export const GraphRequest = T.Object({
  id: FrameId,
  type: T.String({ minLength: 1, maxLength: 64 }),
  _TOKEN: T.Optional(T.Union([T.String({ maxLength: 16_384 }), T.Null()])),
  headers: Missing,
  body: T.Optional(T.Unknown()),
});
export type GraphRequest = Static<typeof GraphRequest>;
export const graphRequest = check(GraphRequest);
export const frameId = check(FrameId);

/** The five messages of events-ws. `filter-id` may be anything, also absent; `subscribe` carries its id at the top level. */
export const EventsMessage = T.Union([
  T.Object({ type: T.Literal('token'), args: T.Object({ _TOKEN: T.String({ minLength: 1, maxLength: 16_384 }) }) }),
  T.Object({ type: T.Literal('subscribe'), id: T.Optional(T.Union([T.String({ maxLength: 512 }), T.Null()])) }),
  T.Object({
    type: T.Literal('register'),
    args: T.Object({
      'filter-id': T.Optional(T.Unknown()),
      'filter-type': T.Optional(T.Union([T.String(), T.Null()])),
      'filter-content': T.String(),
    }),
  }),
  T.Object({ type: T.Literal('unregister'), args: T.Object({ 'filter-id': T.Unknown() }) }),
  T.Object({ type: T.Literal('clear') }),
]);
export type EventsMessage = Static<typeof EventsMessage>;
export const eventsMessage = check(EventsMessage);

/** The body of every failure. `code` is always an integer: the Java and Python clients break without it. */
export const HiroError = T.Object({
  error: T.Object({
    code: T.Integer(),
    message: T.String(),
    retryAfterMs: T.Optional(T.Integer()),
    /** Only if a vertex violates the rules of its type. */
    result: T.Optional(T.Object({ errors: T.Array(T.String()), warnings: T.Array(T.String()) })),
  }),
});
export type HiroError = Static<typeof HiroError>;

const Body = T.Unsafe<Json>(T.Unknown());
const closed = { additionalProperties: false } as const;

/** A response of graph-ws. A strict client (hiro-python-library) fails on any other top-level key. */
export const GraphResponse = T.Union([
  T.Object({ id: FrameId, multi: T.Boolean(), more: T.Boolean(), body: Body }, closed),
  T.Object({ id: FrameId, more: T.Literal(false), body: T.Literal('ok') }, closed),
  /** Only for `getcontent`, whose documentation says `last`, although every client reads `more`. */
  T.Object(
    {
      id: FrameId,
      multi: T.Literal(true),
      more: T.Boolean(),
      last: T.Boolean(),
      body: T.Object({ data: T.String(), encoding: T.Literal('base64') }, closed),
    },
    closed,
  ),
  T.Object({ id: FrameId, ...HiroError.properties }, closed),
  T.Object(HiroError.properties, closed),
]);
export type GraphResponse = Static<typeof GraphResponse>;
export const graphResponse = check(GraphResponse);

const EVENT_TYPES = [
  'CREATE',
  'REPLACE',
  'UPDATE',
  'CONNECT',
  'DISCONNECT',
  'DELETE',
  'WRITE_TIMESERIES',
  'WRITE_BLOB',
  'DELETE_BLOB',
] as const;

/**
 * Outgoing frames of events-ws: an event with exactly these keys, or an error (which never has `id` and `type`, so no client mistakes it
 * for an event).
 */
export const HiroEvent = T.Object(
  {
    id: T.String(),
    type: T.Union(EVENT_TYPES.map((type) => T.Literal(type))),
    timestamp: T.Integer(),
    nanotime: T.Integer(),
    body: T.Unsafe<{ readonly [name: string]: Json }>(T.Record(T.String(), T.Unknown())),
    metadata: T.Object({ 'ogit/_modified-by': T.String(), 'ogit/_modified-by-app': T.String(), 'ogit/_modified-on': T.Integer() }, closed),
  },
  closed,
);
export type HiroEvent = Static<typeof HiroEvent>;
export const hiroEvent = check(HiroEvent);
