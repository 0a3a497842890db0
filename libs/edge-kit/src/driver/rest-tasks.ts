/**
 * Runs tasks (`session/task`) for REST handlers: each question is sent over the bus and awaited. Writes are retried while their outcome is
 * unknown, for at most 60 seconds, like those of a socket.
 */
import { randomBytes } from 'node:crypto';
import type { MutationResult } from '@polyedge/contracts/bus/graph';
import type { Origin } from '@polyedge/contracts/change';
import type { RequestChannel } from '@polyedge/contracts/channel';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Author, Question, WriteQuestion } from '@polyedge/session/questions';
import type { Task } from '@polyedge/session/task';
import type { Feed } from '../feed/watch.ts';
import type { Wheel } from '../wheel.ts';
import { EVENTS_FIRST_MS } from './write-ordering.ts';
import { type WriteOutcome, Writes } from './writes.ts';

/** Time-out of one attempt. A replica that crashed does not answer; the next attempt reaches another one. */
const ATTEMPT_MS = 2500;
const AGAIN_FROM_MS = 100;
const AGAIN_TO_MS = 200;

export interface RestTasksOptions {
  readonly bus: Bus;
  readonly wheel: Wheel;
  readonly requestTimeoutMs: number;
  /** For `events-first` writes. */
  readonly feed?: Feed;
}

/** The author and origin that a task runs with. */
export interface Acting {
  readonly who: Author;
  readonly origin: Omit<Origin, 'operation'>;
  /** With `events-first` a write is answered after its events were delivered to this process's sockets, or after two seconds. */
  readonly own?: 'events-first';
  /** Aborts reads in flight. Writes take effect all the same. */
  readonly signal?: AbortSignal;
}

export class RestTasks {
  readonly #options: RestTasksOptions;

  constructor(options: RestTasksOptions) {
    this.#options = options;
  }

  /** Runs a task to its end. */
  async run<Result>(task: Task<Question, Result>, acting: Acting): Promise<Result> {
    return (await this.advance<never, Result>(task, acting)).value;
  }

  /**
   * Runs a task to its end, or to the next question that only its protocol can answer. The caller answers that one and calls again.
   * @param outcome the answer to the last question; undefined at the start
   */
  async advance<Own extends { readonly kind: string }, Result>(
    task: Task<Question | Own, Result>,
    acting: Acting,
    outcome: Outcome<unknown> = done(undefined),
  ): Promise<IteratorResult<Own, Result>> {
    for (let step = task.next(outcome); ; ) {
      if (step.done === true) return step;
      const question = step.value;
      if (!isQuestion(question)) return { done: false, value: question };
      step = task.next(await (question.kind === 'call' ? this.#request(question.call, acting.signal) : this.write(question, acting)));
    }
  }

  /** Sends a request to a channel, once. */
  request<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    parameters: Parameters<Address>,
    body: Request,
    signal?: AbortSignal,
  ): Promise<Outcome<Reply>> {
    return this.#request({ channel, subject: channel.subject(parameters), body }, signal);
  }

  /** Retries while no answer arrives, within the time-out of a request. Only for reads. */
  async requestWithRetries<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    parameters: Parameters<Address>,
    body: Request,
  ): Promise<Outcome<Reply>> {
    const { bus, requestTimeoutMs } = this.#options;
    const deadline = performance.now() + requestTimeoutMs;
    for (;;) {
      const timeoutMs = Math.max(1, Math.min(ATTEMPT_MS, deadline - performance.now()));
      const outcome = await bus.request(channel, channel.subject(parameters), body, { timeoutMs });
      const again = !outcome.ok && (outcome.failure.code === 'unavailable' || outcome.failure.code === 'busy');
      if (!again || performance.now() + AGAIN_TO_MS >= deadline) return outcome;
      // Jitter, so that waiting requests do not all retry at the same moment.
      const waitMs = AGAIN_FROM_MS + Math.random() * (AGAIN_TO_MS - AGAIN_FROM_MS);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** Writes the operations atomically. */
  async write(
    { what, operations }: Omit<WriteQuestion, 'kind'>,
    { who, origin, own }: Omit<Acting, 'signal'>,
  ): Promise<Outcome<MutationResult>> {
    const { bus, wheel, feed } = this.#options;
    const { tenant, defaultScope, account: by, app } = who;
    const { protocol, way } = origin;
    const request = {
      operationId: operationId(Date.now(), randomBytes(10)),
      by,
      app,
      origin: { protocol, way, operation: what },
      operations,
    };
    const { outcome, epoch } = await new Promise<WriteOutcome>((resolve) => {
      new Writes(bus, wheel, resolve).add({ id: what, tenant, defaultScope, request, own: 'any' });
    });
    if (own === 'events-first' && feed !== undefined && outcome.ok && epoch !== undefined && outcome.value.last > 0) {
      await new Promise<boolean>((resolve) => {
        feed.whenDelivered(tenant, epoch, outcome.value.last, EVENTS_FIRST_MS, resolve);
      });
    }
    return outcome;
  }

  #request<Reply>(
    { channel, subject, body }: { channel: RequestChannel<string, unknown, Reply>; subject: string; body: unknown },
    signal: AbortSignal | undefined,
  ): Promise<Outcome<Reply>> {
    const { bus, requestTimeoutMs: timeoutMs } = this.#options;
    return bus.request(channel, subject, body, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
  }
}

const isQuestion = <Own extends { readonly kind: string }>(question: Question | Own): question is Question =>
  question.kind === 'call' || question.kind === 'write';
