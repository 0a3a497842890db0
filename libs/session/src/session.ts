/**
 * A client conversation as a pure object: what can happen to it (`Input`), what it can ask for (`Effect`), and the two functions an edge
 * brings (`Session.handle`, `Protocol.translate`). No clock, no randomness, no I/O, never async: whatever takes time is an effect, and its
 * outcome comes back as another input. One driver (`edge-kit/driver`) carries the effects out for all edges.
 *
 * A new kind of `Effect` is a decision (docs/adr): it is the only way the kit can grow.
 */
import type { MutationRequest, MutationResult } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Element } from '@polyedge/contracts/element';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import type { Principal } from '@polyedge/contracts/principal';
import type { Document } from '@polyedge/query/document';
import type { Filter } from '@polyedge/query/filter';

/** Everything that can happen to a conversation. */
export type Input<In> =
  | { readonly kind: 'frame'; readonly frame: In }
  | { readonly kind: 'undecodable'; readonly problem: string }
  /** The outcome of an `authenticate` effect, or a later change of what the principal may do. */
  | { readonly kind: 'authenticated'; readonly id: string; readonly outcome: Outcome<Principal> }
  /** The outcome of a `request`. The reply was checked against the channel's schema. */
  | { readonly kind: 'reply'; readonly id: string; readonly outcome: Outcome<unknown> }
  /** The outcome of a `mutate`. */
  | { readonly kind: 'written'; readonly id: string; readonly outcome: Outcome<MutationResult> }
  /** A change of a subscription without a view: each once, in the order of seq. With `match` where the subscription has a filter. */
  | { readonly kind: 'event'; readonly id: string; readonly change: FullChange; readonly match?: ChangeMatch }
  /** A message of a plain subject (see `Effect` 'listen'). */
  | { readonly kind: 'message'; readonly id: string; readonly body: unknown }
  /** A subscription is live: every change after `seq` will come. Snapshots taken with `atLeast: seq` join it without a gap. */
  | { readonly kind: 'subscribed'; readonly id: string; readonly seq: number; readonly epoch: string }
  /** A subscription can no longer be continued without a gap; it has ended. */
  | { readonly kind: 'lost'; readonly id: string; readonly failure: Failure }
  /** Every frame sent before `confirm` with this id has reached the client's WebSocket stack. */
  | { readonly kind: 'confirmed'; readonly id: string }
  | { readonly kind: 'timer'; readonly name: string }
  /** The principal's tokens were revoked. */
  | { readonly kind: 'revoked' }
  /** The process is going away: finish what is in flight, then close. */
  | { readonly kind: 'drain' };

/** How a change relates to the filter of a subscription. One of `was` and `is` holds. Deleted elements keep their attributes and may match. */
export interface ChangeMatch {
  /** The element before the change; undefined when the change made it. */
  readonly before: Element | undefined;
  /** The state before matches. */
  readonly was: boolean;
  /** The state after matches. */
  readonly is: boolean;
}

/** What the broadcaster needs to know of a subscription to serve it without its session. Everything that decides whether and what is shown. */
export interface View {
  /** Changes whose state after does not match are not shown; what is matched is `Protocol.document` of the change. */
  readonly filter: Filter;
  /** With `either`, a change whose state *before* matches is shown too (`translate` decides what a crossing means). Default `after`. */
  readonly on?: 'after' | 'either';
  /** Equal shapes give equal frames for one change; a socket gets one frame per (change, shape), however many of its views match. */
  readonly shape: string;
}

/** Order of a write's answer and of the events that this write causes on its own socket. `any`: no promise. */
export type OwnOrder = 'events-first' | 'answer-first' | 'any';

/** A request whose types are checked where it is made (`call()`), and which the driver only carries. */
export interface BusCall {
  readonly channel: RequestChannel<string, unknown, unknown>;
  readonly subject: string;
  readonly body: unknown;
}

