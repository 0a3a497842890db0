/**
 * One client conversation: carries out every effect of its session, in order, and turns every outcome into an input. Knows sockets, time,
 * the bus and the limits; knows no protocol.
 *
 * Inputs go through a mailbox, so whatever answers from within a call cannot re-enter `handle`. An exception in protocol code is a bug: it
 * is logged with the kind of its input, counted, and ends this connection with 1011.
 */
import { randomBytes } from 'node:crypto';
import type { FullChange } from '@polyedge/contracts/change';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Interest } from '@polyedge/contracts/interest';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import type { Effect, Input, Opening, Protocol, Session, View } from '@polyedge/session/session';
import type { DriverCounts } from './counts.ts';
import type { Hearing } from './hearing.ts';
import type { Lane, SharedTag, Sink } from './lane.ts';
import { Budget, type Limits } from './limits.ts';
import { type Flusher, Outbox, type Tag } from './outbox.ts';
import { EVENTS_FIRST_MS, OwnOrder } from './own-order.ts';
import type { Feed } from './watch.ts';
import { type Wheel, WheelTimer } from './wheel.ts';
import type { Framing, Packet, Wire, WireHandler } from './wire.ts';
import { type Write, type WriteOutcome, Writes } from './writes.ts';

/** What all connections of one edge share. */
export interface Environment<Raw, In, Out, P extends Packet> {
  readonly protocol: Protocol<Raw, In, Out>;
  readonly framing: Framing<Raw, P>;
  readonly bus: Bus;
  readonly feed: Feed;
  readonly lane: Lane<P>;
  readonly hearing: Hearing;
  readonly wheel: Wheel;
  readonly flusher: Flusher;
  readonly limits: Limits;
  readonly requestTimeoutMs: number;
  readonly slowClient: SlowClientRule;
  readonly log: Log;
  readonly counts: DriverCounts;
  verify(credential: string): Outcome<Principal> | Promise<Outcome<Principal>>;
  /** The connection has ended and holds nothing any more. */
  ended(connection: Connection<Raw, In, Out, P>): void;
}

/** What a client that does not read fast enough gets: a close frame, or the end of TCP without one. */
export type SlowClientRule = { readonly do: 'close'; readonly code: number; readonly reason: string } | { readonly do: 'drop' };

/** Why reading has stopped; it goes on when none is left. */
const BY_SESSION = 1;
const BY_WORK = 2;
const BY_RATE = 4;
const BY_OUTPUT = 8;

const MAX_CONFIRMS = 4096;

interface Held {
  readonly tenant: string | undefined;
  readonly onLane: boolean;
  close(): void;
}

type Step<In> = Input<In> | (() => void);
type Subscribing<Out> = Extract<Effect<Out>, { do: 'subscribe' }>;
type Requesting<Out> = Extract<Effect<Out>, { do: 'request' }>;

export class Connection<Raw, In, Out, P extends Packet> implements WireHandler<Raw>, Sink<P> {
  laneCount = 0;
  laneSeen: Map<string, Map<number, SharedTag>> | undefined = undefined;

  readonly number: number;
  readonly #env: Environment<Raw, In, Out, P>;
  readonly #wire: Wire<P>;
  readonly #outbox: Outbox<P>;
  #session: Session<In, Out> | undefined;
  #principal: Principal | undefined;
  #state: 'open' | 'closing' | 'gone' = 'open';

  #steps: Step<In>[] = [];
  #inbox: Raw[] = [];
  #running = false;
  /** The input being handled came from nobody's request: what it sends counts against the slow-client bound. */
  #unsolicited = false;
  #stopped = 0;
  #wirePaused = false;

  readonly #frames: Budget;
  readonly #bytes: Budget;
  #rateTimer: WheelTimer | undefined;

