/** Driver of the executor machine (`machine.ts`): runs its batches in PostgreSQL, each lane on its own connection. */
import type { MutationOutcome } from '@polyedge/contracts/bus/graph';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Log } from '@polyedge/service-kit/log';
import type { Schemas } from '../core/schema.ts';
import { type BatchRequest, batchRequest, runBatch, type StepOfBatch } from '../postgres/batch.ts';
import { sqlState } from '../postgres/connect.ts';
import { HomeScopes } from '../postgres/home-scopes.ts';
import { findEarlierResults } from '../postgres/idempotency.ts';
import { NotConnected } from '../postgres/link.ts';
import { issuerOf } from '../postgres/pipeline.ts';
import type { Pool } from '../postgres/pool.ts';
import type { Transactions } from '../postgres/transactions.ts';
import type { Committed } from '../publisher/recent.ts';
import type { Traces } from '../traces.ts';
import { ExecutorMachine } from './machine.ts';
import type {
  BatchReply,
  ExecutorCall,
  ExecutorEffect,
  ExecutorInput,
  ExecutorReplies,
  Item,
  LaneName,
  Ran,
  Submission,
} from './messages.ts';
import type { ExecutorStats } from './settings.ts';

export interface ExecutorOptions {
  /** Connections with the session settings of writers, for small values and for large ones. */
  readonly writers: Readonly<Record<LaneName, Transactions>>;
  /** Looks up the outcome of a batch whose connection broke. */
  readonly readers: Pool;
  readonly schemas: Schemas;
  readonly log: Log;
  /** Undefined when tracing is off. */
  readonly traces: Traces | undefined;
  /** Called with every committed batch, in the order of commits, before its callers are answered. */
  readonly onCommitted: (changes: readonly Committed[]) => void;
  /** Called when requests begin to be rejected, and when they are accepted again. */
  readonly onOverload: (overloaded: boolean) => void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #machine = new ExecutorMachine();
  readonly #homes = new HomeScopes();
  readonly #callers = new Map<number, (answer: BatchReply) => void>();
  /** The current or last batch of each lane. */
  readonly #running: Record<LaneName, readonly BatchRequest[]> = { small: [], large: [] };
  readonly #stopped = Promise.withResolvers<void>();
  #messages = 0;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  get stats(): Readonly<ExecutorStats> {
    return this.#machine.stats;
  }

  /** @param submission its deadline is on the clock of `performance.now()` */
  submit(submission: Submission): Promise<BatchReply> {
    return new Promise((resolve) => {
      this.#messages += 1;
      this.#callers.set(this.#messages, resolve);
      this.#handle({ kind: 'submit', message: this.#messages, submission, wall: Date.now() });
    });
  }

  /** Rejects new requests, and resolves when all earlier ones are answered. */
  async stop(): Promise<void> {
    this.#handle({ kind: 'stop' });
    await this.#stopped.promise;
  }

  #handle(input: ExecutorInput): void {
    for (const effect of this.#machine.handle(input, performance.now())) this.#perform(effect);
  }

  #perform(effect: ExecutorEffect): void {
    switch (effect.do) {
      case 'call': {
        const { id, call } = effect;
        void this.#answer(call).then((outcome) => this.#handle({ kind: 'reply', id, outcome }));
        break;
      }
      case 'begin-soon': {
        const { lane } = effect;
        setImmediate(() => this.#handle({ kind: 'begin', lane }));
        break;
      }
      case 'committed':
        this.#committed(effect.changes);
        break;
      case 'answer':
        this.#callers.get(effect.message)?.(effect.answer);
        this.#callers.delete(effect.message);
        break;
      case 'overload':
        this.#options.onOverload(effect.overloaded);
        break;
      case 'stopped':
        this.#stopped.resolve();
        break;
    }
  }

  #committed(changes: readonly Committed[]): void {
    try {
      this.#options.onCommitted(changes);
    } catch (error) {
      // The batch is committed, and its callers are answered all the same; the publisher reads the changes from the journal.
      this.#options.log.error('a committed batch was not taken over', { err: error });
    }
  }

  async #answer(call: ExecutorCall): Promise<Outcome<ExecutorReplies[ExecutorCall['call']]>> {
    switch (call.call) {
      case 'run':
        return done(await this.#run(call.lane, call.items, call.exclusive));
      case 'look-up':
        try {
          return done(await this.#lookUp(this.#running[call.lane]));
        } catch {
          return failed('unavailable', 'the database cannot be reached');
        }
      case 'pause':
        return await new Promise((resolve) => setTimeout(() => resolve(done(undefined)), call.ms));
    }
  }

  async #run(lane: LaneName, items: readonly Item[], exclusive: boolean): Promise<Ran> {
    const { writers, schemas, log, traces } = this.#options;
    const refusals = new Map<BatchRequest, MutationOutcome>();
    const requests = items.map(({ tenant, defaultScope, request }) => batchRequest(tenant, defaultScope, request));
    this.#running[lane] = requests;
    const span = traces?.batch(items.map(({ request }) => request.operationId));
    try {
      const parts = { schemas, homes: this.#homes };
      const step: StepOfBatch = (name) => (span === undefined ? undefined : traces?.partOf(span, name));
      const { outcomes, epoch, changes } = await writers[lane].run((_, issuer) =>
        runBatch(issuer, parts, requests, exclusive, refusals, step),
      );
      span?.end('ok');
      return { is: 'committed', epoch, outcomes, changes };
    } catch (error) {
      span?.end('failed');
      if (error instanceof NotConnected) return { is: 'not-connected' };
      const state = sqlState(error);
      // No answer, or a failure for the server's own reasons (shutting down, read-only, out of space), perhaps to a COMMIT.
      const is = state === undefined ? 'unknown' : meaningOf(state);
      if (is !== 'unknown') return { is };
      log.warn('a batch has an unknown outcome; looking it up', { err: error });
      return { is, refusals: requests.map((request) => refusals.get(request)) };
    }
  }

  async #lookUp(requests: readonly BatchRequest[]): Promise<ExecutorReplies['look-up']> {
    return await this.#options.readers.run(async (connection) => {
      const [row] = await connection<{ epoch: string }[]>`select epoch from sequencer`;
      const repeats = await findEarlierResults(issuerOf(connection), requests);
      const found = requests.map(({ request, hash }): MutationOutcome | undefined => {
        const repeat = repeats.get(request.operationId);
        return repeat?.hash.equals(hash) === true ? { ok: true, value: { ...repeat.result, repeated: true } } : undefined;
      });
      return { epoch: row?.epoch ?? '', found };
    });
  }
}

/** The meaning of the SQLSTATE of a failed batch. */
function meaningOf(state: string): 'collision' | 'value' | 'load' | 'unknown' {
  if (state === '23505' || state === '40P01' || state === '40001') return 'collision';
  if (state === '55P03' || state === '57014') return 'load';
  return state.startsWith('22') || state.startsWith('23') || state.startsWith('54') ? 'value' : 'unknown';
}
