/**
 * The client session as a pure state machine: its inputs (`Input`), its effects (`Effect`), and the functions that an edge implements
 * (`Session.handle`, `Protocol.translate`). It has no clock, no randomness and no I/O, and is never async: work that takes time is an
 * effect, and its outcome arrives as another input. One driver (`edge-kit/driver`) carries out the effects for all edges.
 *
 * A new kind of `Effect` needs an ADR (docs/adr): it is the only way in which the kit grows.
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

/** Everything that can happen to a session. */
export type Input<In> =
  | { readonly kind: 'frame'; readonly frame: In }
  | { readonly kind: 'undecodable'; readonly problem: string }
  /** The outcome of an `authenticate` effect, or a later change of the principal's rights. */
  | { readonly kind: 'authenticated'; readonly id: string; readonly outcome: Outcome<Principal> }
  /** The outcome of a `request`. The driver has validated the reply against the schema of the channel. */
  | { readonly kind: 'reply'; readonly id: string; readonly outcome: Outcome<unknown> }
  /** The outcome of a `mutate`. */
  | { readonly kind: 'written'; readonly id: string; readonly outcome: Outcome<MutationResult> }
  /**
   * A change of a subscription without a view. Each change is delivered once, in the order of seq. `match` is set if the subscription has a
   * filter.
   */
  | { readonly kind: 'event'; readonly id: string; readonly change: FullChange; readonly match?: ChangeMatch }
  /** A message of an event or signal channel (see the effect `listen`). */
  | { readonly kind: 'message'; readonly id: string; readonly body: unknown }
  /** The subscription is live: every change after `seq` will be delivered. A snapshot taken with `atLeast: seq` leaves no gap. */
  | { readonly kind: 'subscribed'; readonly id: string; readonly seq: number; readonly epoch: string }
  /** The subscription has ended, because it can no longer continue without a gap. */
  | { readonly kind: 'lost'; readonly id: string; readonly failure: Failure }
  /** The client's WebSocket stack has received every frame sent before the `confirm` with this id. */
  | { readonly kind: 'confirmed'; readonly id: string }
  | { readonly kind: 'timer'; readonly name: string }
  /** The principal's tokens were revoked. */
  | { readonly kind: 'revoked' }
  /** The process is shutting down: finish what is in flight, then close. */
  | { readonly kind: 'drain' };

/**
 * How a change relates to the filter of a subscription. At least one of `was` and `is` is true. Deleted elements keep their attributes and
 * may match.
 */
export interface ChangeMatch {
  /** The element before the change; undefined if the change created it. */
  readonly before: Element | undefined;
  /** Whether the state before the change matches. */
  readonly was: boolean;
  /** Whether the state after the change matches. */
  readonly is: boolean;
}

/** A subscription as the broadcaster serves it without its session: everything that decides whether and how a change is shown. */
export interface View {
  /** Changes whose state after does not match are not shown. The filter is applied to the `Protocol.document` of the change. */
  readonly filter: Filter;
  /** With `either`, a change whose state *before* matches is shown too, and `translate` handles the transition. Default `after`. */
  readonly on?: 'after' | 'either';
  /** Equal shapes give equal frames for a change. A socket receives one frame per change and shape, however many of its views match. */
  readonly shape: string;
}

/** Order of the answer to a write and of the events that the write causes on the same socket. `any`: not guaranteed. */
export type OwnOrder = 'events-first' | 'answer-first' | 'any';

/** A bus request. `call()` checks its types; the driver only sends it. */
export interface BusCall {
  readonly channel: RequestChannel<string, unknown, unknown>;
  readonly subject: string;
  readonly body: unknown;
}