  #inFlight = 0;
  #aborting: AbortController | undefined;
  #writes: Writes | undefined;
  #own: OwnOrder | undefined;
  #writesBegun = 0;
  #writesAnswered = 0;
  #waitingReads: { readonly after: number; readonly effect: Requesting<Out> }[] = [];

  #held: Map<string, Held> | undefined;
  #timers: Map<string, WheelTimer> | undefined;
  #drainTimer: WheelTimer | undefined;
  #confirms: { readonly counter: number; readonly id: string }[] = [];
  #counter = 0;

  readonly #openedAt: number;
  #receivedAt: number;
  #pingedAt: number;
  #sentBytes = 0;
  #movedAt: number;

  constructor(
    env: Environment<Raw, In, Out, P>,
    wire: Wire<P>,
    opening: Pick<Opening, 'credential' | 'path' | 'query' | 'address'>,
    number: number,
  ) {
    const at = env.wheel.clock.now();
    this.#env = env;
    this.#wire = wire;
    this.number = number;
    this.#outbox = new Outbox(wire, env.flusher, () => this.#flushed());
    this.#frames = new Budget(env.limits.framesPerSecond, at);
    this.#bytes = new Budget(env.limits.bytesPerSecond, at);
    this.#openedAt = at;
    this.#receivedAt = at;
    this.#pingedAt = at;
    this.#movedAt = at;
    if (opening.credential?.ok === true) this.#principal = opening.credential.value;
    this.#running = true;
    try {
      const [session, effects] = env.protocol.open({ ...opening, nonce: randomBytes(16).toString('hex'), at });
      this.#session = session;
      for (const effect of effects) this.#perform(effect);
    } catch (error) {
      this.#bug('open', error);
    }
    this.#running = false;
    this.#run();
  }

  // ---- what the wire says

