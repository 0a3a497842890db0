/** The two questions that the tasks of every protocol can yield: a request over the bus, and a write. */
import type { MutationRequest, MutationResult } from '@polyedge/contracts/bus/graph';
import type { Origin } from '@polyedge/contracts/change';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Parameters } from '@polyedge/contracts/subject';
import { busCall } from './call.ts';
import type { BusCall, Effect, OwnOrder } from './session.ts';
import type { Task } from './task.ts';

export interface CallQuestion {
  readonly kind: 'call';
  readonly call: BusCall;
  /** Sent without waiting for the session's earlier writes. */
  readonly unordered?: boolean;
}

export interface WriteQuestion {
  readonly kind: 'write';
  /** The operation in the protocol's own terms; the journal keeps it as the operation of the change's origin. */
  readonly what: string;
  readonly operations: MutationRequest['operations'];
}

export type Question = CallQuestion | WriteQuestion;

/** Verifies a credential. Only sessions support it. */
export interface Authenticate {
  readonly kind: 'authenticate';
  readonly credential: string;
  /** Whether the verified principal becomes the connection's. */
  readonly adopt: boolean;
}

const ORDERED = {};

/** A task of one question. A class, because `yield*` is cheaper with it than with a generator, and nearly every request is one question. */
class OneQuestion<Yielded, Reply> implements Task<Yielded, Outcome<Reply>> {
  readonly #question: Yielded;
  #started = false;

  constructor(question: Yielded) {
    this.#question = question;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(...[outcome]: [] | [Outcome<unknown>]): IteratorResult<Yielded, Outcome<Reply>> {
    if (!this.#started || outcome === undefined) {
      this.#started = true;
      return { done: false, value: this.#question };
    }
    // The driver has validated the outcome (a reply against the schema of its channel), and runners pass it on unchanged. This is the only
    // cast from the erased type to the reply's type.
    return { done: true, value: outcome as Outcome<Reply> };
  }
}

/** Sends a request to a channel: `const found = yield* call(graphGet, { tenant }, { ids })`. */
export function call<Address extends string, Request, Reply>(
  channel: RequestChannel<Address, Request, Reply>,
  parameters: Parameters<Address>,
  body: Request,
  { unordered = false }: { readonly unordered?: boolean } = ORDERED,
): Task<CallQuestion, Outcome<Reply>> {
  return new OneQuestion({ kind: 'call', call: busCall(channel, parameters, body), unordered });
}

/**
 * Writes the operations atomically: `const written = yield* write('create', [operation])`. The runner adds the author and the operation id.
 */
export function write(what: string, operations: MutationRequest['operations']): Task<WriteQuestion, Outcome<MutationResult>> {
  return new OneQuestion({ kind: 'write', what, operations });
}

/** Verifies a credential: `const verified = yield* authenticate(token, { adopt: true })`. */
export function authenticate(credential: string, { adopt }: { readonly adopt: boolean }): Task<Authenticate, Outcome<Principal>> {
  return new OneQuestion({ kind: 'authenticate', credential, adopt });
}

/** A question that only one protocol has. Its runner answers with a `Value`. */
export const question = <Yielded, Value>(yielded: Yielded): Task<Yielded, Outcome<Value>> => new OneQuestion(yielded);

/** The account and app that a runner writes for. */
export interface Author {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly account: string;
  readonly app: string;
}

/** Builds the effect of a write. */
export function toMutate(
  id: string,
  { what, operations }: WriteQuestion,
  { tenant, defaultScope, account: by, app }: Author,
  { protocol, way }: Omit<Origin, 'operation'>,
  own: OwnOrder,
): Extract<Effect<never>, { readonly do: 'mutate' }> {
  return { do: 'mutate', id, tenant, defaultScope, request: { by, app, origin: { protocol, way, operation: what }, operations }, own };
}
