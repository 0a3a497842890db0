/**
 * What the bus puts around a JSON body: headers, the form of a failure, the parts of a large reply, limits. Pure, shared by both
 * implementations. Failures follow NATS ADR-32 (`Nats-Service-Error`, `Nats-Service-Error-Code`), so that ordinary NATS tools understand them.
 */
import { type ErrorCode, errors, type Failure, isErrorCode } from '@polyedge/contracts/errors';
import { untoken } from '@polyedge/contracts/subject';

export const TRACEPARENT = 'traceparent';
/** How long the caller waits, in milliseconds from when it sent the request. */
export const TIMEOUT = 'pe-timeout';
/** When it was sent, in milliseconds on the caller's monotonic clock: tells a responder how long it was on its way (`peer-clocks.ts`). */
export const SENT = 'pe-sent';
/** When the caller stops waiting, in milliseconds since 1970: for a responder that never heard of this caller's clock. */
export const DEADLINE = 'pe-deadline';
/** `<index>/<count>` of one message of a reply that was too large for one. */
export const PART = 'pe-part';
export const SERVICE_ERROR = 'Nats-Service-Error';
export const SERVICE_ERROR_CODE = 'Nats-Service-Error-Code';

const MiB = 1024 * 1024;
/** What a server must let through in one message. */
export const MIN_MAX_PAYLOAD = 8 * MiB;
/** A reply above this is sent in several messages: a large element with what is around it still travels in one. */
export const PART_BYTES = 4 * MiB;
export const MAX_REPLY_BYTES = 64 * MiB;
/** A server closes a connection whose control line (verb, subject, reply subject, sizes) is over 4,096 bytes (nats-server, max_control_line). */
const MAX_SUBJECT_BYTES = 3_000;
/** Room for headers inside the server's payload limit, which counts them. */
export const HEADER_ROOM = 1_024;
/** Requests waiting for their replies on one connection; more are answered `busy`. */
export const MAX_PENDING = 65_536;
/** Requests in hand at one responder; more are answered `busy`. A service that wants less counts for itself and leaves. */
export const MAX_IN_HAND = 20_000;
/** For a request that names no deadline. */
export const DEFAULT_DEADLINE_MS = 60_000;

/** The number that stands for a code in `Nats-Service-Error-Code`; HTTP's, since these are widely known. */
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

/** The failure that a reply's body describes. A code of a newer version counts as `internal`. */
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

/** The text for `Nats-Service-Error`: the catalogue's, never the detail, which may hold anything. */
export const errorText = (code: ErrorCode): string => errors[code].text;

/** Where the tenant stands among the tokens of an address' subjects, or -1. */
export const tenantIndex = (address: string): number => address.split('.').indexOf('{tenant}');

/** The tenant of a subject. Undefined where the address has none, and for a token shortened to its hash. */
export function tenantAt(subject: string, index: number): string | undefined {
  const found = index === -1 ? undefined : subject.split('.')[index];
  return found === undefined ? undefined : untoken(found);
}

/** Whether a subject is short enough for the server's control line. */
export function subjectFits(subject: string): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8: ordinary subjects need no counting.
  return subject.length * 3 <= MAX_SUBJECT_BYTES || Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES;
}

/**
 * A body as JSON text; undefined when it has none. What clients sent is in many bodies, and `JSON.stringify` throws for what is nested too deep
 * or makes too long a string: that is the failure of one message, never of the process.
 */
export function encodeBody<Body>(body: Body, encode: (body: Body) => string | undefined = JSON.stringify): string | undefined {
  try {
    return encode(body) ?? 'null';
  } catch {
    return undefined;
  }
}

/** Of a request or a reply without a text. */
export const UNENCODABLE = { code: 'invalid', detail: 'the message cannot be written as JSON' } as const;

/** `<index>/<count>` as numbers, or undefined for anything else. */
export function parsePart(text: string): { readonly index: number; readonly count: number } | undefined {
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(text);
  if (match === null) return undefined;
  const index = Number(match[1]);
  const count = Number(match[2]);
  return index < count ? { index, count } : undefined;
}
