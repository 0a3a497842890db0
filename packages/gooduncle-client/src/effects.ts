/** The inputs and effects of a session. Effects are carried out in order. */
import type { Row } from './order.ts';
import type { RequestKind } from './outbox.ts';
import type { SubscriptionRequest } from './subscriptions.ts';
import type { Failure, Status, Update } from './types.ts';
import type { Response } from './wire.ts';

/** A request of the user. */
export interface Question {
  readonly kind: Exclude<RequestKind, 'login' | 'subscribe' | 'unsubscribe'>;
  /** JSON text of the request, an object with at least its `type`. */
  readonly text: string;
  /** Whether repeating it is harmless. */
  readonly repeatable: boolean;
  /** For an upgrade: identifies the login. A second one with the same value replaces the first. */
  readonly login?: string;
  /** `text` is requested again for each login, because it contains a token that expires. */
  readonly fresh?: boolean;
}

export type Input =
  | { readonly kind: 'connected' }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'disconnected'; readonly code: number }
  | { readonly kind: 'tick' }
  /** The next connection attempt need not wait: the network is back, or the page became visible. */
  | { readonly kind: 'hurry' }
  | { readonly kind: 'request'; readonly id: number; readonly question: Question }
  | { readonly kind: 'subscribe'; readonly id: number; readonly request: SubscriptionRequest }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  /** The text requested by `credentials`; undefined if there is none. */
  | { readonly kind: 'credentials'; readonly ref: string; readonly text: string | undefined }
  | { readonly kind: 'close' };

/** The last answer to a request with all its rows, or a failure. */
export type RequestOutcome =
  | { readonly ok: true; readonly response: Response; readonly rows: readonly Row[]; readonly roles: readonly string[] }
  | Failure;

export type Effect =
  /** Opens a connection; the previous one is ignored from now on. */
  | { readonly do: 'connect' }
  | { readonly do: 'send'; readonly text: string }
  | { readonly do: 'disconnect' }
  /** Requests the text of an upgrade. */
  | { readonly do: 'credentials'; readonly ref: string; readonly login: string }
  | { readonly do: 'answer'; readonly id: number; readonly outcome: RequestOutcome }
  | { readonly do: 'update'; readonly id: number; readonly update: Update<Row> }
  | { readonly do: 'status'; readonly status: Status };

export interface Settings {
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly parse: (text: string) => unknown;
  readonly backOffMs: { readonly least: number; readonly most: number };
  /** Time limit of a request, connections and pauses included. */
  readonly patienceMs: number;
}
