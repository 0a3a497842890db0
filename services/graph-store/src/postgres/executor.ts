/**
 * The batch executor: requests that arrive together are committed together. It has no timer: while one batch commits, the next one gathers.
 * Whatever happens to a commit, its outcome is looked up by operation id, never assumed.
 */
import { isDeepStrictEqual } from 'node:util';
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { operationTime } from '@polyedge/contracts/operation-id';
import type { Log } from '@polyedge/service-kit/log';
import type { Schemas } from '../core/schema.ts';
import { validateRequest } from '../core/validate.ts';
import type { Committed } from '../publisher/recent.ts';
import type { Traces } from '../traces.ts';
import { type BatchRequest, type BatchResult, batchRequest, runBatch } from './batch.ts';
import { sqlState } from './connect.ts';
import { HomeScopes } from './home-scopes.ts';
import { NotConnected } from './link.ts';
import type { Pool } from './pool.ts';
import { findRepeats } from './repeats.ts';
import type { Transactions } from './transactions.ts';

const MAX_BATCH_REQUESTS = 500;
const MAX_BATCH_OPERATIONS = 5000;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Where waiting requests are refused with `busy`, and where they are welcome again. */
const MAX_WAITING_REQUESTS = 2000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** How far an operation id's own time may be from this clock: its repeats are remembered by the day it names. */
const MAX_OPERATION_AGE_MS = 24 * 3_600_000;
const MAX_OPERATION_AHEAD_MS = 12 * 3_600_000;
/** Tries to find out what became of a batch whose connection broke. */
const LOOKUP_TRIES = 50;
const LOOKUP_PAUSE_MS = 100;

/** Requests of one connection, in order. They are applied in one batch, each for itself. */
export interface Submission {
  readonly tenant: string;
  /** The scope of elements that are created without one. */
  readonly defaultScope: string;
  readonly requests: readonly MutationRequest[];
  /** Bytes of the requests' JSON. */
  readonly bytes: number;
  /** On the clock of `performance.now()`: what is not begun by then is answered `expired`. */
  readonly deadline: number;
  /** Made by the store itself: may write the system scope. */
  readonly trusted?: boolean;
}

type Answer = Outcome<{ epoch: string; outcomes: MutationOutcome[] }>;

interface Waiting extends Omit<Submission, 'deadline'> {
  /** Of whoever waits longest for it. */
  deadline: number;
  readonly answer: Promise<Answer>;
  readonly resolve: (outcome: Answer) => void;
}

/** A message while its requests are carried out. */
interface Message {
  readonly waiting: Waiting;
  /** By the request's place; a hole where nothing is certain yet. */
  readonly outcomes: (MutationOutcome | undefined)[];
  /** Why there are holes. */
  failure: Failure | undefined;
}

interface Entry {
  readonly message: Message;
  readonly index: number;
  readonly request: BatchRequest;
}

/** The outcomes of a batch as far as they are known. */
type LookedUp = Pick<BatchResult, 'epoch'> & { readonly outcomes: readonly (MutationOutcome | undefined)[] };

/** Counters for metrics. */
export interface ExecutorStats {
  batches: number;
  requests: number;
  changes: number;
  exclusive: number;
  bisected: number;
  repeated: number;
  /** Messages that came again while an earlier attempt was waiting or under way, and got its outcome. */
  joined: number;
  lookups: number;
  refused: number;
  waitingRequests: number;
  waitingBytes: number;
}

export interface ExecutorOptions {
  /** A connection with the session settings of writers. */
  readonly writer: Transactions;
  /** Where the outcome of a batch is looked up whose connection broke. */
  readonly readers: Pool;
  readonly schemas: Schemas;
  readonly log: Log;
  /** Undefined when tracing is off. */
  readonly traces: Traces | undefined;
  /** Told of every committed batch, in the order of its commits, before its callers are answered. */
  readonly onCommitted: (changes: readonly Committed[]) => void;
  /** Told when requests begin to be refused, and when they are welcome again. */
  readonly onOverload: (overloaded: boolean) => void;
}