/** Everything a session can request. Plain data, carried out by the driver in order. */
export type Effect<Out> =
  | { readonly do: 'send'; readonly frame: Out }
  /** Verifies a credential; the outcome is the input `authenticated` with this id. With `adopt` the principal becomes the connection's. */
  | { readonly do: 'authenticate'; readonly id: string; readonly credential: string; readonly adopt: boolean }
  /** Sends a request over the bus. A read waits for the session's earlier writes, unless `unordered`. */
  | { readonly do: 'request'; readonly id: string; readonly call: BusCall; readonly unordered?: boolean }
  /**
   * Writes. The writes of a session take effect in the order of their effects, and each is answered by its own `written`. The driver adds
   * the operation id and retries for up to 60 seconds while the outcome is unknown.
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
   * Subscribes to changes. With a view, the broadcaster serves the subscription: `Protocol.translate` makes the frames, and the session
   * receives no events. With `where` and no view, the session receives only changes whose state before or after matches; equal filters of
   * all sessions are evaluated once per change. With `since` and a view, a client that resumes is sent the changes after that position
   * before `subscribed`; all such subscriptions of a session must be among the effects of one input.
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
   * Joins a consumer group of the tenant, whose members share the changes among them. `Protocol.translate` makes the frames of this
   * member's changes; a change counts as delivered once the client's stack has confirmed it (or if the view does not show it). With the id
   * and group of the current membership only the view changes. `lost` ends the membership, `unsubscribe` leaves the group. One membership
   * at a time.
   */
  | {
      readonly do: 'join';
      readonly id: string;
      readonly group: { readonly tenant: string; readonly name: string; readonly start: 'largest' | 'smallest' };
      readonly view: View;
    }
  /**
   * Requests a `timer` input with this name once every change of the subscription up to `seq` has been delivered as `event`, for sessions
   * that show a commit, or a snapshot ahead of the events, as a whole. At most one per subscription: a newer one replaces it, and it ends
   * with the subscription.
   */
  | { readonly do: 'when-delivered'; readonly name: string; readonly id: string; readonly epoch: string; readonly seq: number }
  /** Takes effect at once: queued frames of this subscription are not sent. */
  | { readonly do: 'unsubscribe'; readonly id: string }
  /**
   * Subscribes to an event or signal channel (Saga's signals, JSSocket's notifications). `subject` may be a pattern. Ends with
   * `unsubscribe`.
   */
  | {
      readonly do: 'listen';
      readonly id: string;
      readonly subject: string;
      /** Maximum number of sessions of this process that listen to the subject. Beyond it, `lost` with `limited` is delivered. */
      readonly atMost?: number;
    }
  /** Publishes to an event or signal channel. */
  | { readonly do: 'publish'; readonly subject: string; readonly body: unknown }
  | { readonly do: 'set-timer'; readonly name: string; readonly ms: number }
  | { readonly do: 'clear-timer'; readonly name: string }
  /** Requests a `timer` input with this name once at most `bytes` are unsent, for sessions that merge what a slow client has not read. */
  | { readonly do: 'when-flushed'; readonly name: string; readonly bytes: number }
  /** Logs an internal failure of which the client sees only the name `incident`. */
  | { readonly do: 'report'; readonly incident: string; readonly failure: string }
  /** Sends an RFC 6455 ping now; its pong is delivered as `confirmed`. */
  | { readonly do: 'confirm'; readonly id: string }
  /** Stop and resume reading from the socket. */
  | { readonly do: 'pause' }
  | { readonly do: 'resume' }
  /** Closes the TCP connection without a close frame. */
  | { readonly do: 'drop' }
  | { readonly do: 'close'; readonly code: number; readonly reason: string };

/** The state machine of one connection. Deterministic: no clock, no randomness, no I/O, never async. */
export interface Session<In, Out> {
  /** @param at milliseconds since 1970; never decreases within a session. */
  handle(input: Input<In>, at: number): readonly Effect<Out>[];
  /**
   * The state that a later session of the same client resumes from (`Opening.restored`). Called once, when the connection has ended. Plain
   * data.
   */
  parting?(): unknown;
}

/** A frame of a client, or what is wrong with it. */
export type DecodedFrame<In> = { readonly ok: true; readonly value: In } | { readonly ok: false; readonly problem: string };

/** What an edge implements: its codec and its sessions. */
export interface Protocol<Raw, In, Out> {
  /** Never throws, whatever the bytes. */
  decode(raw: Raw): DecodedFrame<In>;
  encode(frame: Out): Raw;
  /** The frame that shows a change in a view, or undefined for none. Called once per change and group of equal views. */
  translate?(change: FullChange, view: View): Out | undefined;
  /**
   * Returns exactly what `encode` makes of `translate`, assembled from the text of a stored change; undefined if it cannot. Optional: it
   * saves parsing the parts of a change that are only copied.
   */
  splice?(change: FullChange, view: View): Raw | undefined;
  /** The document that the filters of views are applied to; by default the state after the change. Pure. */
  document?(change: FullChange): Document;
  /** Creates a session and its first effects. */
  open(opening: Opening): readonly [Session<In, Out>, readonly Effect<Out>[]];
}

/** What is known about a connection when it opens. */
export interface Opening {
  /** The outcome of verifying the handshake's credential; undefined if the protocol carries none there. */
  readonly credential: Outcome<Principal> | undefined;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The client's address as the listener determined it, for counting failed logins. Never logged in clear. */
  readonly address: string;
  /** 128 random bits in hex, unique to the connection: the only randomness of a session. */
  readonly nonce: string;
  readonly at: number;
  /** What `parting` of the client's previous session returned, if the client resumes it. `credential` is that session's. */
  readonly restored?: unknown;
}
