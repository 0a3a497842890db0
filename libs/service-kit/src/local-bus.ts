/**
 * The bus inside one process, with the guarantees of the port: for pure tests and for a jssocket-edge that runs alone. All messages go
 * through one queue and are delivered in a later turn of the event loop, in order, as JSON text, so that sender and receiver share no
 * object.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import { parseOwnJson } from '@polyedge/query/json-text';
import type { Bus, BusStatus, RequestContext, Responder, RespondOptions, Subscription } from './bus.ts';
import { answer } from './bus-answer.ts';
import { type BusCounts, newBusCounts } from './bus-counts.ts';
import { publishBody, receiveText } from './bus-messages.ts';
import {
  encodeBody,
  HEADER_ROOM,
  MAX_IN_HAND,
  MAX_PENDING,
  MAX_REPLY_BYTES,
  MIN_MAX_PAYLOAD,
  subjectFits,
  tenantAt,
  tenantIndex,
  UNENCODABLE,
} from './bus-wire.ts';
import { type Log, silentLog } from './log.ts';

/** A bus of a `LocalNetwork`, which a test can disconnect. */
export interface LocalBus extends Bus {
  readonly counts: Readonly<BusCounts>;
  /** Drops all messages to this bus until `reconnect`, like a broken connection. */
  disconnect(): void;
  reconnect(): void;
}

interface LocalListener {
  readonly bus: ConnectedLocalBus;
  readonly pattern: readonly string[];
  readonly receive: (text: string, subject: string) => void;
}

interface Answerer {
  readonly bus: ConnectedLocalBus;
  readonly pattern: readonly string[];
  readonly take: (text: string, subject: string, deadline: number, reply: (outcome: Outcome<unknown>) => void) => void;
}

/** Replaces the NATS server: connects a set of buses. */
export class LocalNetwork {
  readonly #listeners = new Set<LocalListener>();
  readonly #answerers = new Set<Answerer>();
  readonly #log: Log;
  #queue: (() => void)[] = [];
  #scheduled = false;
  #turn = 0;

  constructor(options: { readonly log?: Log } = {}) {
    this.#log = options.log ?? silentLog;
  }

