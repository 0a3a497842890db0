/**
 * A request under way, as a value: what it needs next, and what follows from the answer. Pure; the WebSocket session and the REST handlers
 * carry the steps out, each in its own way, and share everything that the steps mean.
 */
import type { MutationRequest, MutationResult } from '@polyedge/contracts/bus/graph';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Failure, Outcome } from '@polyedge/contracts/errors';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Json } from '@polyedge/query/json';
import { call } from '@polyedge/session/call';
import type { Call } from '@polyedge/session/session';
import type { ValidationResult } from './failures.ts';

export type Step =
  /** Ask over the bus. */
  | {
      readonly next: 'ask';
      readonly call: Call;
      readonly resume: (outcome: Outcome<unknown>) => Step;
      /** When the request as a whole is too late (milliseconds since 1970): an answer that comes later is not looked at. */
      readonly until?: number;
    }
  /** Write; the operation id is added by whoever carries it out. */
  | {
      readonly next: 'write';
      readonly operations: MutationRequest['operations'];
      readonly resume: (outcome: Outcome<MutationResult>) => Step;
    }
  /** Some items of a list, none of them null; `rest` goes on once they are on their way. */
  | { readonly next: 'items'; readonly items: readonly Json[]; readonly rest?: () => Step }
  /** Pieces of a blob as base64, a frame each; without `rest` the last of them ends it, and there is one. */
  | { readonly next: 'content'; readonly data: readonly string[]; readonly rest?: () => Step }
  /** The whole answer of a request that is no list. */
  | { readonly next: 'answer'; readonly body: Json }
  | { readonly next: 'fail'; readonly failure: Failure; readonly result?: ValidationResult };

export const answer = (body: Json): Step => ({ next: 'answer', body });
export const fail = (code: Failure['code'], detail?: string): Step => ({
  next: 'fail',
  failure: detail === undefined ? { code } : { code, detail },
});

/** Puts a deadline to a question. */
export const before = (until: number, step: Step): Step => (step.next === 'ask' ? { ...step, until } : step);

/** Asks a channel and goes on with its reply; a failure ends the request unless `otherwise` takes it. */
export function ask<Address extends string, Request, Reply>(
  channel: RequestChannel<Address, Request, Reply>,
  parameters: Parameters<Address>,
  body: Request,
  then: (reply: Reply) => Step,
  otherwise: (failure: Failure) => Step = (failure) => ({ next: 'fail', failure }),
): Step {
  return {
    next: 'ask',
    call: call(channel, parameters, body),
    // The bus has checked the reply against this channel's schema; the driver that carries it knows no types.
    resume: (outcome) => (outcome.ok ? then(outcome.value as Reply) : otherwise(outcome.failure)),
  };
}

export function write(
  operations: MutationRequest['operations'],
  then: (result: MutationResult) => Step,
  otherwise: (failure: Failure) => Step = (failure) => ({ next: 'fail', failure }),
): Step {
  return { next: 'write', operations, resume: (outcome) => (outcome.ok ? then(outcome.value) : otherwise(outcome.failure)) };
}
