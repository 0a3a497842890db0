/** Errors in answers (Good Uncle: response codes; protocol page 2.3 and 2.4). */
import type { Failure } from '@polyedge/contracts/errors';
import type { Json } from '@polyedge/query/json';

/** The six words of `response.code`, spaces included. */
export type Code = 'ok' | 'forbidden' | 'not found' | 'bad request' | 'slow down' | 'error';

/** A stable identifier for programs. */
export type Reason =
  | 'missing'
  | 'type'
  | 'value'
  | 'unknown'
  | 'duplicate'
  | 'immutable'
  | 'too large'
  | 'too deep'
  | 'operator'
  | 'credentials'
  | 'role'
  | 'field'
  | 'row'
  | 'limit'
  | 'rate'
  | 'overflow'
  | 'revoked'
  | 'not found'
  | 'internal';

/** One entry of `response.errors`. `field` is a dotted path into the request, null for all of it. */
export interface FieldProblem {
  readonly field: string | null;
  readonly reason: Reason;
  readonly message: string;
  readonly expected?: Json;
}

/** A rejected request: its code and at least one problem. */
export interface ErrorResponse {
  readonly code: Exclude<Code, 'ok'>;
  readonly problems: readonly FieldProblem[];
}

const MESSAGES: Readonly<Record<Reason, string>> = {
  missing: 'this key is required',
  type: 'this has the wrong type',
  value: 'this value is not allowed',
  unknown: 'this is not known',
  duplicate: 'this is used already',
  immutable: 'this cannot be changed',
  'too large': 'this is too large',
  'too deep': 'this is nested too deeply',
  operator: 'there is no such operator, or its operand is wrong',
  credentials: 'the user or the password is wrong',
  role: 'no role of the session may do this',
  field: 'no role of the session may use this field',
  row: 'the result would be a resource that may not be written',
  limit: 'this is over a limit',
  rate: 'too many requests: the connection is closed in the next seconds unless they become fewer',
  overflow: 'the client reads too slowly for this subscription',
  revoked: 'the right to this was withdrawn',
  'not found': 'there is nothing that matches',
  internal: 'the request could not be carried out',
};

export function problem(reason: Reason, field: string | null = null, more: { message?: string; expected?: Json } = {}): FieldProblem {
  return { field, reason, message: more.message ?? MESSAGES[reason], ...(more.expected === undefined ? {} : { expected: more.expected }) };
}

export const refusal = (code: ErrorResponse['code'], ...problems: readonly FieldProblem[]): ErrorResponse => ({ code, problems });
export const badRequest = (...problems: readonly FieldProblem[]): ErrorResponse => ({ code: 'bad request', problems });
export const forbidden = (reason: Reason, field: string | null = null): ErrorResponse => refusal('forbidden', problem(reason, field));
export const notFound = (field: string | null = null): ErrorResponse => refusal('not found', problem('not found', field));

export const slowDown = (): ErrorResponse => refusal('slow down', problem('rate'));

/**
 * Maps a failure of the store that the verbs do not handle themselves. Never reveals internals.
 * @param log for internal failures
 */
export function storeRefusal(failure: Failure, log: IncidentLog): ErrorResponse {
  switch (failure.code) {
    case 'invalid':
      return badRequest(problem('value'));
    case 'too-large':
      return badRequest(problem('too large'));
    case 'not-allowed':
      return forbidden('role');
    case 'not-found':
      return notFound();
    case 'conflict':
      return badRequest(problem('duplicate'));
    case 'limited':
    // Nothing was done, because of overload.
    case 'busy':
    case 'expired':
      return slowDown();
    case 'unauthenticated':
      return forbidden('credentials');
    case 'unavailable':
    case 'lost':
    case 'internal':
      return internal(log.incident(failure.code));
  }
}

/** Logs an internal failure by its code. Returns the name to find it by. */
export interface IncidentLog {
  incident(failure: string): string;
}

export const internal = (incident: string): ErrorResponse =>
  refusal('error', problem('internal', null, { message: `the request could not be carried out (incident ${incident})` }));
