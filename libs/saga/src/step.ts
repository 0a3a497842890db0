/** What a call does next: the same steps are carried out by a socket's session and by a REST call. */
import type { MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Call } from '@polyedge/session/session';
import type { SagaError } from './errors.ts';

export type Step =
  | { readonly next: 'ask'; readonly call: Call; resume(outcome: Outcome<unknown>): Step }
  | { readonly next: 'write'; readonly operations: Operation[]; readonly what: string; resume(outcome: Outcome<MutationResult>): Step }
  /** Tell everybody who joined, then answer. */
  | { readonly next: 'tell'; readonly signal: SagaSignal; readonly body: unknown }
  | { readonly next: 'answer'; readonly body: unknown }
  | { readonly next: 'fail'; readonly error: SagaError };

/** Surroundings of a call: whose it is, and where its ids and its time come from. */
export interface Caller {
  readonly tenant: string;
  /** Which way it came, as clients are told. */
  readonly way: 'socket' | 'rest' | 'job';
  /** What it writes is test data. */
  readonly testData?: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** 24 hex digits that nobody else has. */
  newId(): string;
}

export const fail = (error: SagaError): Step => ({ next: 'fail', error });
export const answer = (body: unknown): Step => ({ next: 'answer', body });
