/** The two questions that tasks of every protocol ask: a request over the bus, and a write. */
import type { MutationRequest, MutationResult } from '@polyedge/contracts/bus/graph';
import type { Origin } from '@polyedge/contracts/change';
import type { RequestChannel } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Parameters } from '@polyedge/contracts/subject';
import { call } from './call.ts';
import type { BusCall, Effect, OwnOrder } from './session.ts';
import type { Task } from './task.ts';

export interface RequestQuestion {
  readonly kind: 'ask';
  readonly call: BusCall;
  /** It does not wait for the writes that its session sent before it. */
  readonly unordered?: boolean;
}

export interface WriteQuestion {
  readonly kind: 'write';
  /** What the request does, in its protocol's words: the journal keeps it as the origin's operation. */
  readonly what: string;
  readonly operations: MutationRequest['operations'];
}

export type Question = RequestQuestion | WriteQuestion;

/** Verifies a credential. Only sessions can. */
export interface Authenticate {
  readonly kind: 'authenticate';
  readonly credential: string;
  /** Whether its principal becomes the connection's. */
  readonly adopt: boolean;
}

const ORDERED = {};

/** A task of one question. A class and no generator: `yield*` of one is cheaper, and nearly every request is one question. */
class OneQuestion<Asked, Reply> implements Task<Asked, Outcome<Reply>> {
  readonly #question: Asked;
  #asked = false;

  constructor(question: Asked) {
    this.#question = question;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(...[outcome]: [] | [Outcome<unknown>]): IteratorResult<Asked, Outcome<Reply>> {
    if (!this.#asked || outcome === undefined) {
      this.#asked = true;
      return { done: false, value: this.#question };
    }
    // The driver has checked the outcome against the question (a reply against its channel's schema), and a runner only carries it: the one
    // place where the types of the two meet again.
    return { done: true, value: outcome as Outcome<Reply> };
  }
}

/** Asks a channel: `const found = yield* ask(graphGet, { tenant }, { ids })`. */
export function ask<Address extends string, Request, Reply>(
  channel: RequestChannel<Address, Request, Reply>,
  parameters: Parameters<Address>,
  body: Request,
  { unordered = false }: { readonly unordered?: boolean } = ORDERED,
): Task<RequestQuestion, Outcome<Reply>> {
  return new OneQuestion({ kind: 'ask', call: call(channel, parameters, body), unordered });
}

/** Writes, all or nothing: `const written = yield* write('create', [operation])`. Its runner adds the author and the operation id. */
export function write(what: string, operations: MutationRequest['operations']): Task<WriteQuestion, Outcome<MutationResult>> {
  return new OneQuestion({ kind: 'write', what, operations });
}

/** Verifies a credential: `const verified = yield* authenticate(token, { adopt: true })`. */
export function authenticate(credential: string, { adopt }: { readonly adopt: boolean }): Task<Authenticate, Outcome<Principal>> {
  return new OneQuestion({ kind: 'authenticate', credential, adopt });
}

/** A question of one protocol's own, whose runner answers it with a `Value`. */
export const question = <Asked, Value>(asked: Asked): Task<Asked, Outcome<Value>> => new OneQuestion(asked);

/** On whose behalf a runner writes. */
export interface Author {
  readonly tenant: string;
  readonly defaultScope: string;
  readonly account: string;
  readonly app: string;
}

/** The effect of a write. */
export function toMutate(
  id: string,
  { what, operations }: WriteQuestion,
  { tenant, defaultScope, account: by, app }: Author,
  { protocol, way }: Omit<Origin, 'operation'>,
  own: OwnOrder,
): Extract<Effect<never>, { readonly do: 'mutate' }> {
  return { do: 'mutate', id, tenant, defaultScope, request: { by, app, origin: { protocol, way, operation: what }, operations }, own };
}