  message(raw: Raw, bytes: number): void {
    if (!this.#received(bytes)) return;
    this.#env.counts.framesIn += 1;
    this.#inbox.push(raw);
    this.#run();
  }

  unreadable(problem: string, bytes: number): void {
    if (!this.#received(bytes)) return;
    this.#env.counts.undecodable += 1;
    this.step({ kind: 'undecodable', problem });
  }

  ping(): void {
    this.#received(0);
  }

  pong(payload: string): void {
    if (this.#state !== 'open') return;
    this.#receivedAt = this.#env.wheel.clock.now();
    const counter = payload.startsWith('c') ? Number.parseInt(payload.slice(1), 36) : Number.NaN;
    const last = this.#confirms.findIndex((confirm) => confirm.counter === counter);
    if (last === -1) return;
    // The stack answers pings in order, so this pong speaks for the earlier ones too (an endpoint may answer only the newest).
    for (const { id } of this.#confirms.splice(0, last + 1)) this.step({ kind: 'confirmed', id });
  }

  drained(): void {
    this.#outbox.drained();
    this.#flushed();
  }

  closing(): void {
    if (this.#state === 'open') this.#outbox.flushAll();
  }

  gone(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#release();
    this.#env.counts.closed += 1;
    this.#env.ended(this);
  }

  // ---- what the lane and the driver say

  deliver(packet: P, change: FullChange, tag: Tag): void {
    if (this.#state !== 'open') return;
    if (this.#own?.holds(change.operationId) === true) {
      this.#own.offer(change.operationId, () => {
        if (tag.live) this.#pushLane(packet, tag);
      });
      return;
    }
    this.#pushLane(packet, tag);
  }

  /** Tells the session to finish, and finishes for it when it takes longer than `drainMs`. */
  drain(): void {
    if (this.#state !== 'open' || this.#drainTimer !== undefined) return;
    this.#drainTimer = new WheelTimer(() => {
      this.#env.counts.drainTimeouts += 1;
      this.#end(1001, 'going away');
    });
    this.#env.wheel.set(this.#drainTimer, this.#env.limits.drainMs);
    this.step({ kind: 'drain' });
  }

  /** The principal as last verified, for matching revocations. */
  get principal(): Principal | undefined {
    return this.#principal;
  }

  /** Bytes owed to the client, for metrics. */
  get bufferedBytes(): number {
    return this.#outbox.bytes;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Looks for what has taken too long. Called for every connection every `sweepMs`. */
  sweep(at: number): void {
    if (this.#state !== 'open') return;
    const { limits, framing, counts } = this.#env;
    // A client we do not read from cannot be idle.
    if (this.#stopped !== 0) this.#receivedAt = at;
    if (limits.authenticateMs > 0 && this.#principal === undefined && at - this.#openedAt > limits.authenticateMs) {
      counts.authenticationTimeouts += 1;
      this.#end(1008, 'not authenticated in time');
      return;
    }
    if (limits.idleMs > 0 && at - this.#receivedAt > limits.idleMs) {
      counts.idleCloses += 1;
      this.#end(1001, 'idle');
      return;
    }
    if (this.#outbox.bytes === 0 || this.#wire.sentBytes !== this.#sentBytes) {
      this.#sentBytes = this.#wire.sentBytes;
      this.#movedAt = at;
    } else if (at - this.#movedAt > limits.stalledMs) {
      this.#slow();
      return;
    }
    if (limits.pingIntervalMs > 0 && at - Math.max(this.#receivedAt, this.#pingedAt) >= limits.pingIntervalMs) {
      this.#pingedAt = at;
      const ping = framing.ping('k');
      if (ping !== undefined) this.#outbox.push(ping);
    }
  }

  /** Puts an input into the mailbox and, unless it is being emptied already, empties it. */
  step(input: Step<In>): void {
    if (this.#state !== 'open') return;
    this.#steps.push(input);
    this.#run();
  }

  // ---- the mailbox

  #run(): void {
    if (this.#running) return;
    this.#running = true;
    let at = 0;
    while (this.#state === 'open') {
      const step = this.#steps[at] ?? this.#nextFrame();
      if (step === undefined) break;
      if (at < this.#steps.length) at += 1;
      if (at === this.#steps.length) {
        this.#steps.length = 0;
        at = 0;
      }
      this.#handle(step);
    }
    this.#steps.length = 0;
    this.#running = false;
    if (this.#stopped === 0 && this.#wirePaused && this.#state === 'open') {
      this.#wirePaused = false;
      this.#wire.resume();
    }
  }

  /** The next message as an input, unless reading has stopped. */
  #nextFrame(): Step<In> | undefined {
    if (this.#stopped !== 0 || this.#inbox.length === 0) return undefined;
    const raw = this.#inbox.shift();
    if (raw === undefined) return undefined;
    try {
      const decoded = this.#env.protocol.decode(raw);
      if (decoded.ok) return { kind: 'frame', frame: decoded.value };
      this.#env.counts.undecodable += 1;
      return { kind: 'undecodable', problem: decoded.problem };
    } catch (error) {
      this.#bug('decode', error);
      return undefined;
    }
  }

  #handle(step: Step<In>): void {
    if (typeof step === 'function') {
      step();
      return;
    }
    try {
      this.#unsolicited = step.kind === 'event' || step.kind === 'message';
      const effects = this.#session?.handle(step, this.#env.wheel.clock.now()) ?? [];
      for (const effect of effects) {
        if (this.#state !== 'open') return;
        this.#perform(effect);
      }
    } catch (error) {
      this.#bug(step.kind, error);
    } finally {
      this.#unsolicited = false;
    }
  }

  #bug(during: string, error: unknown): void {
    this.#env.counts.bugs += 1;
    this.#env.log.error('protocol code failed; the connection is closed', { conn: this.number, type: during, err: error });
    this.#end(1011, 'internal error');
  }

  // ---- effects

  #perform(effect: Effect<Out>): void {
    switch (effect.do) {
      case 'send':
        this.#send(effect.frame);
        break;
      case 'authenticate':
        this.#authenticate(effect.id, effect.credential, effect.adopt);
        break;
      case 'request':
        this.#request(effect);
        break;
      case 'mutate': {
        const { id, tenant, defaultScope, request, own = 'any' } = effect;
        const operation = operationId(Math.floor(this.#env.wheel.clock.now()), randomBytes(10));
        this.#mutate({ id, tenant, defaultScope, own, request: { ...request, operationId: operation } });
        break;
      }
      case 'subscribe':
        this.#subscribe(effect);
        break;
      case 'unsubscribe':
        this.#unsubscribe(effect.id);
        break;
      case 'listen':
        this.#listen(effect.id, effect.subject);
        break;
      case 'publish':
        if (!this.#env.bus.publishText(effect.subject, JSON.stringify(effect.body) ?? 'null')) this.#env.counts.unpublished += 1;
        break;
      case 'set-timer':
        this.#setTimer(effect.name, effect.ms);
        break;
      case 'clear-timer': {
        const timer = this.#timers?.get(effect.name);
        if (timer !== undefined) this.#env.wheel.clear(timer);
        break;
      }
      case 'confirm':
        this.#confirm(effect.id);
        break;
      case 'pause':
        this.#stop(BY_SESSION);
        break;
      case 'resume':
        this.#goOn(BY_SESSION);
        break;
      case 'drop':
        this.#drop();
        break;
      case 'close':
        this.#end(effect.code, effect.reason);
        break;
    }
  }

  #send(frame: Out): void {
    this.#env.counts.framesOut += 1;
    this.#outbox.push(this.#env.framing.pack(this.#env.protocol.encode(frame)));
    if (this.#outbox.bytes <= this.#env.limits.maxBufferedBytes) return;
    if (this.#unsolicited) this.#slow();
    else this.#stop(BY_OUTPUT);
  }

  #authenticate(id: string, credential: string, adopt: boolean): void {
    const settle = (outcome: Outcome<Principal>): void => {
      this.#finished();
      if (outcome.ok && adopt) this.#principal = outcome.value;
      this.step({ kind: 'authenticated', id, outcome });
    };
    this.#began();
    const outcome = this.#env.verify(credential);
    if (outcome instanceof Promise) void outcome.then(settle, (error: unknown) => this.#bug('authenticate', error));
    else settle(outcome);
  }

  #request(effect: Requesting<Out>): void {
    this.#began();
    if (effect.unordered !== true && this.#writesAnswered < this.#writesBegun) {
      this.#waitingReads.push({ after: this.#writesBegun, effect });
    } else {
      this.#ask(effect);
    }
  }

  #ask({ id, call, timeoutMs }: Requesting<Out>): void {
    this.#aborting ??= new AbortController();
    const { signal } = this.#aborting;
    void this.#env.bus
      .request(call.channel, call.subject, call.body, { timeoutMs: timeoutMs ?? this.#env.requestTimeoutMs, signal })
      .then((outcome) => {
        this.#finished();
        this.step({ kind: 'reply', id, outcome });
      });
  }

  #mutate(write: Write): void {
    this.#began();
    this.#writesBegun += 1;
    this.#writes ??= new Writes(this.#env.bus, this.#env.wheel, (outcome) => this.#answered(outcome));
    this.#own ??= new OwnOrder(
      (outcome) => this.#written(outcome),
      () => {
        this.#env.counts.ownOrderGivenUp += 1;
      },
    );
    this.#own.begin(write);
    this.#writes.add(write);
  }

  /** The store has answered a write. */
  #answered(answer: WriteOutcome): void {
    if (this.#state !== 'open') return;
    const { write, outcome, epoch } = answer;
    const waits = write.own === 'events-first' && outcome.ok && outcome.value.last > 0 && this.#watches(write.tenant);
    if (waits && epoch !== undefined) {
      const { last } = outcome.value;
      this.#own?.answered(answer, (then) => this.#env.feed.whenDelivered(epoch, last, EVENTS_FIRST_MS, then));
    } else {
      this.#own?.answered(answer, undefined);
    }
  }

  /** The session hears of a write; then what waited for it goes on. */
  #written({ write, outcome }: WriteOutcome): void {
    this.#finished();
    this.step({ kind: 'written', id: write.id, outcome });
    this.step(() => {
      this.#writesAnswered += 1;
      this.#own?.settled(write);
      while (this.#waitingReads[0] !== undefined && this.#waitingReads[0].after <= this.#writesAnswered) {
        const [read] = this.#waitingReads.splice(0, 1);
        if (read !== undefined) this.#ask(read.effect);
      }
    });
  }

  /** Whether any subscription could be told of changes in this tenant. Which of them exactly is not worth finding out: heads come at once. */
  #watches(tenant: string): boolean {
    for (const held of this.#held?.values() ?? []) if (held.tenant === tenant) return true;
    return false;
  }

  #subscribe({ id, to, view }: Subscribing<Out>): void {
    if (!this.#mayHold(id)) return;
    if (view === undefined) this.#watch(id, to);
    else this.#join(id, to, view);
  }

  #watch(id: string, to: Interest): void {
    const held: { closed: boolean } & Held = {
      tenant: to.tenant,
      onLane: false,
      closed: false,
      close: () => {
        held.closed = true;
        watch.close();
      },
    };
    const offer = (operation: string | undefined, input: Input<In>): void => {
      const run = (): void => {
        if (!held.closed) this.step(input);
      };
      if (this.#own === undefined) run();
      else this.#own.offer(operation, run);
    };
    const watch = this.#env.feed.watch(to, {
      live: (seq, epoch) => offer(undefined, { kind: 'subscribed', id, seq, epoch }),
      change: (change) => offer(change.operationId, { kind: 'event', id, change }),
      lost: (failure) => {
        if (this.#held?.get(id) === held) this.#held.delete(id);
        offer(undefined, { kind: 'lost', id, failure });
      },
    });
    this.#hold(id, held);
  }

  #join(id: string, to: Interest, view: View): void {
    const subscription = this.#env.lane.subscribe(to, view, this, {
      live: (seq, epoch) => this.step({ kind: 'subscribed', id, seq, epoch }),
      lost: (failure) => {
        if (this.#held?.get(id) === held) this.#held?.delete(id);
        this.step({ kind: 'lost', id, failure });
      },
    });
    const held: Held = { tenant: to.tenant, onLane: true, close: () => subscription.close() };
    this.#hold(id, held);
  }

  #listen(id: string, subject: string): void {
    if (!this.#mayHold(id)) return;
    const subscription = this.#env.hearing.listen(subject, (body) => this.step({ kind: 'message', id, body }));
    this.#hold(id, { tenant: undefined, onLane: false, close: () => subscription.unsubscribe() });
  }

  /** Ends what has the id already; false, and the session told, when there are too many. */
  #mayHold(id: string): boolean {
    this.#unsubscribe(id);
    if ((this.#held?.size ?? 0) < this.#env.limits.maxSubscriptions) return true;
    this.step({ kind: 'lost', id, failure: { code: 'limited', detail: 'too many subscriptions on this connection' } });
    return false;
  }

  #hold(id: string, held: Held): void {
    this.#held ??= new Map();
    this.#held.set(id, held);
  }

  #unsubscribe(id: string): void {
    const held = this.#held?.get(id);
    if (held === undefined) return;
    this.#held?.delete(id);
    held.close();
    if (held.onLane) this.#outbox.prune();
  }

  #setTimer(name: string, ms: number): void {
    this.#timers ??= new Map();
    let timer = this.#timers.get(name);
    if (timer === undefined) {
      if (this.#timers.size >= this.#env.limits.maxTimers) throw new Error('a session set too many different timers');
      timer = new WheelTimer(() => this.step({ kind: 'timer', name }));
      this.#timers.set(name, timer);
    }
    this.#env.wheel.set(timer, ms);
  }

  #confirm(id: string): void {
    if (this.#confirms.length >= MAX_CONFIRMS) throw new Error('a session asked for too many confirmations at once');
    this.#counter += 1;
    const ping = this.#env.framing.ping(`c${this.#counter.toString(36)}`);
    if (ping === undefined) throw new Error('this transport has no pings to confirm with');
    this.#confirms.push({ counter: this.#counter, id });
    this.#outbox.push(ping);
  }

  // ---- bounds

  #pushLane(packet: P, tag: Tag): void {
    this.#env.counts.laneFrames += 1;
    this.#outbox.push(packet, tag);
    if (this.#outbox.bytes > this.#env.limits.maxBufferedBytes) this.#slow();
  }

  #slow(): void {
    if (this.#state !== 'open') return;
    this.#env.counts.slowClients += 1;
    const rule = this.#env.slowClient;
    // What is queued is the reason for hanging up: it is not written any more.
    this.#outbox.clear();
    if (rule.do === 'drop') this.#drop();
    else this.#end(rule.code, rule.reason);
  }

  /** Counts what arrived; false when it is not to be looked at. */
  #received(bytes: number): boolean {
    if (this.#state !== 'open') return false;
    const at = this.#env.wheel.clock.now();
    this.#receivedAt = at;
    const waitMs = Math.max(this.#frames.take(1, at), this.#bytes.take(bytes, at));
    if (waitMs === 0) return true;
    if (this.#env.limits.overRate === 'close') {
      this.#env.counts.overRate += 1;
      this.#end(1008, 'too many messages');
      return false;
    }
    if ((this.#stopped & BY_RATE) === 0) this.#env.counts.overRate += 1;
    this.#rateTimer ??= new WheelTimer(() => this.#goOn(BY_RATE));
    this.#env.wheel.set(this.#rateTimer, waitMs);
    this.#stop(BY_RATE);
    return true;
  }

  #began(): void {
    this.#inFlight += 1;
    if (this.#inFlight >= this.#env.limits.maxInFlight) this.#stop(BY_WORK);
  }

  #finished(): void {
    this.#inFlight -= 1;
    if (this.#inFlight <= this.#env.limits.maxInFlight / 2) this.#goOn(BY_WORK);
  }

  #flushed(): void {
    if ((this.#stopped & BY_OUTPUT) !== 0 && this.#outbox.bytes <= this.#env.limits.maxBufferedBytes / 2) this.#goOn(BY_OUTPUT);
  }

  #stop(reason: number): void {
    this.#stopped |= reason;
    if (this.#wirePaused) return;
    this.#wirePaused = true;
    this.#wire.pause();
  }

  #goOn(reason: number): void {
    if ((this.#stopped & reason) === 0 || this.#state !== 'open') return;
    this.#stopped &= ~reason;
    // Messages that had arrived before the wire stopped come first, and may well stop reading again.
    if (this.#stopped === 0) this.#run();
  }

  // ---- the end

  #end(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#outbox.flushAll();
    this.#release();
    this.#wire.close(code, reason);
  }

  #drop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#outbox.flushAll();
    this.#release();
    this.#wire.drop();
  }

  /** Lets go of everything but the writes under way: what the client was allowed to write takes effect, though nobody hears of it. */
  #release(): void {
    this.#outbox.clear();
    this.#aborting?.abort();
    for (const held of this.#held?.values() ?? []) held.close();
    this.#held = undefined;
    for (const timer of this.#timers?.values() ?? []) this.#env.wheel.clear(timer);
    this.#timers = undefined;
    for (const timer of [this.#rateTimer, this.#drainTimer]) if (timer !== undefined) this.#env.wheel.clear(timer);
    this.#own?.clear();
    this.#waitingReads = [];
    this.#inbox = [];
    this.#confirms = [];
  }
}
