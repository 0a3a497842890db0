/**
 * The batch executor: requests that arrive together are committed together. It has no timer: while one batch commits, the next one gathers.
 * Whatever happens to a commit, its outcome is looked up by operation id, never assumed.
 */
import type { MutationOutcome, MutationRequest } from '@polyedge/contracts/bus/graph';
import type { FullChange } from '@polyedge/contracts/change';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { operationTime } from '@polyedge/contracts/operation-id';
import type { Log } from '@polyedge/service-kit/log';
import type { Schemas } from '../core/schema.ts';
import { validateRequest } from '../core/validate.ts';
import { type BatchRequest, type BatchResult, batchRequest, runBatch } from './batch.ts';
import { type Sql, sqlState } from './connect.ts';
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
const LOOKUP_TRIES = 20;
const LOOKUP_PAUSE_MS = 250;

/** Requests of one connection, in order. They are applied in one batch, each for itself. */
export interface Submission {
  readonly tenant: string;
  /** The scope of elements that are created without one. */
  readonly defaultScope: string;
  readonly requests: readonly MutationRequest[];
  /** Bytes of the requests' JSON. */
  readonly bytes: number;
  /** Milliseconds since 1970: what is not begun by then is answered `expired`. */
  readonly deadline: number;
  /** Made by the store itself: may write the system scope. */
  readonly trusted?: boolean;
}

interface Waiting extends Submission {
  readonly resolve: (outcome: Outcome<{ epoch: string; outcomes: MutationOutcome[] }>) => void;
}

/** Counters for metrics. */
export interface ExecutorStats {
  batches: number;
  requests: number;
  changes: number;
  exclusive: number;
  bisected: number;
  repeated: number;
  lookups: number;
  refused: number;
  waitingRequests: number;
  waitingBytes: number;
}

