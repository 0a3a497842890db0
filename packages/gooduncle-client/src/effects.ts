/** What can happen to a session, and what it can ask for. Effects are carried out in their order. */
import type { Row } from './order.ts';
import type { Kind } from './outbox.ts';
import type { Wanted } from './subscriptions.ts';
import type { Failure, Status, Update } from './types.ts';
import type { Response } from './wire.ts';

/** A request of the user. */
export interface Question {
  readonly kind: Exclude<Kind, 'login' | 'subscribe' | 'unsubscribe'>;
  /** JSON text of the request, an object with at least its `type`. */
  readonly text: string;
  /** It may be carried out twice without harm. */
  readonly repeatable: boolean;
  /** Of an upgrade: whose it is. A second one of the same replaces the first. */
  readonly login?: string;
  /** `text` is got for each login anew: it holds a token that ends. */
  readonly fresh?: boolean;
}

export type Input =
  | { readonly kind: 'connected' }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'disconnected'; readonly code: number }
  | { readonly kind: 'tick' }
  /** There is no reason to wait for the next attempt: the network is back, or somebody is looking. */
  | { readonly kind: 'hurry' }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'subscribe'; readonly id: number; readonly wanted: Wanted }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  /** The text that `credentials` asked for; undefined where there is none. */
  | { readonly kind: 'credentials'; readonly ref: string; readonly text: string | undefined }
  | { readonly kind: 'close' };

/** The last answer to a request and the rows of those before it, or why there is none. */
export type Outcome =
  | { readonly ok: true; readonly response: Response; readonly rows: readonly Row[]; readonly roles: readonly string[] }
  | Failure;

export type Effect =
  /** Opens a connection; the one before is no longer listened to. */
  | { readonly do: 'connect' }
  | { readonly do: 'send'; readonly text: string }
  | { readonly do: 'disconnect' }
  /** Asks for the text of an upgrade. */
  | { readonly do: 'credentials'; readonly ref: string; readonly login: string }
  | { readonly do: 'answer'; readonly id: number; readonly outcome: Outcome }
  | { readonly do: 'update'; readonly id: number; readonly update: Update<Row> }
  | { readonly do: 'status'; readonly status: Status };

export interface Settings {
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly parse: (text: string) => unknown;
  readonly backOffMs: { readonly least: number; readonly most: number };
  /** How long a request may take, connections and pauses included. */
  readonly patienceMs: number;
}
