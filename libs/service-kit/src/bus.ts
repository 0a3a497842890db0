/**
 * The bus port: requests, responses, publications and subscriptions between our processes. Two implementations: NATS (`nats-bus.ts`) and
 * in-process (`local-bus.ts`, for pure tests and a lone jssocket-edge). Bodies are JSON values; channels provide their types and
 * validators.
 *
 * Guarantees of both: messages published on one connection reach each subscriber in order, over all subjects; delivery is at most once; a
 * request's outcome is a value and its promise never rejects; handlers are called synchronously from the reading loop, one after the other.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Spans } from './spans.ts';

/** The context of a request, besides its body. */
export interface RequestContext {
  readonly subject: string;
  /**
   * When the caller stops waiting, on the monotonic clock of this process (`performance.now()`). Requests not started by then are answered
   * with `expired`.
   */
  readonly deadline: number;
  /** The tenant of the subject, if the address has one. */
  readonly tenant: string | undefined;
  /** Bytes of the request's body, for bounded queues. */
  readonly bytes: number;
  /** The body's JSON text. */
  readonly text: string;
}

export interface Subscription {
  /** Ends the subscription at once: no handler call follows. */
  unsubscribe(): void;
}

/** `disconnected` precedes all messages of the next connection; `connected` follows once all subscriptions are restored. */
export type BusStatus = 'connected' | 'disconnected';

export interface Responder {
  /** Stops accepting requests (leaves the queue group); those in progress are still answered. */
  leave(): void;
  /** Accepts requests again. */
  join(): void;
  /** Leaves, and resolves when all requests in progress are answered. */
  stop(): Promise<void>;
}

/** Requests and responses. */
export interface Requests {
  /**
   * Sends a request and waits for the reply. Failures besides the responder's own: `unavailable` (no responder, or no reply in time),
   * `invalid` (rejected by the responder's schema), `internal` (the reply violates its schema). Replies of up to 64 MiB are supported.
   */
  request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>>;
  /**
   * Responds to a channel's requests as a member of its queue group (the service's name). Bodies are validated before the handler is
   * called; expired requests are answered without it.
   */
  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    options?: RespondOptions<Reply, Address>,
  ): Responder;
}

export interface RespondOptions<Reply, Address extends string = string> {
  /** For a channel that each journal has; default `main`. */
  readonly journal?: string;
  /** Responds only to requests with these values in their subject; default: to all of the channel. */
  readonly only?: Partial<Parameters<Address>>;
  /** Encodes a reply as JSON, for a responder that already has parts of it as text. May throw like `JSON.stringify`. */
  readonly encode?: ((reply: Reply) => string) | undefined;
}

/** Publishing to all subscribers. */
export interface Publications {
  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    /** For a channel that each journal has; default `main`. */
    journal?: string,
  ): void;
  /**
   * Publishes a body that is already JSON text, as part of the trace of `traceparent`. Returns false if it can never be sent (over
   * the server's size limit, subject too long); while the bus is disconnected it is dropped and counted.
   */
  publishText(subject: string, json: string, traceparent?: string): boolean;
  /** Resolves when everything published or subscribed so far has reached the server; fails after `timeoutMs`. */
  flush(timeoutMs: number): Promise<Outcome<void>>;
}

/** Subscriptions. A port of its own, so that who wraps it, such as jssocket-edge, implements only this. */
export interface Subscriptions {
  /**
   * Subscribes to a subject or pattern. `bytes` is the size of the body's JSON. Messages that are not JSON, or violate the channel's
   * schema, are counted and dropped.
   */
  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription;
}

/** The journal of each tenant, as far as this process knows. */
export interface Placements {
  journalOf(tenant: string): string;
  /** Fetches the placements again; resolves when they are as recent as this call, or could not be fetched. */
  refresh(): Promise<void>;
  /** Notifies of tenants that are in another journal than previously known. */
  onMoved(listener: (tenants: ReadonlySet<string>) => void): Subscription;
}

export interface Bus extends Requests, Publications, Subscriptions {
  /** Undefined: every tenant is in `main`. */
  readonly placements?: Placements | undefined;
  /** Makes the spans of this service; undefined when tracing is off. */
  readonly spans?: Spans | undefined;
  readonly status: BusStatus;
  onStatus(listener: (status: BusStatus) => void): Subscription;
  /** Waits for requests in progress, then closes. */
  close(): Promise<void>;
}
