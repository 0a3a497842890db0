/**
 * A bus on a clock that a test moves: every delay, loss and break is decided by the test, so a run with the same choices is the same run.
 * It keeps the guarantees of the port (order per connection, at most once, outcomes as values) and nothing beyond them.
 */
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { type Failure, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus, BusStatus, Responder, Subscription } from '@polyedge/service-kit/bus';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A turn of the real event loop: every promise that can go on has gone on. */
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

  /** As `setImmediate`: after what is due at this moment. */
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

  /** Lets this much time pass. Whatever becomes due runs, promises included. */
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

/** What may go wrong between a `FakeNetwork` and those connected to it. All optional, and free to change at any time. */
export interface FakeFaults {
  /** Milliseconds of one way. Default 1. */
  latencyMs?: () => number;
  /** How often a message reaches one subscriber. Default 1. */
  copies?: (subject: string) => number;
  /** Instead of the responder's answer; `silence` lets the request run into its time-out. */
  answer?: (subject: string, body: unknown) => Failure | 'silence' | undefined;
}

interface Listener {
  readonly bus: FakeBus;
  readonly pattern: readonly string[];
  readonly hear: (body: unknown, subject: string, bytes: number) => void;
  effective: boolean;
  ended: boolean;
}

type Answer = (body: unknown, subject: string) => Promise<Outcome<unknown>>;

/** What stands for the server. One responder per channel. */
export class FakeNetwork {
  readonly clock: FakeClock;
  readonly faults: FakeFaults;
  readonly listeners = new Set<Listener>();
  readonly answers = new Map<string, Answer>();

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

  /** The server got a message: it leaves for every subscription that has reached the server. */
  send(subject: string, body: unknown): void {
    const words = subject.split('.');
    const bytes = JSON.stringify(body).length;
    for (const listener of this.listeners) {
      if (!listener.effective || !matches(listener.pattern, words)) continue;
      const copies = this.faults.copies?.(subject) ?? 1;
      for (let copy = 0; copy < copies; copy += 1) {
        listener.bus.enqueue(() => {
          if (!listener.ended) listener.hear(body, subject, bytes);
        });
      }
    }
  }
}

function matches(pattern: readonly string[], words: readonly string[]): boolean {
  return pattern.length === words.length && pattern.every((word, at) => word === '*' || word === words[at]);
}

/** One connection to a `FakeNetwork`. What it publishes reaches the server at once; what it hears takes the latency, in order. */
export class FakeBus implements Bus {
  readonly #network: FakeNetwork;
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  readonly #mine = new Set<Listener>();
  #status: BusStatus = 'connected';
  /** Counts the connections: what is under way on an older one is lost. */
  #connection = 1;
  #lastArrival = 0;

  constructor(network: FakeNetwork) {
    this.#network = network;
  }

  get status(): BusStatus {
    return this.#status;
  }

  /** Loses everything on its way to this bus. */
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

  /** Delivers to this connection after the latency, behind everything before it. */
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
          // Checked as the real bus does, so that a responder cannot answer with another shape.
          if (!outcome.ok) resolve(outcome);
          else if (channel.reply.test(outcome.value)) resolve({ ok: true, value: outcome.value });
          else resolve(failed('internal', channel.reply.problem(outcome.value)));
        });
      };
      if (this.#status === 'disconnected') return;
      clock.after(this.#network.latency(), () => {
        const fault = faults.answer?.(subject, body);
        const responder = this.#network.answers.get(channel.address);
        if (fault === 'silence') return;
        if (fault !== undefined) answer({ ok: false, failure: fault });
        else if (responder === undefined) answer(failed('unavailable', 'nobody answers'));
        else void responder(body, subject).then(answer);
      });
    });
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (
      body: Request,
      context: { readonly subject: string; readonly deadline: number; readonly tenant: undefined; readonly bytes: number },
    ) => Promise<Outcome<Reply>>,
  ): Responder {
    const { answers } = this.#network;
    const answer: Answer = async (body, subject) => {
      if (!channel.request.test(body)) return failed('invalid', channel.request.problem(body));
      return handler(body, { subject, deadline: Number.POSITIVE_INFINITY, tenant: undefined, bytes: JSON.stringify(body).length });
    };
    const leave = () => {
      if (answers.get(channel.address) === answer) answers.delete(channel.address);
    };
    const join = () => {
      answers.set(channel.address, answer);
    };
    join();
    return { leave, join, stop: async () => leave() };
  }

  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
  ): void {
    if (this.#status === 'connected') this.#network.send(channel.subject(values), body);
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
    const listener: Listener = {
      bus: this,
      pattern: subject.split('.'),
      hear: (body, from, bytes) => {
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
      // There and back: behind every subscription made before.
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

  /** A subscription counts once the server has it. */
  #reach(listener: Listener): void {
    this.enqueue(() => {
      listener.effective = true;
    });
  }
}