export class Executor {
  readonly stats: ExecutorStats = {
    batches: 0,
    requests: 0,
    changes: 0,
    exclusive: 0,
    bisected: 0,
    repeated: 0,
    joined: 0,
    lookups: 0,
    refused: 0,
    waitingRequests: 0,
    waitingBytes: 0,
  };
  readonly #options: ExecutorOptions;
  readonly #homes = new HomeScopes();
  readonly #waiting: Waiting[] = [];
  /** What waits or is under way, by its operation ids: who asks again waits for the same outcome, and nothing is done twice. */
  readonly #attempts = new Map<string, Waiting>();
  #overloaded = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** The outcomes come in the order of the requests. `busy` as a whole: nothing was done. */
  submit(submission: Submission): Promise<Answer> {
    const { requests, bytes } = submission;
    const attempt = requests.map(({ operationId }) => operationId).join();
    const earlier = this.#attempts.get(attempt);
    if (earlier !== undefined && sameMessage(earlier, submission)) {
      earlier.deadline = Math.max(earlier.deadline, submission.deadline);
      this.stats.joined += 1;
      return earlier.answer.then(asRepeat);
    }
    if (this.#stopped || this.stats.waitingRequests >= MAX_WAITING_REQUESTS || this.stats.waitingBytes >= MAX_WAITING_BYTES) {
      this.stats.refused += requests.length;
      return Promise.resolve(failed('busy'));
    }
    const { promise: answer, resolve } = Promise.withResolvers<Answer>();
    const waiting: Waiting = {
      ...submission,
      answer,
      resolve: (outcome) => {
        if (this.#attempts.get(attempt) === waiting) this.#attempts.delete(attempt);
        resolve(outcome);
      },
    };
    this.#attempts.set(attempt, waiting);
    this.#waiting.push(waiting);
    this.stats.waitingRequests += requests.length;
    this.stats.waitingBytes += bytes;
    this.#watchLoad();
    this.#running ??= this.#run();
    return answer;
  }

  /** Refuses what comes from now on and resolves when everything before is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #watchLoad(): void {
    const { waitingRequests, waitingBytes } = this.stats;
    const over = waitingRequests >= MAX_WAITING_REQUESTS || waitingBytes >= MAX_WAITING_BYTES;
    const half = waitingRequests <= MAX_WAITING_REQUESTS / 2 && waitingBytes <= MAX_WAITING_BYTES / 2;
    if (this.#overloaded ? !half : !over) return;
    this.#overloaded = !this.#overloaded;
    this.#options.onOverload(this.#overloaded);
  }

  async #run(): Promise<void> {
    // Whatever arrives in the same turn of the event loop belongs to the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#gather();
      if (batch.length > 0) await this.#commit(batch);
    }
    this.#running = undefined;
  }

  /** The next messages that fit one batch together; at least one. */
  #gather(): Waiting[] {
    const batch: Waiting[] = [];
    let requests = 0;
    let operations = 0;
    let bytes = 0;
    let taken = 0;
    for (const waiting of this.#waiting) {
      const count = waiting.requests.reduce((sum, request) => sum + request.operations.length, 0);
      const fits =
        requests + waiting.requests.length <= MAX_BATCH_REQUESTS &&
        operations + count <= MAX_BATCH_OPERATIONS &&
        bytes + waiting.bytes <= MAX_BATCH_BYTES;
      if (taken > 0 && !fits) break;
      taken += 1;
      requests += waiting.requests.length;
      operations += count;
      bytes += waiting.bytes;
      this.stats.waitingRequests -= waiting.requests.length;
      this.stats.waitingBytes -= waiting.bytes;
      if (waiting.deadline <= performance.now()) waiting.resolve(failed('expired'));
      else batch.push(waiting);
    }
    this.#waiting.splice(0, taken);
    this.#watchLoad();
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const messages: Message[] = [];
    const valid: Entry[] = [];
    for (const waiting of batch) {
      const message: Message = { waiting, outcomes: [], failure: undefined };
      messages.push(message);
      for (const [index, request] of waiting.requests.entries()) {
        const problem = waiting.trusted === true ? undefined : validity(request);
        if (problem === undefined) valid.push({ message, index, request: batchRequest(waiting.tenant, waiting.defaultScope, request) });
        else message.outcomes[index] = { ok: false, failure: problem };
      }
    }
    const epoch = { known: '' };
    try {
      await this.#carryOut(valid, epoch, false);
    } catch (error) {
      this.#options.log.error('a batch failed unexpectedly', { err: error });
    }
    for (const { waiting, outcomes, failure } of messages) {
      const complete = waiting.requests.flatMap((_, index) => outcomes[index] ?? []);
      if (complete.length === waiting.requests.length) waiting.resolve(done({ epoch: epoch.known, outcomes: complete }));
      // Some of it is done: whoever repeats the message is told that again, and the rest.
      else if (complete.some(({ ok }) => ok)) waiting.resolve(failed('unavailable', 'the outcome is unknown'));
      else waiting.resolve({ ok: false, failure: failure ?? { code: 'internal' } });
    }
  }

