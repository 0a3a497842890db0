import { type ErrorCode, errors, type Failure } from '@polyedge/contracts/errors';
import { withoutPlace } from '@polyedge/contracts/failure-text';
import type { HiroError } from '@polyedge/contracts/wire/hiro';

/**
 * HIRO's error numbers (HIRO 7.0 API overview). 888 is "the transaction failed, send it again": `busy` guarantees that nothing was done,
 * and the JavaScript and Java clients retry an 888 once. `unavailable` has an unknown outcome, so it is a 503, which clients do not retry
 * blindly.
 */
const CODES: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  'not-allowed': 403,
  'not-found': 404,
  expired: 408,
  conflict: 409,
  'too-large': 413,
  limited: 429,
  internal: 500,
  lost: 500,
  unavailable: 503,
  busy: 888,
};

export const codeOf = (failure: Failure): number => CODES[failure.code];

/** The validation result of a rejected body (hiro-python-library shows it to its users). */
export interface ValidationResult {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** The error in a frame or REST response. */
export function toError(failure: Failure, result?: ValidationResult): HiroError {
  return {
    error: {
      code: codeOf(failure),
      message: withoutPlace(failure.detail) ?? (result === undefined ? errors[failure.code].text : 'validation failed'),
      ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
      ...(result === undefined ? {} : { result: { errors: [...result.errors], warnings: [...result.warnings] } }),
    },
  };
}

/** Close codes of both sockets (RFC 6455; the Elixir client waits for a new token after 1008). */
export const CLOSE = { goingAway: 1001, notText: 1003, refused: 1008, overload: 1013 } as const;

/** The reason of a close, JSON like the vendor's; RFC 6455 allows 123 bytes. */
export function closeReason(message: string): string {
  return JSON.stringify({ error: { message: message.slice(0, 90) } });
}

export const AUTHENTICATION_REQUIRED = 'authentication required';
export const TOKEN_EXPIRED = 'token expired';
export const TOKEN_REVOKED = 'token revoked';
