/** What a request does, as a task that sockets, REST routes and runs of scripts run alike. */
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Question } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { SagaError } from './errors.ts';

/** Publishes a signal to everybody who joined. A socket that receives it itself goes on when it has come back. */
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

/** What a client sent, taken apart. */
export type ParsedPost<T> = { readonly ok: true; readonly value: T } | Refused;

/** The context of a request: its tenant and origin, and the source of its ids and time. */
export interface Caller {
  readonly tenant: string;
  /** The way it came in, as shown to clients. */
  readonly way: 'socket' | 'rest' | 'job';
  /** Marks everything it writes as test data. */
  readonly testData?: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Returns a unique id of 24 hex digits. */
  newId(): string;
}

export const refuse = (error: SagaError): Refused => ({ ok: false, error });
export const answer = (value: unknown): PostResult => ({ ok: true, value });