  /** Runs requests to a certain end each, in one batch or, where the database refuses one of their values, in parts. */
  async #carryOut(entries: readonly Entry[], epoch: { known: string }, exclusive: boolean): Promise<void> {
    const now = performance.now();
    const part = entries.filter(({ message }) => {
      // Its caller has given up, and may have been told another outcome by another replica while this one was stopped.
      const late = message.waiting.deadline <= now;
      if (late) message.failure ??= { code: 'expired' };
      return !late;
    });
    const [first] = part;
    if (first === undefined) return;
    const result = await this.#attempt(
      part.map(({ request }) => request),
      exclusive,
    );
    if (result === 'alone') return await this.#carryOut(part, epoch, true);
    if (result === 'bisect') {
      this.stats.bisected += 1;
      if (part.length === 1) {
        first.message.outcomes[first.index] = {
          ok: false,
          failure: { code: 'invalid', detail: 'the database refused a value of the request' },
        };
        return;
      }
      const middle = part.length >> 1;
      await this.#carryOut(part.slice(0, middle), epoch, false);
      // What follows one whose outcome is unknown must not take effect before it.
      const unknown = part.find(({ message }) => message.failure !== undefined)?.message.failure;
      if (unknown === undefined) return await this.#carryOut(part.slice(middle), epoch, false);
      for (const { message } of part.slice(middle)) message.failure ??= unknown;
      return;
    }
    if (!('outcomes' in result)) {
      for (const { message } of part) message.failure ??= result;
      return;
    }
    epoch.known = result.epoch;
    for (const [at, { message, index }] of part.entries()) {
      const outcome = result.outcomes[at];
      if (outcome === undefined) message.failure ??= UNKNOWN;
      else message.outcomes[index] = outcome;
    }
  }

  /**
   * Runs one batch: committed, certainly not committed (a failure), to be run again alone, or refused by the database for one of its values.
   */
  async #attempt(requests: readonly BatchRequest[], exclusive: boolean): Promise<LookedUp | Failure | 'alone' | 'bisect'> {
    const refusals = new Map<BatchRequest, MutationOutcome>();
    const span = this.#options.traces?.batch(requests.map(({ request }) => request.operationId));
    try {
      const result = await this.#options.writer.run((connection) =>
        runBatch(connection, { schemas: this.#options.schemas, homes: this.#homes }, requests, exclusive, refusals),
      );
      span?.end('ok');
      this.#count(result);
      return result;
    } catch (error) {
      span?.end('failed');
      if (error instanceof NotConnected) return { code: 'unavailable', detail: 'the database cannot be reached' };
      const state = sqlState(error);
      // Without an answer, or when the server said no for a reason of its own (shutting down, read-only, out of space), perhaps to a COMMIT.
      const kind = state === undefined ? 'other' : kindOf(state);
      if (kind === 'other') return await this.#lookUp(requests, refusals, error);
      if (kind === 'load') return { code: 'busy', detail: 'the database is busy' };
      if (kind === 'value' || exclusive) return 'bisect';
      this.stats.exclusive += 1;
      return 'alone';
    }
  }

  #count({ outcomes, changes }: BatchResult): void {
    this.stats.batches += 1;
    this.stats.requests += outcomes.length;
    this.stats.changes += changes.length;
    for (const outcome of outcomes) if (outcome.ok && outcome.value.repeated === true) this.stats.repeated += 1;
    this.#options.onCommitted(changes);
  }

  /**
   * The connection broke, perhaps between COMMIT and its answer. What was committed is found by its operation ids; what is not found yet may
   * still commit, so the failure says that the outcome is unknown and the caller repeats it under the same id.
   * @param refusals what the batch had refused before its COMMIT: true if it was committed.
   */
  async #lookUp(
    requests: readonly BatchRequest[],
    refusals: ReadonlyMap<BatchRequest, MutationOutcome>,
    cause: unknown,
  ): Promise<LookedUp | Failure> {
    const { log, readers } = this.#options;
    this.stats.lookups += 1;
    log.warn('a batch has an unknown outcome; looking it up', { err: cause });
    for (let attempt = 0; attempt < LOOKUP_TRIES; attempt += 1) {
      try {
        const { found, epoch } = await readers.run(async (connection) => {
          const [row] = await connection<{ epoch: string }[]>`select epoch from sequencer`;
          return { found: await findRepeats(connection, requests), epoch: row?.epoch ?? '' };
        });
        if (found.size === 0) return UNKNOWN;
        const outcomes = requests.map((request): MutationOutcome | undefined => {
          const repeat = found.get(request.request.operationId);
          return repeat === undefined ? refusals.get(request) : { ok: true, value: { ...repeat.result, repeated: true } };
        });
        // The publisher finds the changes in the journal.
        return { outcomes, epoch };
      } catch {
        await new Promise((resolve) => setTimeout(resolve, LOOKUP_PAUSE_MS));
      }
    }
    return UNKNOWN;
  }
}

