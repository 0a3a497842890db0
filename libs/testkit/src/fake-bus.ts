/**
 * A bus on a clock that the test moves: the test decides every delay, loss and disconnect, so runs with the same choices are identical.
 * It gives exactly the guarantees of the port (order per connection, at most once, outcomes as values), no more.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus, BusStatus, Responder, RespondOptions, Subscription } from '@polyedge/service-kit/bus';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Waits one turn of the real event loop, so that all resolved promises have continued. */
const promisesSettled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time that passes only in `run`. Starts at 0. */
export class FakeClock {
  #now = 0;
  #order = 0;
  #timers: Timer[] = [];
  #soon: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  /** Like `setImmediate`: runs after everything due at the current time. */
  soon(run: () => void): void {
    this.#soon.push(run);
  }

  after(ms: number, run: () => void): () => void {
    this.#order += 1;
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order, run };
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1]?.at ?? 0) > timer.at) at -= 1;
    this.#timers.splice(at, 0, timer);
    return () => {
      const found = this.#timers.indexOf(timer);
      if (found >= 0) this.#timers.splice(found, 1);
    };
  }

  every(ms: number, run: () => void): () => void {
    let cancel = () => {};
    const next = () => {
      cancel = this.after(ms, () => {
        next();
        run();
      });
    };
    next();
    return () => cancel();
  }

  /** Advances the clock by `ms` milliseconds and runs everything that becomes due, promises included. */
  async run(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await promisesSettled();
      if (this.#timers[0] !== undefined && this.#timers[0].at <= this.#now) this.#timers.shift()?.run();
      else if (this.#soon.length > 0) {
        const due = this.#soon;
        this.#soon = [];
        for (const run of due) run();
      } else if (this.#timers[0] !== undefined && this.#timers[0].at <= end) this.#now = this.#timers[0].at;
      else break;
    }
    this.#now = end;
  }
}

/** Faults between a `FakeNetwork` and its connections. All optional; may be changed at any time. */
export interface FakeFaults {
  /** The one-way latency in milliseconds. Default 1. */
  latencyMs?: () => number;
  /** The number of copies that one subscriber receives. Default 1. */
  copies?: (subject: string) => number;
  /** Replaces the responder's reply; with `silence` the request times out. */
  answer?: (subject: string, body: unknown) => Failure | 'silence' | undefined;
}

interface FakeListener {
  readonly bus: FakeBus;
  readonly pattern: readonly string[];
  readonly receive: (body: unknown, subject: string, bytes: number) => void;
  effective: boolean;
  ended: boolean;
}

type FakeAnswer = (body: unknown, subject: string) => Promise<Outcome<unknown>>;

/** Stands in for the server. One responder per channel and journal. */
export class FakeNetwork {
  readonly clock: FakeClock;
  readonly faults: FakeFaults;
  readonly listeners = new Set<FakeListener>();
  readonly answers = new Map<string, FakeAnswer>();

  constructor(clock: FakeClock, faults: FakeFaults = {}) {
    this.clock = clock;
    this.faults = faults;
  }

  connect(): FakeBus {
    return new FakeBus(this);
  }

  latency(): number {
    return this.faults.latencyMs?.() ?? 1;
  }

  answerOf(subject: string): FakeAnswer | undefined {
    const words = subject.split('.');
    for (const [pattern, answer] of this.answers) if (matches(pattern.split('.'), words)) return answer;
    return undefined;
  }

  /** Handles a message at the server: sends it to every subscription that the server has. */
  send(subject: string, body: unknown): void {
    const words = subject.split('.');
    const bytes = JSON.stringify(body).length;
    for (const listener of this.listeners) {
      if (!listener.effective || !matches(listener.pattern, words)) continue;
      const copies = this.faults.copies?.(subject) ?? 1;
      for (let copy = 0; copy < copies; copy += 1) {
        listener.bus.enqueue(() => {
          if (!listener.ended) listener.receive(body, subject, bytes);
        });
      }
    }
  }
}

function matches(pattern: readonly string[], words: readonly string[]): boolean {
  return pattern.length === words.length && pattern.every((word, at) => word === '*' || word === words[at]);
}

/** One connection to a `FakeNetwork`. Published messages reach the server immediately; received ones are delayed by the latency, in order. */
export class FakeBus implements Bus {
  readonly #network: FakeNetwork;
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  readonly #mine = new Set<FakeListener>();
  #status: BusStatus = 'connected';
  /** Counts the connections: messages in transit on an older one are lost. */
  #connection = 1;
  #lastArrival = 0;

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  get status(): BusStatus {
    return this.#status;
  }