export interface ExecutorOptions {
  /** A connection with the session settings of writers. */
  readonly writer: Transactions;
  /** Where the outcome of a batch is looked up whose connection broke. */
  readonly sql: Sql;
  readonly schemas: Schemas;
  readonly log: Log;
  /** Told of every committed batch, in the order of its commits, before its callers are answered. */
  readonly onCommitted: (changes: readonly FullChange[]) => void;
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
    lookups: 0,
    refused: 0,
    waitingRequests: 0,
    waitingBytes: 0,
  };
  readonly #options: ExecutorOptions;
  readonly #waiting: Waiting[] = [];
  #overloaded = false;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** The outcomes come in the order of the requests. `busy` as a whole: nothing was done. */
  submit(submission: Submission): Promise<Outcome<{ epoch: string; outcomes: MutationOutcome[] }>> {
    const { requests, bytes } = submission;
    if (this.#stopped || this.stats.waitingRequests >= MAX_WAITING_REQUESTS || this.stats.waitingBytes >= MAX_WAITING_BYTES) {
      this.stats.refused += requests.length;
      return Promise.resolve(failed('busy'));
    }
    return new Promise((resolve) => {
      this.#waiting.push({ ...submission, resolve });
      this.stats.waitingRequests += requests.length;
      this.stats.waitingBytes += bytes;
      this.#watchLoad();
      this.#running ??= this.#run();
    });
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
      if (waiting.deadline <= Date.now()) waiting.resolve(failed('expired'));
      else batch.push(waiting);
    }
    this.#waiting.splice(0, taken);
    this.#watchLoad();
    return batch;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const slots: { readonly waiting: Waiting; readonly outcomes: (MutationOutcome | undefined)[] }[] = [];
    const valid: { readonly entry: BatchRequest; readonly answer: (outcome: MutationOutcome) => void }[] = [];
    for (const waiting of batch) {
      const outcomes: (MutationOutcome | undefined)[] = [];
      slots.push({ waiting, outcomes });
      for (const [index, request] of waiting.requests.entries()) {
        const problem = waiting.trusted === true ? undefined : validity(request);
        if (problem !== undefined) {
          outcomes[index] = { ok: false, failure: problem };
          continue;
        }
        const answer = (outcome: MutationOutcome) => {
          outcomes[index] = outcome;
        };
        valid.push({ entry: batchRequest(waiting.tenant, waiting.defaultScope, request), answer });
      }
    }
    let epoch = '';
    const work = async (part: typeof valid): Promise<Failure | undefined> => {
      const result = await this.#attempt(part.map(({ entry }) => entry));
      if (result === 'bisect') {
        this.stats.bisected += 1;
        if (part.length === 1) {
          part[0]?.answer({ ok: false, failure: { code: 'invalid', detail: 'the database refused a value of the request' } });
          return undefined;
        }
        const middle = part.length >> 1;
        return (await work(part.slice(0, middle))) ?? (await work(part.slice(middle)));
      }
      if (!('outcomes' in result)) return result;
      epoch = result.epoch;
      for (const [index, { answer }] of part.entries()) {
        const outcome = result.outcomes[index];
        if (outcome !== undefined) answer(outcome);
      }
      return undefined;
    };
    let failure: Failure | undefined;
    try {
      if (valid.length > 0) failure = await work(valid);
    } catch (error) {
      this.#options.log.error('a batch failed unexpectedly', { err: error });
      failure = { code: 'internal' };
    }
    for (const { waiting, outcomes } of slots) {
      // A part that was answered before another failed stays answered: its requests are committed.
      const complete = waiting.requests.map(
        (_, index): MutationOutcome => outcomes[index] ?? { ok: false, failure: failure ?? { code: 'internal' } },
      );
      const nothing = failure !== undefined && complete.every((outcome) => !outcome.ok && outcome.failure === failure);
      waiting.resolve(nothing && failure !== undefined ? { ok: false, failure } : done({ epoch, outcomes: complete }));
    }
  }

  /** Runs one batch to a certain end: committed, certainly not committed (a failure), or refused by the database for one of its values. */
  async #attempt(requests: readonly BatchRequest[]): Promise<BatchResult | Failure | 'bisect'> {
    let exclusive = false;
    for (;;) {
      try {
        const result = await this.#options.writer.run((connection) => runBatch(connection, this.#options.schemas, requests, exclusive));
        this.#count(result);
        return result;
      } catch (error) {
        const state = sqlState(error);
        if (state === undefined) return await this.#lookUp(requests, error);
        switch (kindOf(state)) {
          case 'collision':
            if (exclusive) return 'bisect';
            this.stats.exclusive += 1;
            exclusive = true;
            continue;
          case 'value':
            return 'bisect';
          case 'load':
            return { code: 'busy', detail: 'the database is busy' };
          case 'other':
            // The server said no for a reason of its own (shutting down, read-only, out of space): nothing was written, unless it said so to a COMMIT.
            return await this.#lookUp(requests, error);
        }
      }
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
   */
  async #lookUp(requests: readonly BatchRequest[], cause: unknown): Promise<BatchResult | Failure> {
    const { log, sql } = this.#options;
    this.stats.lookups += 1;
    log.warn('a batch has an unknown outcome; looking it up', { err: cause });
    for (let attempt = 0; attempt < LOOKUP_TRIES; attempt += 1) {
      try {
        const found = await findRepeats(sql, requests);
        const missing: Failure = { code: 'unavailable', detail: 'the outcome is unknown' };
        if (found.size === 0) return missing;
        const outcomes = requests.map(({ request }): MutationOutcome => {
          const repeat = found.get(request.operationId);
          return repeat === undefined ? { ok: false, failure: missing } : { ok: true, value: { ...repeat.result, repeated: true } };
        });
        const [row] = await sql<{ epoch: string }[]>`select epoch from sequencer`;
        // The publisher finds the changes in the journal.
        return { outcomes, epoch: row?.epoch ?? '', changes: [] };
      } catch {
        await new Promise((resolve) => setTimeout(resolve, LOOKUP_PAUSE_MS));
      }
    }
    return { code: 'unavailable', detail: 'the outcome is unknown' };
  }
}

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
