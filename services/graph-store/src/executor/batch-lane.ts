/**
 * One lane of the executor: forms batches, and brings each of their requests to a definite outcome. There is no timer: while one batch
 * commits, the next one gathers. The result of an unconfirmed commit is looked up by operation id, never assumed.
 */
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import { done, type Failure, failed } from '@polyedge/contracts/errors';
import { operationTime } from '@polyedge/contracts/operation-id';
import { validateRequest } from '../core/validate.ts';
import { type BatchReply, call, type ExecutorProcedure, type Item, type LaneName, type Ran } from './messages.ts';
import {
  LOOKUP_PAUSE_MS,
  LOOKUP_TRIES,
  MAX_BATCH_BYTES,
  MAX_BATCH_OPERATIONS,
  MAX_BATCH_REQUESTS,
  MAX_OPERATION_AGE_MS,
  MAX_OPERATION_AHEAD_MS,
  MAX_WAITING_BYTES,
  MAX_WAITING_REQUESTS,
} from './settings.ts';
import type { ExecutorState, Message, Waiting } from './waiting.ts';

interface QueuedRequest {
  readonly message: Message;
  readonly index: number;
  readonly item: Item;
}

/** The result of an attempt: the outcomes of a batch as far as they are known, or that nothing of it was done. */
type Attempted =
  | { readonly is: 'known'; readonly epoch: string; readonly outcomes: readonly (MutationOutcome | undefined)[] }
  | { readonly is: 'failed'; readonly failure: Failure }
  | { readonly is: 'again-alone' }
  | { readonly is: 'bisect' };

export interface LaneParts {
  readonly name: LaneName;
  readonly state: ExecutorState;
  /** Called when a message has been answered. */
  answered(waiting: Waiting, answer: BatchReply): void;
  /** Called with the changes of each batch. */
  committed(ran: Extract<Ran, { is: 'committed' }>): void;
}

export class BatchLane {
  readonly #parts: LaneParts;
  readonly #queue: Waiting[] = [];
  #waitingRequests = 0;
  #waitingBytes = 0;
  #isRunning = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Whether further requests are rejected. */
  get isFull(): boolean {
    return this.#waitingRequests >= MAX_WAITING_REQUESTS || this.#waitingBytes >= MAX_WAITING_BYTES;
  }

  get isHalfEmpty(): boolean {
    return this.#waitingRequests <= MAX_WAITING_REQUESTS / 2 && this.#waitingBytes <= MAX_WAITING_BYTES / 2;
  }

  /** Whether nothing waits or is in progress. */
  get isIdle(): boolean {
    return !this.#isRunning;
  }

  add(waiting: Waiting): void {
    const { state, name } = this.#parts;
    this.#queue.push(waiting);
    this.#count(waiting, 1);
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Everything that arrives in the same turn of the event loop joins the first batch.
    state.effects.push({ do: 'begin-soon', lane: name });
  }

  begin(): void {
    this.#parts.state.procedures.start(this.#run());
  }

