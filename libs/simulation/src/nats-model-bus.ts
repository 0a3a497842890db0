/** The bus port on the model of NATS, with the promises of `nats-bus.ts`, on virtual time. */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { done, type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus, BusStatus, RequestContext, Responder, RespondOptions, Subscription } from '@polyedge/service-kit/bus';
import { readFailure, tenantAt, tenantIndex } from '@polyedge/service-kit/bus-wire';
import type { NatsLink, NatsMessage, NatsModel } from './nats-model.ts';

/** The process that a bus belongs to. */
export interface BusProcess {
  readonly service: string;
  readonly name: string;
  /** Milliseconds of its monotonic clock, for deadlines. */
  now(): number;
  /** Runs work as soon as the process can run; never once it has ended. */
  run(work: () => void): void;
  /** The same, after some milliseconds. @returns a function that cancels it */
  after(ms: number, work: () => void): () => void;
}

interface Pending {
  readonly answer: (message: NatsMessage) => void;
  readonly fail: (failure: Failure) => void;
}

function bodyOf(message: NatsMessage): unknown {
  message.body ??= JSON.parse(message.text);
  return message.body;
}

export class NatsModelBus implements Bus {
  readonly #model: NatsModel;
  readonly #process: BusProcess;
  readonly #link: NatsLink;
  readonly #inbox: string;
  readonly #handlers = new Map<number, (message: NatsMessage) => void>();
  readonly #pending = new Map<string, Pending>();
  /** Ends each flush in progress whose answer cannot arrive any more. */
  readonly #flushing = new Set<() => void>();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  #status: BusStatus = 'connected';
  #asked = 0;

  constructor(model: NatsModel, process: BusProcess) {
    this.#model = model;
    this.#process = process;
    this.#inbox = `_INBOX.${process.service}.${process.name}`;
    this.#link = model.connect({
      message: (message, subscription) => this.#handlers.get(subscription)?.(message),
      connected: () => this.#say('connected'),
      disconnected: () => this.#disconnected(),
      run: (work) => process.run(work),
    });
    const inbox = this.#link.subscribe(`${this.#inbox}.*`);
    this.#handlers.set(inbox, (message) => this.#pending.get(message.subject)?.answer(message));
  }

  get status(): BusStatus {
    return this.#status;
  }

  /** The connection itself, to break it. */
  get link(): NatsLink {
    return this.#link;
  }

  request<Reply>(
    channel: RequestChannel<string, unknown, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>> {
    if (this.#status === 'disconnected') return Promise.resolve(failed('unavailable', 'not connected to NATS'));
    if (options.signal?.aborted === true) return Promise.resolve(failed('unavailable', 'the caller gave up'));
    return new Promise((resolve) => {
      this.#asked += 1;
      const reply = `${this.#inbox}.${this.#asked}`;
      const settle = (outcome: Outcome<Reply>): void => {
        if (!this.#pending.delete(reply)) return;
        cancel();
        options.signal?.removeEventListener('abort', abort);
        resolve(outcome);
      };
      const cancel = this.#process.after(options.timeoutMs, () => settle(failed('unavailable', 'no answer in time')));
      const abort = (): void => settle(failed('unavailable', 'the caller gave up'));
      options.signal?.addEventListener('abort', abort, { once: true });
      this.#pending.set(reply, {
        fail: (failure) => settle({ ok: false, failure }),
        answer: (message) => {
          if (message.kind === 'no-responders') settle(failed('unavailable', 'no responder'));
          else if (message.kind === 'failure') settle({ ok: false, failure: readFailure(bodyOf(message)) });
          else {
            const value = bodyOf(message);
            if (channel.reply.test(value)) settle(done(value));
            else settle(failed('internal', `the reply breaks its schema at ${channel.reply.problem(value)}`));
          }
        },
      });
      const deadline = this.#model.time.now + options.timeoutMs;
      this.#link.publish({ subject, text: JSON.stringify(body), reply, deadline, kind: 'message', body: undefined });
    });
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    { journal = MAIN, only = {} }: RespondOptions<Reply, Address> = {},
  ): Responder {
    const index = tenantIndex(channel.address);
    let subscription: number | undefined;
    const take = (message: NatsMessage): void => {
      const { subject, reply, text } = message;
      const left = (message.deadline ?? Number.POSITIVE_INFINITY) - this.#model.time.now;
      const context: RequestContext = {
        subject,
        deadline: this.#process.now() + left,
        tenant: tenantAt(subject, index),
        bytes: text.length,
        text,
      };
      const body = bodyOf(message);
      const answered: Promise<Outcome<Reply>> =
        left <= 0
          ? Promise.resolve(failed('expired', 'the deadline passed before the request was read'))
          : channel.request.test(body)
            ? handler(body, context)
            : Promise.resolve(failed('invalid', channel.request.problem(body)));
      void answered.then((outcome) => {
        if (reply === undefined) return;
        const said = outcome.ok ? JSON.stringify(outcome.value) : JSON.stringify(outcome.failure);
        this.#link.publish({
          subject: reply,
          text: said,
          reply: undefined,
          deadline: undefined,
          kind: outcome.ok ? 'message' : 'failure',
          body: undefined,
        });
      });
    };
    const leave = (): void => {
      if (subscription === undefined) return;
      // Requests that were on their way are still answered.
      const left = subscription;
      subscription = undefined;
      this.#link.drain(left);
    };
    const join = (): void => {
      if (subscription !== undefined) return;
      subscription = this.#link.subscribe(inJournal(channel.pattern(only), journal), this.#process.service);
      this.#handlers.set(subscription, take);
    };
    join();
    return { leave, join, stop: async () => leave() };
  }

  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    journal = MAIN,
  ): void {
    this.publishText(inJournal(channel.subject(values), journal), JSON.stringify(body));
  }

  publishText(subject: string, text: string): boolean {
    if (this.#status === 'connected')
      this.#link.publish({ subject, text, reply: undefined, deadline: undefined, kind: 'message', body: undefined });
    return true;
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number) => void,
  ): Subscription {
    const id = this.#link.subscribe(subject);
    this.#handlers.set(id, (message) => {
      const body = bodyOf(message);
      if (channel.body.test(body)) handler(body, message.subject, message.text.length);
    });
    return {
      unsubscribe: () => {
        this.#handlers.delete(id);
        this.#link.unsubscribe(id);
      },
    };
  }

  flush(timeoutMs: number): Promise<Outcome<void>> {
    if (this.#status === 'disconnected') return Promise.resolve(failed('unavailable', 'not connected to NATS'));
    return new Promise((resolve) => {
      const settle = (outcome: Outcome<void>): void => {
        cancel();
        this.#flushing.delete(lost);
        resolve(outcome);
      };
      const lost = (): void => settle(failed('unavailable', 'the connection to NATS was lost'));
      const cancel = this.#process.after(timeoutMs, () => settle(failed('unavailable', 'the NATS server does not answer')));
      this.#flushing.add(lost);
      this.#link.flush(() => settle(done(undefined)));
    });
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #disconnected(): void {
    this.#say('disconnected');
    for (const lost of [...this.#flushing]) lost();
    for (const { fail } of [...this.#pending.values()]) fail({ code: 'unavailable', detail: 'the connection to NATS was lost' });
  }

  #say(status: BusStatus): void {
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}
