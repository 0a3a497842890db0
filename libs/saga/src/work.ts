/** Saga requests as tasks that sockets, REST routes and script runs share. */
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Question } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { SagaError } from './errors.ts';

/** Publishes a signal to all subscribers. A socket that receives it too resumes the task when it arrives. */
export interface SignalQuestion {
  readonly kind: 'signal';
  readonly signal: SagaSignal;
}

export type PostResult = { readonly ok: true; readonly value: unknown } | Refused;

export interface Refused {
  readonly ok: false;
  readonly error: SagaError;
}

export type Work = Task<Question | SignalQuestion, PostResult>;

/** A parsed request of a client. */
export type ParsedPost<T> = { readonly ok: true; readonly value: T } | Refused;

/** The context of a request: its tenant and origin, and the source of its ids and time. */
export interface Caller {
  readonly tenant: string;
  /** How the request arrived, as shown to clients. */
  readonly way: 'socket' | 'rest' | 'job';
  /** Marks all written elements as test data. */
  readonly testData?: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Returns a unique id of 24 hex digits. */
  newId(): string;
}

export const refuse = (error: SagaError): Refused => ({ ok: false, error });
export const answer = (value: unknown): PostResult => ({ ok: true, value });
