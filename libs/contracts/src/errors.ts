/**
 * The error catalogue: every expected failure that crosses a process boundary. Each edge maps the codes to its own protocol's
 * numbers or words with an exhaustive `Record<ErrorCode, …>`, so a new code does not compile until every edge has mapped it.
 * `docs/errors.md` lists exactly these.
 */

/** What a client should do about a failure: give up, try the same request again later, or open a new connection first. */
export type Retry = 'never' | 'later' | 'reconnect';

interface CatalogueEntry {
  readonly text: string;
  readonly retry: Retry;
}

const catalogue = {
  invalid: { text: 'The request is malformed or breaks a rule of its type.', retry: 'never' },
  unauthenticated: { text: 'There is no valid credential, or it has expired or was revoked.', retry: 'reconnect' },
  'not-allowed': { text: 'The caller may not do this.', retry: 'never' },
  'not-found': { text: 'What the request names does not exist.', retry: 'never' },
  conflict: { text: 'It exists already, or it is not in the state that the request expects.', retry: 'never' },
  'too-large': { text: 'The request, the element or the answer is over its size limit.', retry: 'never' },
  limited: { text: 'The caller is over one of its limits: a rate, or a number of connections, subscriptions or members.', retry: 'later' },
  busy: { text: 'The service has too much to do; nothing was done.', retry: 'later' },
  expired: { text: 'The deadline of the request passed before it was worked on; nothing was done.', retry: 'later' },
  unavailable: { text: 'The service cannot be reached, or its answer did not come in time; the outcome is unknown.', retry: 'later' },
  lost: { text: 'The position is older than what is kept, or belongs to another history; start over from a snapshot.', retry: 'reconnect' },
  internal: { text: 'The service failed unexpectedly.', retry: 'later' },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
export const errors: Readonly<Record<ErrorCode, CatalogueEntry>> = catalogue;

/** An expected failure as a value. `detail` is for the client's developer: never a secret, never another client's data. */
export interface Failure {
  readonly code: ErrorCode;
  readonly detail?: string;
  /** Milliseconds after which a retry may succeed, if known. */
  readonly retryAfterMs?: number;
}

/** The result of anything that may fail in an expected way. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

export const done = <T>(value: T): Outcome<T> => ({ ok: true, value });

export const failed = (code: ErrorCode, detail?: string): { readonly ok: false; readonly failure: Failure } => ({
  ok: false,
  failure: detail === undefined ? { code } : { code, detail },
});

/** Whether a value is one of our codes; used for failures from other processes. */
export const isErrorCode = (value: unknown): value is ErrorCode => typeof value === 'string' && Object.hasOwn(catalogue, value);
