/** The bus over NATS. Together with `nats-bus-requests.ts` and `nats-bus-responder.ts`, the only code that uses the NATS library. */
import { randomBytes } from 'node:crypto';
import { AuthorizationError, connect, MsgHdrsImpl, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import type { EventChannel, RequestChannel, SignalChannel } from '@polyedge/contracts/channel';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import { inJournal, MAIN } from '@polyedge/contracts/journal';
import type { Parameters } from '@polyedge/contracts/subject';
import type { Bus, BusStatus, RequestContext, Responder, RespondOptions, Subscription } from './bus.ts';
import { type BusCounts, newBusCounts } from './bus-counts.ts';
import { publishBody, receiveText } from './bus-messages.ts';
import { MIN_MAX_PAYLOAD, subjectFits, TRACEPARENT } from './bus-wire.ts';
import { within } from './deadline.ts';
import { type Log, silentLog } from './log.ts';
import { CONNECT_ATTEMPT_MS, connectionOptions, type NatsServer, problemOf } from './nats-bus-connection.ts';
import { MAX_OUTGOING_BYTES, Outgoing } from './nats-bus-outgoing.ts';
import './nats-bus-large-messages.ts';
import { NatsRequests, type ObserveRequest, textOf } from './nats-bus-requests.ts';
import { NatsResponder } from './nats-bus-responder.ts';
import { leaveSilentServers } from './nats-bus-silence.ts';
import { leaveServer, outgoingBytes } from './nats-bus-socket.ts';
import { PeerClocks } from './peer-clocks.ts';
import type { Spans } from './spans.ts';

export interface NatsBusOptions extends NatsServer {
  /** Distinguishes the replicas of a service; random by default. */
  readonly instance?: string;
  /** How long to retry the first connection, in milliseconds (default 30,000). */
  readonly connectMs?: number;
  readonly log?: Log;
  readonly spans?: Spans | undefined;
  readonly observe?: ObserveRequest | undefined;
  /** Called when the connection has ended and will not be restored: the service cannot continue. */
  readonly onLost?: (error: Error) => void;
}

/** The bus, with NATS-specific parts. */
export interface NatsBus extends Bus {
  readonly instance: string;
  readonly counts: Readonly<BusCounts>;
  /** The largest message that the server accepts, in bytes. */
  readonly maxPayload: number;
}

/** Pause between attempts to connect. */
const AGAIN_MS = 250;
const STOP_MS = 10_000;
/** Minimum interval between log lines about messages that are not sent because the server does not read. */
const FULL_LOG_MS = 60_000;

/**
 * Connects. Resolves to a failure with a message for the operator if no server answers within `connectMs`, the server rejects the
 * credentials or the inbox, or its `max_payload` is below 8 MiB. Once connected, the connection is restored whenever it breaks, without a
 * time limit.
 */
export async function connectNatsBus(options: NatsBusOptions): Promise<Outcome<NatsBus>> {
  const log = options.log ?? silentLog;
  const instance = options.instance ?? randomBytes(6).toString('hex');
  const problem = problemOf(options);
  if (problem !== undefined) return failed('invalid', problem);
  const giveUpAt = performance.now() + (options.connectMs ?? 30_000);
  for (let attempt = 0; ; attempt += 1) {
    const connected = await attemptToConnect(options, instance, log);
    if (connected.ok || connected.failure.code !== 'unavailable' || performance.now() >= giveUpAt) return connected;
    if (attempt === 0) log.warn('waiting for the NATS server', { err: connected.failure.detail });
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Fails with `unavailable` if a retry may help. */
async function attemptToConnect(options: NatsBusOptions, instance: string, log: Log): Promise<Outcome<NatsBus>> {
  const disconnected: { notify: () => void } = { notify: () => {} };
  let connection: NatsConnection;
  try {
    connection = await connect(connectionOptions(options, instance, () => disconnected.notify()));
  } catch (error) {
    if (error instanceof AuthorizationError) return failed('not-allowed', 'the NATS server refuses the credentials');
    return failed('unavailable', `no NATS server answers: ${messageOf(error)}`);
  }
  const maxPayload = connection.info?.max_payload ?? 0;
  if (maxPayload < MIN_MAX_PAYLOAD) {
    await connection.close();
    return failed(
      'invalid',
      `the NATS server takes messages of ${maxPayload} bytes at most, which is too little; set "max_payload: ${MIN_MAX_PAYLOAD}" in its configuration`,
    );
  }
  const bus = new ConnectedBus(connection, options, instance, log);
  disconnected.notify = () => bus.disconnected();
  const flushed = await bus.flush(CONNECT_ATTEMPT_MS);
  if (!flushed.ok || bus.refusal !== undefined) {
    await bus.close();
    return flushed.ok ? failed('not-allowed', `the NATS server does not allow the inbox _INBOX.${options.service}.>`) : flushed;
  }
  return done(bus);
}

class ConnectedBus implements NatsBus {
  readonly instance: string;
  readonly counts = newBusCounts();
  readonly #connection: NatsConnection;
  readonly #outgoing: Outgoing;
  readonly #service: string;
  readonly #log: Log;
  readonly spans: Spans | undefined;
  readonly #requests: NatsRequests;
  readonly #responders = new Set<Responder>();
  readonly #clocks = new PeerClocks();
  readonly #listeners = new Set<(status: BusStatus) => void>();
  readonly #stopWatching: () => void;
  #status: BusStatus = 'connected';
  #closing = false;
  #fullSaidAt = Number.NEGATIVE_INFINITY;

  constructor(connection: NatsConnection, options: NatsBusOptions, instance: string, log: Log) {
    this.#connection = connection;
    this.#outgoing = new Outgoing(connection, () => outgoingBytes(connection).waiting);
    this.#service = options.service;
    this.instance = instance;
    this.#log = log;
    this.spans = options.spans;
    this.#requests = new NatsRequests({
      connection,
      outgoing: this.#outgoing,
      inbox: `_INBOX.${options.service}.${instance}`,
      counts: this.counts,
      log,
      spans: options.spans,
      observe: options.observe,
    });
    this.#stopWatching = leaveSilentServers(
      {
        received: () => connection.stats().inMsgs,
        outgoing: () => outgoingBytes(connection),
        ping: () => connection.flush(),
        leave: () => leaveServer(connection),
      },
      () => this.#status === 'connected',
      () => log.warn('the NATS server is silent: connecting to another one'),
    );
    void this.#follow();
    void connection.closed().then((error) => {
      if (this.#closing) return;
      this.disconnected();
      options.onLost?.(error instanceof Error ? error : new Error('the NATS connection ended'));
    });
  }

  get refusal(): Error | undefined {
    return this.#requests.refusal;
  }

  get status(): BusStatus {
    return this.#status;
  }

  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? MIN_MAX_PAYLOAD;
  }

  request<Reply>(
    channel: RequestChannel<string, never, Reply>,
    subject: string,
    body: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Outcome<Reply>> {
    if (this.#status === 'disconnected') {
      this.counts.failures += 1;
      return Promise.resolve(failed('unavailable', 'not connected to NATS'));
    }
    return this.#requests.request(channel, subject, body, options);
  }

  respond<Address extends string, Request, Reply>(
    channel: RequestChannel<Address, Request, Reply>,
    handler: (body: Request, context: RequestContext) => Promise<Outcome<Reply>>,
    { journal = MAIN, only = {}, encode }: RespondOptions<Reply, Address> = {},
  ): Responder {
    const responder = new NatsResponder<Request, Reply>({
      connection: this.#connection,
      outgoing: this.#outgoing,
      channel,
      handler,
      pattern: inJournal(channel.pattern(only), journal),
      encode,
      queue: this.#service,
      counts: this.counts,
      log: this.#log,
      spans: this.spans,
      clocks: this.#clocks,
    });
    this.#responders.add(responder);
    return {
      leave: () => responder.leave(),
      join: () => responder.join(),
      stop: () => {
        this.#responders.delete(responder);
        return responder.stop();
      },
    };
  }

  publish<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    values: Parameters<Address>,
    body: Body,
    journal = MAIN,
  ): void {
    publishBody(this, this.#log, channel, { values, body, journal });
  }

  publishText(subject: string, json: string, traceparent?: string): boolean {
    const bytes = Buffer.from(json);
    if (bytes.length > this.maxPayload || !subjectFits(subject)) {
      this.counts.unsent += 1;
      return false;
    }
    // Without a connection the library would buffer messages without a bound and deliver them late.
    if (this.#status === 'disconnected' || this.#connection.isClosed()) {
      this.counts.unsent += 1;
      return true;
    }
    if (this.#outgoing.bytes > MAX_OUTGOING_BYTES) {
      this.counts.unsent += 1;
      this.#sayFull();
      return true;
    }
    this.counts.published += 1;
    if (traceparent === undefined) this.#outgoing.publish(subject, bytes);
    else this.#outgoing.publish(subject, bytes, { headers: MsgHdrsImpl.fromRecord({ [TRACEPARENT]: [traceparent] }) });
    return true;
  }

  subscribe<Address extends string, Body>(
    channel: EventChannel<Address, Body> | SignalChannel<Address, Body>,
    subject: string,
    handler: (body: Body, subject: string, bytes: number, traceparent?: string) => void,
  ): Subscription {
    if (!subjectFits(subject)) throw new Error(`a subject of ${subject.length} characters cannot be subscribed to`);
    let ended = false;
    // A new subscriber must not receive what was published before.
    this.#outgoing.send();
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (ended || error !== null) return;
        // It never throws: an exception would silently end the library's reading loop.
        receiveText(this, this.#log, channel, textOf(message.data), (body) =>
          handler(body, message.subject, message.data.length, message.headers?.get(TRACEPARENT)),
        );
      },
    });
    return {
      unsubscribe: () => {
        ended = true;
        if (!subscription.isClosed() && !this.#connection.isClosed()) subscription.unsubscribe();
      },
    };
  }

  async flush(timeoutMs: number): Promise<Outcome<void>> {
    if (this.#status === 'disconnected' || this.#connection.isClosed()) return failed('unavailable', 'not connected to NATS');
    this.#outgoing.send();
    const flushed: Promise<Outcome<void>> = this.#connection.flush().then(
      () => done(undefined),
      () => failed('unavailable', 'the connection to NATS was lost'),
    );
    return within(flushed, timeoutMs, failed('unavailable', 'the NATS server does not answer'));
  }

  onStatus(listener: (status: BusStatus) => void): Subscription {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#stopWatching();
    const stopped = Promise.all([...this.#responders].map((responder) => responder.stop()));
    await within(
      stopped.then(() => undefined),
      STOP_MS,
      undefined,
    );
    await this.flush(2_000);
    this.#requests.failAll('the bus was closed');
    await this.#connection.close();
    this.#status = 'disconnected';
  }

  /** The connection has ended. Called before the library reconnects. */
  disconnected(): void {
    if (this.#status === 'disconnected') return;
    this.counts.disconnects += 1;
    if (!this.#closing) this.#log.warn('disconnected from NATS');
    this.#setStatus('disconnected');
    this.#requests.failAll('the connection to NATS was lost');
  }

  #sayFull(): void {
    const now = performance.now();
    if (now - this.#fullSaidAt < FULL_LOG_MS) return;
    this.#fullSaidAt = now;
    this.#log.warn(`the NATS server does not read: ${MAX_OUTGOING_BYTES} bytes wait, further messages are not sent`);
  }

  #setStatus(status: BusStatus): void {
    this.#status = status;
    for (const listener of [...this.#listeners]) {
      try {
        listener(status);
      } catch (err) {
        this.counts.thrown += 1;
        this.#log.error('a listener to the bus status failed', { err });
      }
    }
  }

  async #follow(): Promise<void> {
    for await (const status of this.#connection.status()) {
      switch (status.type) {
        case 'disconnect':
          this.disconnected();
          break;
        case 'reconnect':
          this.#reconnected();
          break;
        case 'error':
          this.counts.serverErrors += 1;
          this.#log.error('the NATS server reports an error', { err: status.error });
          if (status.error instanceof PermissionViolationError) this.#requests.failSubject(status.error.subject);
          break;
        case 'slowConsumer':
          this.counts.serverErrors += 1;
          this.#log.error('reading from NATS is too slow');
          break;
        case 'staleConnection':
          this.#log.warn('the NATS server does not answer pings');
          break;
        case 'ldm':
          this.#log.info('the NATS server is about to stop');
          break;
        case 'ping':
        case 'reconnecting':
        case 'update':
        case 'forceReconnect':
        case 'close':
          break;
      }
    }
  }

  #reconnected(): void {
    if (this.maxPayload < MIN_MAX_PAYLOAD)
      this.#log.error(`the NATS server takes messages of ${this.maxPayload} bytes at most: set "max_payload: ${MIN_MAX_PAYLOAD}"`);
    this.#log.info('connected to NATS again');
    this.#setStatus('connected');
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
