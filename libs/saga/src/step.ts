/** What a request does next; both a socket's session and a REST route run these steps. */
import type { MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Call } from '@polyedge/session/session';
import type { SagaError } from './errors.ts';

export type Step =
  | { readonly next: 'ask'; readonly call: Call; resume(outcome: Outcome<unknown>): Step }
  | { readonly next: 'write'; readonly operations: Operation[]; readonly what: string; resume(outcome: Outcome<MutationResult>): Step }
  /** Publish the signal to everybody who joined, then answer. */
  | { readonly next: 'tell'; readonly signal: SagaSignal; readonly body: unknown }
  | { readonly next: 'answer'; readonly body: unknown }
  | { readonly next: 'fail'; readonly error: SagaError };

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

export const fail = (error: SagaError): Step => ({ next: 'fail', error });
export const answer = (body: unknown): Step => ({ next: 'answer', body });