const UNKNOWN: Failure = { code: 'unavailable', detail: 'the outcome is unknown' };

/** What an attempt is told that came while another one was under way. */
const asRepeat = (answer: Answer): Answer =>
  answer.ok
    ? done({
        ...answer.value,
        outcomes: answer.value.outcomes.map((outcome) =>
          outcome.ok ? { ok: true, value: { ...outcome.value, repeated: true } } : outcome,
        ),
      })
    : answer;

const sameMessage = (left: Omit<Submission, 'deadline'>, right: Submission): boolean =>
  left.tenant === right.tenant &&
  left.defaultScope === right.defaultScope &&
  left.trusted === right.trusted &&
  isDeepStrictEqual(left.requests, right.requests);

/** What is wrong with a request in itself. */
function validity(request: MutationRequest): Failure | undefined {
  const madeAt = operationTime(request.operationId);
  const now = Date.now();
  if (madeAt < now - MAX_OPERATION_AGE_MS || madeAt > now + MAX_OPERATION_AHEAD_MS) {
    return { code: 'invalid', detail: 'the time in the operation id is too far from now' };
  }
  const outcome = validateRequest(request);
  return outcome.ok ? undefined : outcome.failure;
}

/** What the SQLSTATE of a failed batch means for it. */
function kindOf(state: string): 'collision' | 'value' | 'load' | 'other' {
  if (state === '23505' || state === '40P01' || state === '40001') return 'collision';
  if (state === '55P03' || state === '57014') return 'load';
  return state.startsWith('22') || state.startsWith('23') || state.startsWith('54') ? 'value' : 'other';
}
