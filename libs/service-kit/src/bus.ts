/**
 * The bus port: how our processes ask, answer, tell and hear. Two implementations: NATS (`nats-bus.ts`) and in-process (`local-bus.ts`, for
 * pure tests and a lone jssocket-edge). Bodies are JSON values; channels give their types and validators.
 *
 * Guarantees of both: messages that one connection publishes reach each subscriber in order, over all subjects; delivery is at most once; a
 * request's outcome is a value and its promise never rejects; handlers are called synchronously from the reading loop, one after the other.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Spans } from './spans.ts';

/** What a responder knows of a request besides its body. */
export interface RequestContext {
  readonly subject: string;
  /** When the caller stops waiting, on the monotonic clock of this process (`performance.now()`). Work that has not begun by then is answered `expired`. */
  readonly deadline: number;
  /** The tenant of the subject, where the address has one. */
  readonly tenant: string | undefined;
  /** Bytes of the request's body: what a bounded queue counts. */
  readonly bytes: number;
  /** The body's JSON as it came. */
  readonly text: string;
}

export interface Subscription {
  /** Ends it at once: no handler call follows. */
  unsubscribe(): void;
}

/** `disconnected` comes before any message of the next connection; `connected` after every subscription was made again. */
export type BusStatus = 'connected' | 'disconnected';

export interface Responder {
  /** Stops taking new requests (leaves the queue group); those in hand are still answered. */
  leave(): void;
  /** Takes requests again. */
  join(): void;
  /** Leaves and resolves when all in hand are answered. */
  stop(): Promise<void>;
}

/** Asking and answering. */
export interface Requests {
  /**
   * Asks and waits. Failures besides the responder's own: `unavailable` (nobody answers, or no answer in time), `invalid` (the responder
   * could not read it), `internal` (the reply breaks its schema). Replies of any size up to 64 MiB arrive whole.
   */
  request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>>;
  /**
   * Answers a channel's requests as one of its queue group (the service's name). Bodies are validated before the handler sees them; expired ones
   * are answered without it.
   */
  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    options?: RespondOptions<Reply>,
  ): Responder;
}

export interface RespondOptions<Reply> {
  /** Of a channel that every journal has for itself; default `main`. */
  readonly journal?: string;
  /** Writes a reply as JSON, for a responder that has parts of it as text; may throw what `JSON.stringify` may. */
  readonly encode?: ((reply: Reply) => string) | undefined;
}

/** Telling everybody who subscribes. */
export interface Publications {
  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    /** Of a channel that every journal has for itself; default `main`. */
    journal?: string,
  ): void;
  /** Publishes a body that is already JSON text, as part of the trace of `traceparent`. Returns false when it cannot be sent as it is (over the server's size limit, subject too long). */
  publishText(subject: string, json: string, traceparent?: string): boolean;
  /** Resolves when everything published or subscribed before has reached the server; fails after `timeoutMs`. */
  flush(timeoutMs: number): Promise<Outcome<void>>;
}

/** Hearing what is published. A port of its own, so that what stands before it (see `edge-kit` Driver) has nothing else to pass on. */
export interface Subscriptions {
  /** Hears a subject or pattern. `bytes` is the size of the body's JSON. Messages that are not JSON, or break the channel's schema, are counted and dropped. */
  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription;
}

/** Which journal each tenant is in, as far as this process has heard. */
export interface Placements {
  journalOf(tenant: string): string;
  /** Asks for them again; resolves when they are as new as this call, or could not be had. */
  refresh(): Promise<void>;
  /** Tells the tenants that are in another journal than was known before. */
  onMoved(listener: (tenants: ReadonlySet<string>) => void): Subscription;
}

export interface Bus extends Requests, Publications, Subscriptions {
  /** Undefined: every tenant is in `main`. */
  readonly placements?: Placements | undefined;
  /** Makes the spans of this service; undefined when tracing is off. */
  readonly spans?: Spans | undefined;
  readonly status: BusStatus;
  onStatus(listener: (status: BusStatus) => void): Subscription;
  /** Lets what is in hand finish, then closes. */
  close(): Promise<void>;
}
