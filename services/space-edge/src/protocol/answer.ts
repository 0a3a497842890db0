/** Answers of REST calls: `{"error": "<text>"}` with a status, or the requested object (SPACE 1.2, ErrorHandler). */
import type { ErrorCode, Failure } from '@polyedge/contracts/errors';
import { withoutPlace } from '@polyedge/contracts/failure-text';

export interface RestAnswer {
  readonly status: number;
  /** JSON; undefined for an empty answer. */
  readonly body?: unknown;
  /** The body as JSON text. */
  readonly json?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A failure contains the answer that ends the call. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: RestAnswer };

export const got = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const refuse = (status: number, error: string): { readonly ok: false; readonly answer: RestAnswer } => ({
  ok: false,
  answer: { status, body: { error } },
});

const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  'not-allowed': 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  limited: 429,
  busy: 503,
  expired: 503,
  unavailable: 503,
  lost: 503,
  internal: 500,
};

/** Maps a failure of the store to an answer. */
export function refused({ code, detail, retryAfterMs }: Failure): { readonly ok: false; readonly answer: RestAnswer } {
  const status = STATUS[code];
  const sentence = withoutPlace(detail);
  const error = status === 500 ? 'The service failed unexpectedly' : `${code}${sentence === undefined ? '' : `: ${sentence}`}`;
  const after = retryAfterMs ?? (status === 503 ? 1000 : undefined);
  return {
    ok: false,
    answer: {
      status,
      body: { error },
      ...(after === undefined ? {} : { headers: { 'retry-after': String(Math.max(1, Math.ceil(after / 1000))) } }),
    },
  };
}
