/** The requests and writes of one connection: read-after-write, the order of own events, and what is in flight. */
import { operationId } from '@polyedge/contracts/operation-id';
import type { Effect, Input } from '@polyedge/session/session';
import type { Packet } from '../transport/wire.ts';
import type { Environment } from './environment.ts';
import { EVENTS_FIRST_MS, WriteOrdering } from './write-ordering.ts';
import { type PendingWrite, type WriteOutcome, Writes } from './writes.ts';

type Requesting<Out> = Extract<Effect<Out>, { do: 'request' }>;
type Mutating<Out> = Extract<Effect<Out>, { do: 'mutate' }>;

export interface RequestTrackerOptions<Raw, In, Out, P extends Packet> {
  readonly env: Environment<Raw, In, Out, P>;
  /** Queues an input, or a callback to run after it. */
  step(input: Input<In> | (() => void)): void;
  /** A request in flight has been answered. */
  finished(): void;
  /** Whether the connection watches changes of a tenant. */
  watches(tenant: string): boolean;
}

export class RequestTracker<Raw, In, Out, P extends Packet> {
  readonly #options: RequestTrackerOptions<Raw, In, Out, P>;
  readonly #own: WriteOrdering;
  readonly #aborting = new AbortController();
  #writes: Writes | undefined;
  #begun = 0;
  #answered = 0;
  #waitingReads: { readonly after: number; readonly effect: Requesting<Out> }[] = [];
  #ended = false;

  constructor(options: RequestTrackerOptions<Raw, In, Out, P>) {
    this.#options = options;
    this.#own = new WriteOrdering(
      (outcome) => this.#written(outcome),
      () => {
        options.env.counts.ownOrderGivenUp += 1;
      },
    );
  }

  /** Order of own changes: the feed's deliveries to this socket go through it. */
  get own(): WriteOrdering {
    return this.#own;
  }

  /** Sends a request at once, or after the answers to earlier writes. */
  request(effect: Requesting<Out>): void {
    if (effect.unordered !== true && this.#answered < this.#begun) this.#waitingReads.push({ after: this.#begun, effect });
    else this.#send(effect);
  }

  mutate({ id, tenant, defaultScope, request, own = 'any' }: Mutating<Out>): void {
    const { env } = this.#options;
    const operation = operationId(Math.floor(env.wheel.clock.now()), env.chance.bytes(10));
    const write: PendingWrite = {
      id,
      tenant,
      defaultScope,
      own,
      request: { ...request, operationId: operation },
      span: env.bus.spans?.step('write'),
    };
    this.#begun += 1;
    this.#writes ??= new Writes(env.bus, env.wheel, (outcome) => this.#onWriteOutcome(outcome), env.chance.next);
    this.#own.begin(write);
    this.#writes.add(write);
  }

  /** Aborts reads. Writes in flight go on: an accepted write takes effect, but its outcome is dropped. */
  end(): void {
    this.#ended = true;
    this.#aborting.abort();
    this.#own.clear();
    this.#waitingReads = [];
  }

  #send({ id, call }: Requesting<Out>): void {
    const { env, step, finished } = this.#options;
    const options = { timeoutMs: env.requestTimeoutMs, signal: this.#aborting.signal };
    void env.bus.request(call.channel, call.subject, call.body, options).then((outcome) => {
      finished();
      step({ kind: 'reply', id, outcome });
    });
  }

  /** Receives the outcome of a write from the store. */
  #onWriteOutcome(answer: WriteOutcome): void {
    if (this.#ended) return;
    const { env, watches } = this.#options;
    const { write, outcome, epoch } = answer;
    const waits = write.own === 'events-first' && outcome.ok && outcome.value.last > 0 && watches(write.tenant);
    if (!waits || epoch === undefined) {
      this.#own.answered(answer, undefined);
      return;
    }
    const { last } = outcome.value;
    this.#own.answered(answer, (then) => env.feed.whenDelivered(write.tenant, epoch, last, EVENTS_FIRST_MS, then));
  }

  /** Delivers the outcome of a write to the session, then resumes what waited for it. */
  #written({ write, outcome }: WriteOutcome): void {
    const { step, finished } = this.#options;
    write.span?.end(outcome.ok ? 'ok' : outcome.failure.code);
    finished();
    step({ kind: 'written', id: write.id, outcome });
    step(() => {
      this.#answered += 1;
      this.#own.settled(write);
      while (this.#waitingReads[0] !== undefined && this.#waitingReads[0].after <= this.#answered) {
        const [read] = this.#waitingReads.splice(0, 1);
        if (read !== undefined) this.#send(read.effect);
      }
    });
  }
}