/** Everything a conversation can ask for. Plain data, carried out by the driver in order. */
export type Effect<Out> =
  | { readonly do: 'send'; readonly frame: Out }
  /** Verify a credential; the outcome comes as `authenticated` under `id`. With `adopt` the principal becomes the connection's. */
  | { readonly do: 'authenticate'; readonly id: string; readonly credential: string; readonly adopt: boolean }
  /** Ask over the bus. A read waits for the writes this session sent before it, unless `unordered`. */
  | { readonly do: 'request'; readonly id: string; readonly call: BusCall; readonly unordered?: boolean; readonly timeoutMs?: number }
  /**
   * Write. Writes of one session take effect in the order of their effects, and each is answered by its own `written`. The driver adds the
   * operation id and tries again while the outcome is unknown, for at most 60 seconds.
   */
  | {
      readonly do: 'mutate';
      readonly id: string;
      readonly tenant: string;
      readonly defaultScope: string;
      readonly request: Omit<MutationRequest, 'operationId'>;
      readonly own?: OwnOrder;
    }
  /**
   * Watch changes. With a view they go to the broadcaster: `Protocol.translate` makes the frames and the session hears nothing of them. With
   * `where` (and no view) the session hears only of changes whose state before or after matches; equal filters of all sessions are
   * evaluated once per change. With `since` (and a view) what came after that position is shown before `subscribed`, for a client that comes back: all
   * such subscriptions of a session leave in the effects of one input.
   */
  | {
      readonly do: 'subscribe';
      readonly id: string;
      readonly to: Interest;
      readonly view?: View;
      readonly where?: Filter;
      readonly since?: { readonly seq: number; readonly epoch: string };
    }
  /**
   * Become a member of a consumer group of the tenant, which shares its changes out among its members: what comes to this one is shown by
   * `Protocol.translate` as the view says, and counts as delivered when the client's stack has confirmed it (or the view does not show it).
   * With the id and group of the present membership only the view changes. `lost` ends it, `unsubscribe` leaves. One at a time.
   */
  | {
      readonly do: 'join';
      readonly id: string;
      readonly group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' };
      readonly view: View;
    }
  /**
   * A `timer` input with this name as soon as every change of the subscription up to `seq` has come as `event`: for sessions that show a
   * commit, or a snapshot that is ahead of the events, as a whole. One at a time per subscription, whose end is its end: a newer one
   * replaces it.
   */
  | { readonly do: 'when-delivered'; readonly name: string; readonly id: string; readonly epoch: string; readonly seq: number }
  /** Takes effect at once: frames of this subscription that are still queued are not sent. */
  | { readonly do: 'unsubscribe'; readonly id: string }
  /** Hear a plain event or signal channel (Saga's signals, JSSocket's notifications): `subject` may be a pattern. Ends with `unsubscribe`. */
  | {
      readonly do: 'listen';
      readonly id: string;
      readonly subject: string;
      /** At most so many sessions of this process may listen to the subject: one too many is told `lost` with `limited`. */
      readonly atMost?: number;
    }
  /** Tell a plain event or signal channel. */
  | { readonly do: 'publish'; readonly subject: string; readonly body: unknown }
  | { readonly do: 'set-timer'; readonly name: string; readonly ms: number }
  | { readonly do: 'clear-timer'; readonly name: string }
  /** A `timer` input with this name as soon as at most `bytes` are owed to the client: for sessions that merge what a slow client has not read. */
  | { readonly do: 'when-flushed'; readonly name: string; readonly bytes: number }
  /** For the log: a failure of ours of which the client is only told the name `incident`. */
  | { readonly do: 'report'; readonly incident: string; readonly failure: string }
  /** Send an RFC 6455 ping now; `confirmed` comes with its pong. */
  | { readonly do: 'confirm'; readonly id: string }
  /** Stop and go on reading from the socket. */
  | { readonly do: 'pause' }
  | { readonly do: 'resume' }
  /** End TCP without a close frame. */
  | { readonly do: 'drop' }
  | { readonly do: 'close'; readonly code: number; readonly reason: string };

/** One client conversation. Deterministic: no clock, no randomness, no I/O, never async. */
export interface Session<In, Out> {
  /** @param at milliseconds since 1970, never going back within one session. */
  handle(input: Input<In>, at: number): readonly Effect<Out>[];
  /** What another session of the same client can go on from (`Opening.restored`), asked once the connection has ended. Plain data. */
  parting?(): unknown;
}

/** What an edge brings: how its bytes look and how its conversation goes. */
export interface Protocol<Raw, In, Out> {
  /** Never throws, whatever the bytes. */
  decode(raw: Raw): { readonly ok: true; readonly value: In } | { readonly ok: false; readonly problem: string };
  encode(frame: Out): Raw;
  /** The frame that shows a change in a view, or undefined for none. Runs once per group of equal views and change. */
  translate?(change: FullChange, view: View): Out | undefined;
  /**
   * What `encode` makes of `translate`, to the letter, put together from the text of a stored change; undefined where it cannot be. Optional: it
   * saves the parts of a change that nobody looks into.
   */
  splice?(change: FullChange, view: View): Raw | undefined;
  /** What the filters of views look at; the state after the change by default. Pure. */
  document?(change: FullChange): Document;
  /** A new conversation and its first effects. */
  open(opening: Opening): readonly [Session<In, Out>, readonly Effect<Out>[]];
}

/** What is known when a connection opens. */
export interface Opening {
  /** The outcome of verifying the credential of the handshake, or undefined when the protocol carries none there. */
  readonly credential: Outcome<Principal> | undefined;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The client's address as the listener believes it: for counting failed logins. Never logged in clear. */
  readonly address: string;
  /** 128 random bits in hex, unique to the connection: the only randomness a session gets. */
  readonly nonce: string;
  readonly at: number;
  /** What the session before it said when it parted, for a client that comes back to it. `credential` is that session's. */
  readonly restored?: unknown;
}