  /** Connects a new bus. All responders of a channel form one queue group, since each channel belongs to one service. */
  connect(): LocalBus {
    return new ConnectedLocalBus(this, this.#log);
  }

  /** Runs `work` in a later turn, after everything enqueued before. */
  enqueue(work: () => void): void {
    this.#queue.push(work);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const works = this.#queue;
      this.#queue = [];
      for (const one of works) one();
    });
  }

  listen(listener: LocalListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  answer(answerer: Answerer): () => void {
    this.#answerers.add(answerer);
    return () => this.#answerers.delete(answerer);
  }

  deliver(subject: string, text: string): void {
    const tokens = subject.split('.');
    for (const listener of [...this.#listeners]) {
      if (listener.bus.status === 'connected' && matches(listener.pattern, tokens)) listener.receive(text, subject);
    }
  }

  /** The next responder of this subject, in turn. */
  answererOf(subject: string): Answerer | undefined {
    const tokens = subject.split('.');
    const able = [...this.#answerers].filter(({ bus, pattern }) => bus.status === 'connected' && matches(pattern, tokens));
    this.#turn += 1;
    return able[this.#turn % Math.max(able.length, 1)];
  }
}

/** A bus with its own network. */
export const localBus = (): LocalBus => new LocalNetwork().connect();

class ConnectedLocalBus implements LocalBus {
  readonly counts = newBusCounts();
  readonly #network: LocalNetwork;
  readonly #log: Log;
  readonly #waiting = new Set<(outcome: Outcome<never>) => void>();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #responders = new Set<Responder>();
  readonly #unlisten = new Set<() => void>();
  #status: BusStatus = 'connected';
  #closed = false;

  constructor(network: LocalNetwork, log: Log) {
    this.#network = network;
    this.#log = log;
  }

  get status(): BusStatus {
    return this.#status;
  }

  request<Reply>(
    channel: RequestChannel<string, never, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>> {
    const { signal, timeoutMs } = options;
    if (this.#status === 'disconnected') return Promise.resolve(failed('unavailable', 'not connected'));
    if (signal?.aborted === true) return Promise.resolve(failed('unavailable', 'the caller gave up'));
    if (this.#waiting.size >= MAX_PENDING) return Promise.resolve(failed('busy', 'too many requests are waiting for a reply'));
    const text = encodeBody(body);
    if (text === undefined) return Promise.resolve({ ok: false, failure: UNENCODABLE });
    if (Buffer.byteLength(text) + HEADER_ROOM > MIN_MAX_PAYLOAD)
      return Promise.resolve(failed('too-large', 'the request is over the limit'));
    if (!subjectFits(subject)) return Promise.resolve(failed('too-large', 'the subject is too long'));
    this.counts.requests += 1;
    return new Promise((resolve) => {
      const finish = (outcome: Outcome<Reply>) => {
        if (!this.#waiting.delete(finish)) return;
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        if (!outcome.ok) this.counts.failures += 1;
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        this.counts.timeouts += 1;
        finish(failed('unavailable', 'no answer in time'));
      }, timeoutMs);
      const abort = () => finish(failed('unavailable', 'the caller gave up'));
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(finish);
      const deadline = performance.now() + timeoutMs;
      this.#network.enqueue(() => {
        const answerer = this.#network.answererOf(subject);
        if (answerer === undefined) finish(failed('unavailable', 'no responder'));
        else answerer.take(text, subject, deadline, (outcome) => this.#network.enqueue(() => finish(readReply(channel, outcome))));
      });
    });
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    { journal = MAIN, only = {}, encode }: RespondOptions<Reply, Address> = {},
  ): Responder {
    const index = tenantIndex(channel.address);
    let inHand = 0;
    let idle: (() => void) | undefined;
    let left: (() => void) | undefined;
    const work = async (text: string, subject: string, deadline: number): Promise<Outcome<Reply>> => {
      const tenant = tenantAt(subject, index);
      if (inHand > MAX_IN_HAND) return failed('busy', 'too many requests are in hand');
      if (index !== -1 && tenant === undefined) return failed('invalid', "the tenant's name is too long to be read from a subject");
      const context: RequestContext = { subject, deadline, tenant, bytes: Buffer.byteLength(text), text };
      return answer(channel, handler, context, this.counts, this.#log);
    };
    const answerer: Answerer = {
      bus: this,
      pattern: inJournal(channel.pattern(only), journal).split('.'),
      take: (text, subject, deadline, reply) => {
        this.counts.heard += 1;
        inHand += 1;
        void work(text, subject, deadline).then((outcome) => {
          inHand -= 1;
          if (this.#status === 'connected') reply(throughJson(outcome, encode));
          if (inHand === 0) idle?.();
        });
      },
    };
    const responder: Responder = {
      leave: () => {
        left?.();
        left = undefined;
      },
      join: () => {
        if (!this.#closed) left ??= this.#network.answer(answerer);
      },
      stop: async () => {
        responder.leave();
        this.#responders.delete(responder);
        if (inHand === 0) return;
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
      },
    };
    responder.join();
    this.#responders.add(responder);
    return responder;
  }

  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    journal = MAIN,
  ): void {
    publishBody(this, this.#log, channel, { values, body, journal });
  }

  publishText(subject: string, json: string): boolean {
    if (Buffer.byteLength(json) > MIN_MAX_PAYLOAD || !subjectFits(subject)) {
      this.counts.unsent += 1;
      return false;
    }
    if (this.#status === 'disconnected') {
      this.counts.unsent += 1;
      return true;
    }
    this.counts.published += 1;
    this.#network.enqueue(() => this.#network.deliver(subject, json));
    return true;
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number) => void,
  ): Subscription {
    if (!subjectFits(subject)) throw new Error(`a subject of ${subject.length} characters cannot be subscribed to`);
    let ended = false;
    const unlisten = this.#network.listen({
      bus: this,
      pattern: subject.split('.'),
      receive: (text, on) => {
        if (ended) return;
        receiveText(this, this.#log, channel, text, (body) => handler(body, on, Buffer.byteLength(text)));
      },
    });
    this.#unlisten.add(unlisten);
    return {
      unsubscribe: () => {
        ended = true;
        unlisten();
        this.#unlisten.delete(unlisten);
      },
    };
  }

  async flush(): Promise<Outcome<void>> {
    if (this.#status === 'disconnected') return failed('unavailable', 'not connected');
    await new Promise<void>((resolve) => this.#network.enqueue(resolve));
    return done(undefined);
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  disconnect(): void {
    if (this.#status === 'disconnected') return;
    this.counts.disconnects += 1;
    this.#setStatus('disconnected');
    for (const finish of [...this.#waiting]) finish(failed('unavailable', 'the connection was lost'));
  }

  reconnect(): void {
    if (this.#status === 'connected' || this.#closed) return;
    this.#setStatus('connected');
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.all([...this.#responders].map((responder) => responder.stop()));
    await this.flush();
    this.#closed = true;
    this.#status = 'disconnected';
    for (const unlisten of this.#unlisten) unlisten();
    for (const finish of [...this.#waiting]) finish(failed('unavailable', 'the bus was closed'));
  }

  #setStatus(status: BusStatus): void {
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}

const throughJson = <Reply>(outcome: Outcome<Reply>, encode?: (reply: Reply) => string): Outcome<unknown> => {
  if (!outcome.ok) return outcome;
  const text = encodeBody(outcome.value, encode);
  if (text === undefined) return { ok: false, failure: UNENCODABLE };
  if (Buffer.byteLength(text) > MAX_REPLY_BYTES) return failed('too-large', 'the reply is over the limit');
  return done(parseOwnJson(text));
};

function readReply<Reply>(channel: RequestChannel<string, never, Reply>, outcome: Outcome<unknown>): Outcome<Reply> {
  if (!outcome.ok) return outcome;
  if (channel.reply.test(outcome.value)) return done(outcome.value);
  return failed('internal', `the reply breaks its schema at ${channel.reply.problem(outcome.value)}`);
}

/** NATS' rule: `*` matches one token, a final `>` one or more. */
function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  if (pattern.at(-1) === '>') {
    return tokens.length >= pattern.length && pattern.slice(0, -1).every((part, at) => part === '*' || part === tokens[at]);
  }
  return pattern.length === tokens.length && pattern.every((part, at) => part === '*' || part === tokens[at]);
}