  #count({ submission: { requests, bytes } }: Waiting, sign: 1 | -1): void {
    const { stats } = this.#parts.state;
    this.#waitingRequests += sign * requests.length;
    this.#waitingBytes += sign * bytes;
    stats.waitingRequests += sign * requests.length;
    stats.waitingBytes += sign * bytes;
  }

  *#run(): ExecutorProcedure {
    while (this.#queue.length > 0) {
      const batch = this.#gather();
      if (batch.length > 0) yield* this.#commit(batch);
    }
    this.#isRunning = false;
  }

  /** The next messages that fit into one batch, at least one, except those whose callers have timed out. */
  #gather(): Waiting[] {
    const batch: Waiting[] = [];
    let [requests, operations, bytes, taken] = [0, 0, 0, 0];
    for (const waiting of this.#queue) {
      const { submission } = waiting;
      const count = submission.requests.reduce((sum, request) => sum + request.operations.length, 0);
      const fits =
        requests + submission.requests.length <= MAX_BATCH_REQUESTS &&
        operations + count <= MAX_BATCH_OPERATIONS &&
        bytes + submission.bytes <= MAX_BATCH_BYTES;
      if (taken > 0 && !fits) break;
      taken += 1;
      requests += submission.requests.length;
      operations += count;
      bytes += submission.bytes;
      this.#count(waiting, -1);
      if (waiting.deadline <= this.#parts.state.at) this.#parts.answered(waiting, failed('expired'));
      else batch.push(waiting);
    }
    this.#queue.splice(0, taken);
    return batch;
  }

  *#commit(batch: readonly Waiting[]): ExecutorProcedure {
    const messages: Message[] = [];
    const valid: QueuedRequest[] = [];
    for (const waiting of batch) {
      const { tenant, defaultScope, requests, trusted } = waiting.submission;
      const message: Message = { waiting, outcomes: [], failure: undefined };
      messages.push(message);
      for (const [index, request] of requests.entries()) {
        const problem = trusted === true ? undefined : problemOf(request, waiting.wall);
        if (problem === undefined) valid.push({ message, index, item: { tenant, defaultScope, request } });
        else message.outcomes[index] = { ok: false, failure: problem };
      }
    }
    const epoch = { known: '' };
    yield* this.#carryOut(valid, epoch, false);
    for (const message of messages) this.#parts.answered(message.waiting, answerOf(message, epoch.known));
  }

  /** Executes requests to definite outcomes, in one batch or, if the database rejects one of their values, in parts. */
  *#carryOut(entries: readonly QueuedRequest[], epoch: { known: string }, exclusive: boolean): ExecutorProcedure {
    const { state } = this.#parts;
    const part = entries.filter(({ message }) => {
      // Its caller has timed out, and may have received another outcome from another replica while this one was suspended.
      const late = message.waiting.deadline <= state.at;
      if (late) message.failure ??= { code: 'expired' };
      return !late;
    });
    const [first] = part;
    if (first === undefined) return;
    const items = part.map(({ item }) => item);
    const attempted = yield* this.#attempt(items, exclusive);
    switch (attempted.is) {
      case 'again-alone':
        return yield* this.#carryOut(part, epoch, true);
      case 'failed':
        for (const { message } of part) message.failure ??= attempted.failure;
        return;
      case 'known':
        epoch.known = attempted.epoch;
        for (const [at, { message, index }] of part.entries()) {
          const outcome = attempted.outcomes[at];
          if (outcome === undefined) message.failure ??= UNKNOWN;
          else message.outcomes[index] = outcome;
        }
        return;
      case 'bisect': {
        state.stats.bisected += 1;
        if (part.length === 1) {
          first.message.outcomes[first.index] = { ok: false, failure: REFUSED_VALUE };
          return;
        }
        const middle = part.length >> 1;
        yield* this.#carryOut(part.slice(0, middle), epoch, false);
        // Requests after one with an unknown outcome must not take effect before it.
        const unknown = part.find(({ message }) => message.failure !== undefined)?.message.failure;
        if (unknown === undefined) return yield* this.#carryOut(part.slice(middle), epoch, false);
        for (const { message } of part.slice(middle)) message.failure ??= unknown;
      }
    }
  }

  *#attempt(items: readonly Item[], exclusive: boolean): ExecutorProcedure<Attempted> {
    const { name, state, committed } = this.#parts;
    const answer = yield* call({ call: 'run', lane: name, items, exclusive });
    const ran = answer.ok ? answer.value : { is: 'unknown' as const, refusals: [] };
    switch (ran.is) {
      case 'committed':
        committed(ran);
        return { is: 'known', epoch: ran.epoch, outcomes: ran.outcomes };
      case 'not-connected':
        return { is: 'failed', failure: { code: 'unavailable', detail: 'the database cannot be reached' } };
      case 'load':
        return { is: 'failed', failure: { code: 'busy', detail: 'the database is busy' } };
      case 'unknown':
        return yield* this.#lookUp(items, ran.refusals);
      case 'value':
        return { is: 'bisect' };
      case 'collision':
        if (exclusive) return { is: 'bisect' };
        state.stats.exclusive += 1;
        return { is: 'again-alone' };
    }
  }

  /**
   * The commit of a batch was not confirmed. Its committed requests are found by operation id; the others may still commit, so the failure
   * says that the outcome is unknown, and the caller retries with the same id.
   */
  *#lookUp(items: readonly Item[], refusals: readonly (MutationOutcome | undefined)[]): ExecutorProcedure<Attempted> {
    const { name, state } = this.#parts;
    state.stats.lookups += 1;
    for (let attempt = 0; attempt < LOOKUP_TRIES; attempt += 1) {
      const looked = yield* call({ call: 'look-up', lane: name });
      if (!looked.ok) {
        yield* call({ call: 'pause', ms: LOOKUP_PAUSE_MS });
        continue;
      }
      const { epoch, found } = looked.value;
      if (found.every((outcome) => outcome === undefined)) break;
      // The publisher reads the changes from the journal.
      return { is: 'known', epoch, outcomes: items.map((_, at) => found[at] ?? refusals[at]) };
    }
    return { is: 'failed', failure: UNKNOWN };
  }
}

const UNKNOWN: Failure = { code: 'unavailable', detail: 'the outcome is unknown' };
const REFUSED_VALUE: Failure = { code: 'invalid', detail: 'the database refused a value of the request' };

function answerOf({ waiting, outcomes, failure }: Message, epoch: string): BatchReply {
  const { requests } = waiting.submission;
  const complete = requests.flatMap((_, index) => outcomes[index] ?? []);
  if (complete.length === requests.length) return done({ epoch, outcomes: complete });
  // Part of it is done: a retry of the message gets these outcomes again, and the rest.
  if (complete.some(({ ok }) => ok)) return { ok: false, failure: UNKNOWN };
  return { ok: false, failure: failure ?? { code: 'internal' } };
}

/** Why a request is invalid by itself. */
function problemOf(request: MutationRequest, wall: number): Failure | undefined {
  const madeAt = operationTime(request.operationId);
  if (madeAt < wall - MAX_OPERATION_AGE_MS || madeAt > wall + MAX_OPERATION_AHEAD_MS) {
    return { code: 'invalid', detail: 'the time in the operation id is too far from now' };
  }
  const outcome = validateRequest(request);
  return outcome.ok ? undefined : outcome.failure;
}