  /** Loses everything in transit to this bus. */
  disconnect(): void {
    if (this.#status === 'disconnected') return;
    this.#connection += 1;
    this.#status = 'disconnected';
    for (const listener of this.#mine) listener.effective = false;
    for (const tell of [...this.#statusListeners]) tell('disconnected');
  }

  reconnect(): void {
    if (this.#status === 'connected') return;
    this.#status = 'connected';
    for (const listener of this.#mine) this.#reach(listener);
    for (const tell of [...this.#statusListeners]) tell('connected');
  }

  /** Delivers to this connection after the latency, and after everything enqueued before. */
  enqueue(deliver: () => void): void {
    const connection = this.#connection;
    const { clock } = this.#network;
    this.#lastArrival = Math.max(this.#lastArrival, clock.now() + this.#network.latency());
    clock.after(this.#lastArrival - clock.now(), () => {
      if (connection === this.#connection) deliver();
    });
  }

  request<Reply>(
    channel: RequestChannel<string, never, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number },
  ): Promise<Outcome<Reply>> {
    return new Promise((resolve) => {
      const { clock, faults } = this.#network;
      const cancel = clock.after(options.timeoutMs, () => resolve(failed('unavailable', 'no answer in time')));
      const connection = this.#connection;
      const answer = (outcome: Outcome<unknown>) => {
        if (connection !== this.#connection) return;
        this.enqueue(() => {
          cancel();
          // Checked like on the real bus, so that a responder cannot reply with another shape.
          if (!outcome.ok) resolve(outcome);
          else if (channel.reply.test(outcome.value)) resolve({ ok: true, value: outcome.value });
          else resolve(failed('internal', channel.reply.problem(outcome.value)));
        });
      };
      if (this.#status === 'disconnected') return;
      clock.after(this.#network.latency(), () => {
        const fault = faults.answer?.(subject, body);
        const responder = this.#network.answerOf(subject);
        if (fault === 'silence') return;
        if (fault !== undefined) answer({ ok: false, failure: fault });
        else if (responder === undefined) answer(failed('unavailable', 'no responder'));
        else void responder(body, subject).then(answer);
      });
    });
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (
      body: Request,
      context: {
        readonly subject: string;
        readonly deadline: number;
        readonly tenant: undefined;
        readonly bytes: number;
        readonly text: string;
      },
    ) => Promise<Outcome<Reply>>,
    { journal = MAIN }: RespondOptions<Reply, Address> = {},
  ): Responder {
    const { answers } = this.#network;
    const pattern = inJournal(channel.pattern({}), journal);
    const answer: FakeAnswer = async (body, subject) => {
      if (!channel.request.test(body)) return failed('invalid', channel.request.problem(body));
      const text = JSON.stringify(body);
      return handler(body, { subject, deadline: Number.POSITIVE_INFINITY, tenant: undefined, bytes: text.length, text });
    };
    const leave = () => {
      if (answers.get(pattern) === answer) answers.delete(pattern);
    };
    const join = () => {
      answers.set(pattern, answer);
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
    if (this.#status === 'connected') this.#network.send(inJournal(channel.subject(values), journal), body);
  }

  publishText(subject: string, json: string): boolean {
    if (this.#status === 'connected') this.#network.send(subject, JSON.parse(json));
    return true;
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number) => void,
  ): Subscription {
    const listener: FakeListener = {
      bus: this,
      pattern: subject.split('.'),
      receive: (body, from, bytes) => {
        if (channel.body.test(body)) handler(body, from, bytes);
      },
      effective: false,
      ended: false,
    };
    this.#mine.add(listener);
    this.#network.listeners.add(listener);
    if (this.#status === 'connected') this.#reach(listener);
    return {
      unsubscribe: () => {
        listener.ended = true;
        this.#mine.delete(listener);
        this.#network.listeners.delete(listener);
      },
    };
  }

  flush(timeoutMs: number): Promise<Outcome<void>> {
    return new Promise((resolve) => {
      const cancel = this.#network.clock.after(timeoutMs, () => resolve(failed('unavailable', 'no flush in time')));
      if (this.#status === 'disconnected') return;
      // One round trip, after every subscription made before.
      this.enqueue(() =>
        this.enqueue(() => {
          cancel();
          resolve({ ok: true, value: undefined });
        }),
      );
    });
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    this.#statusListeners.add(listener);
    return { unsubscribe: () => this.#statusListeners.delete(listener) };
  }

  async close(): Promise<void> {
    this.disconnect();
    for (const listener of this.#mine) this.#network.listeners.delete(listener);
    this.#mine.clear();
  }

  /** A subscription is active once the server has it. */
  #reach(listener: FakeListener): void {
    this.enqueue(() => {
      listener.effective = true;
    });
  }
}
