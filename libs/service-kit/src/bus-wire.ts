/**
 * The envelope of bus messages: headers, failures, the parts of a large reply, limits. Pure, shared by both implementations. Failures
 * follow NATS ADR-32 (`Nats-Service-Error`, `Nats-Service-Error-Code`), so that ordinary NATS tools understand them.
 */
import { type ErrorCode, errors, type Failure, isErrorCode } from '@polyedge/contracts/errors';
import { untoken } from '@polyedge/contracts/subject';

export const TRACEPARENT = 'traceparent';
/** How long the caller waits, in milliseconds from sending. */
export const TIMEOUT = 'pe-timeout';
/** When it was sent, in milliseconds on the caller's monotonic clock: lets a responder compute the transit time (`peer-clocks.ts`). */
export const SENT = 'pe-sent';
/**
 * When the caller stops waiting, in milliseconds since 1970: for a responder that has no earlier message of this caller to compare clocks
 * with.
 */
export const DEADLINE = 'pe-deadline';
/** `<index>/<count>` of one part of a reply that was too large for one message. */
export const PART = 'pe-part';
export const SERVICE_ERROR = 'Nats-Service-Error';
export const SERVICE_ERROR_CODE = 'Nats-Service-Error-Code';

const MiB = 1024 * 1024;
/** The maximum payload that a server must accept. */
export const MIN_MAX_PAYLOAD = 8 * MiB;
/** Larger replies are split: a large element with its envelope still fits into one message. */
export const PART_BYTES = 4 * MiB;
export const MAX_REPLY_BYTES = 64 * MiB;
/**
 * A server closes a connection whose control line (verb, subject, reply subject, sizes) exceeds 4,096 bytes (nats-server,
 * max_control_line).
 */
const MAX_SUBJECT_BYTES = 3_000;
/** Room for headers inside the server's payload limit, which counts them. */
export const HEADER_ROOM = 1_024;
/** Maximum requests in flight on one connection; further ones fail with `busy`. */
export const MAX_PENDING = 65_536;
/**
 * Maximum requests in progress at one responder; further ones are answered with `busy`. A service with a lower limit counts itself and
 * leaves the queue group.
 */
export const MAX_IN_HAND = 20_000;
/** For requests without a deadline. */
export const DEFAULT_DEADLINE_MS = 60_000;

/** The number of a code in `Nats-Service-Error-Code`: HTTP's status codes, as they are widely known. */
export const numberOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  unauthenticated: 401,
  'not-allowed': 403,
  'not-found': 404,
  conflict: 409,
  lost: 410,
  'too-large': 413,
  limited: 429,
  internal: 500,
  busy: 503,
  unavailable: 502,
  expired: 504,
};

/** Parses the failure in a reply's body. A code of a newer version becomes `internal`. */
export function readFailure(body: unknown): Failure {
  if (typeof body !== 'object' || body === null || !('code' in body) || !isErrorCode(body.code)) {
    return { code: 'internal', detail: 'the responder failed in a way that is not in the catalogue' };
  }
  return {
    code: body.code,
    ...('detail' in body && typeof body.detail === 'string' ? { detail: body.detail } : {}),
    ...('retryAfterMs' in body && typeof body.retryAfterMs === 'number' ? { retryAfterMs: body.retryAfterMs } : {}),
  };
}

/** The text for `Nats-Service-Error`: from the catalogue, never the detail, which may contain anything. */
export const errorText = (code: ErrorCode): string => errors[code].text;

/** The index of the tenant among the tokens of an address' subjects, or -1. */
export const tenantIndex = (address: string): number => address.split('.').indexOf('{tenant}');

/** The tenant of a subject. Undefined if the address has none, or its token is a hash. */
export function tenantAt(subject: string, index: number): string | undefined {
  const found = index === -1 ? undefined : subject.split('.')[index];
  return found === undefined ? undefined : untoken(found);
}

/** Whether a subject is short enough for the server's control line. */
export function subjectFits(subject: string): boolean {
  // A UTF-16 unit is at most three bytes in UTF-8, so ordinary subjects need no counting.
  return subject.length * 3 <= MAX_SUBJECT_BYTES || Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES;
}

/**
 * Encodes a body as JSON; undefined if it cannot be encoded. Many bodies contain client data, and `JSON.stringify` throws if it is nested
 * too deeply or the string becomes too long: that fails one message, never the process.
 */
export function encodeBody<Body>(body: Body, encode: (body: Body) => string | undefined = JSON.stringify): string | undefined {
  try {
    return encode(body) ?? 'null';
  } catch {
    return undefined;
  }
}

/** The failure of a request or a reply that cannot be encoded. */
export const UNENCODABLE = { code: 'invalid', detail: 'the message cannot be written as JSON' } as const;

/** Parses `<index>/<count>`; undefined for anything else. */
export function parsePart(text: string): { readonly index: number; readonly count: number } | undefined {
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text);
  if (match === null) return undefined;
  const index = Number(match[1]);
  const count = Number(match[2]);
  return index < count ? { index, count } : undefined;
}
