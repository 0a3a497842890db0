/** Saga's error bodies (Saga protocol page, 2.2 and 2.3), the same in acknowledgements, `error` events and REST answers. */
import type { ErrorCode, Failure } from '@polyedge/contracts/errors';

export type Status = 200 | 400 | 401 | 403 | 404 | 413 | 422 | 429 | 500 | 503;

const NAMES: Readonly<Record<Exclude<Status, 200>, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  413: 'Payload Too Large',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Always an object with both fields, because clients parse it as an object; the values of `errors` are always strings. */
export interface SagaError {
  readonly status_code: Exclude<Status, 200>;
  readonly name: string;
  readonly message?: string;
  readonly errors?: Readonly<Record<string, string>>;
}

export const sagaError = (status: Exclude<Status, 200>, message?: string, errors?: Readonly<Record<string, string>>): SagaError => ({
  status_code: status,
  name: NAMES[status],
  ...(message === undefined ? {} : { message }),
  ...(errors === undefined ? {} : { errors }),
});

/** 422 about one field. */
export const unprocessable = (field: string, problem: string): SagaError => sagaError(422, `${field} ${problem}`, { [field]: problem });

export const INSUFFICIENT = sagaError(403, 'Insufficient Permissions');
export const UNVERIFIED = sagaError(403, 'Unverified User');
export const INVALID_TOKEN = sagaError(401, 'Invalid Token');
export const MISSING_USER = sagaError(401, 'Missing User');
export const NOT_FOUND = sagaError(404);

const STATUS: Readonly<Record<ErrorCode, Exclude<Status, 200>>> = {
  invalid: 422,
  unauthenticated: 401,
  'not-allowed': 403,
  'not-found': 404,
  conflict: 422,
  'too-large': 413,
  limited: 429,
  busy: 503,
  expired: 503,
  unavailable: 503,
  lost: 503,
  internal: 500,
};

/** Maps a failure to Saga's error. */
export function toError({ code, detail }: Failure): SagaError {
  const status = STATUS[code];
  if (status === 401) return tokenError(detail);
  if (status === 403) return INSUFFICIENT;
  if (status === 422) return unprocessable(...fieldOf(detail));
  return sagaError(status, status === 404 ? undefined : detail);
}

/** The documented error of a rejected token. The Unity client compares `Token Expired` literally. */
export function tokenError(detail = ''): SagaError {
  if (detail.includes('expired')) return sagaError(401, 'Token Expired');
  if (detail.includes('malformed')) return sagaError(401, 'Token Decode Error');
  return INVALID_TOKEN;
}

/** Splits the store's `operations/1: value: what is wrong` into field and problem. */
function fieldOf(detail = ''): [field: string, problem: string] {
  const text = detail.replace(/^operations\/\d+:? ?/, '');
  if (text.startsWith('schema:')) return ['value', `does not satisfy the schema:${text.slice('schema:'.length)}`];
  const found = /^(key|value|name|schema|body|path)(?:\/[^:]*)?:? ?(.*)$/s.exec(text);
  return found === null ? ['value', text === '' ? 'is not allowed' : text] : [found[1] ?? 'value', found[2] || 'is not allowed'];
}

/** The index of the failed operation, if the store names it. */
export const operationOf = ({ detail = '' }: Failure): number | undefined => {
  const found = /^operations\/(\d+)/.exec(detail);
  return found === null ? undefined : Number(found[1]);
};
