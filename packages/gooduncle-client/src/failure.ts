import type { Failure, FailureCode, Problem } from './types.ts';
import type { Code, Response } from './wire.ts';

const MESSAGES: Readonly<Record<FailureCode, string>> = {
  forbidden: 'no role of the session may do this',
  'not found': 'there is nothing that matches',
  'bad request': 'the request is wrong',
  'slow down': 'the server has too much to do: nothing was done',
  error: 'the server could not carry it out',
  unreachable: 'the server was not reached in time: nothing was done',
  unknown: 'the connection ended before the answer: it may have been carried out, or not',
  busy: 'too many requests wait already: nothing was done',
  closed: 'the client is closed: nothing was done',
};

export const failure = (code: FailureCode, message = MESSAGES[code], problems: readonly Problem[] = []): Failure => ({
  ok: false,
  code,
  message,
  problems,
});

/** Converts an error response of the server to a failure. */
export function failureOf({ code, errors }: Pick<Response, 'errors'> & { readonly code: Code }): Failure {
  const told = errors.map(({ field, message }) => (field === null ? message : `${field}: ${message}`)).join('; ');
  return failure(code === 'ok' ? 'error' : code, told === '' ? undefined : told, errors);
}

export const tooLarge = (): Failure =>
  failure('bad request', 'the request is larger than 256 KiB', [{ field: null, reason: 'too large', message: 'this is too large' }]);
