/**
 * Carries out the effects of one session, each by the part of the connection that is responsible. Parts are created on first use: most
 * connections of some protocols never need them, and memory per connection matters.
 */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { encodeBody } from '@polyedge/service-kit/bus-wire';
import type { Effect } from '@polyedge/session/session';
import type { Sink } from '../fanout/broadcaster.ts';
import type { Outbox } from '../transport/outbox.ts';
import type { Packet } from '../transport/wire.ts';
import type { MemberClient } from './consumer-groups.ts';
import { DeliveryAcks } from './delivery-acks.ts';
import type { Environment } from './environment.ts';
import { GroupSlot } from './group-slot.ts';
import type { MailboxItem } from './mailbox.ts';
import { BY_OUTPUT, BY_SESSION, type ReadControl } from './read-control.ts';
import { RequestTracker } from './request-tracker.ts';
import { SessionTimers } from './session-timers.ts';
import { ConnectionSubscriptions } from './subscriptions.ts';
import type { WriteOrdering } from './write-ordering.ts';

/** The connection, as its effects see it. */
export interface EffectsHost<In, P extends Packet> extends Sink<P> {
  readonly number: number;
  readonly address: string;
  /** The member's client, as a group's administrator sees it. */
  readonly client: MemberClient;
  readonly outbox: Outbox<P>;
  readonly reading: ReadControl;
  /** As last verified. */
  principal: Principal | undefined;
  /** The current input is an event or a message, so frames sent for it count against the slow-client bound. */
  readonly unsolicited: boolean;
  /** Queues an input. */
  step(input: MailboxItem<In>): void;
  /** Counts a request in flight, until it is answered. */
  began(): void;
  finished(): void;
  /** The client exceeds its bound of unsent bytes. */
  slow(): void;
  /** Protocol code threw an exception. */
  bug(during: string, error: unknown): void;
  drop(): void;
  end(code: number, reason: string): void;
}

export class Effects<Raw, In, Out, P extends Packet> {
  readonly #env: Environment<Raw, In, Out, P>;
  readonly #host: EffectsHost<In, P>;
  #requests: RequestTracker<Raw, In, Out, P> | undefined;
  /** Requests and writes that wait until the client has read, in order. */
  #held: (() => void)[] | undefined;
  #subscriptions: ConnectionSubscriptions<Raw, In, Out, P> | undefined;
  #timers: SessionTimers | undefined;
  #deliveryAcks: DeliveryAcks | undefined;
  #groupSlot: GroupSlot<Raw, In, Out, P> | undefined;

  constructor(env: Environment<Raw, In, Out, P>, host: EffectsHost<In, P>) {
    this.#env = env;
    this.#host = host;
  }

  /** The order of own changes; undefined before the first request or write. */
  get own(): WriteOrdering | undefined {
    return this.#requests?.own;
  }

  get subscriptionCount(): number {
    return this.#subscriptions?.size ?? 0;
  }

  get groupSlot(): Pick<GroupSlot<Raw, In, Out, P>, 'id' | 'overdue'> | undefined {
    return this.#groupSlot;
  }

  /** A pong arrived: calls back what waited for it. */
  confirmedBy(payload: string): void {
    for (const then of this.#deliveryAcks?.confirmedBy(payload) ?? []) then();
  }

  /** Sends what was held back. Called when the client has read, before anything further of it is handled. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const send of held) send();
  }

  /** The operating system has accepted bytes for the client. */
  flushed(): void {
    this.#timers?.flushed(() => this.#host.outbox.bytes);
  }

  /** Releases everything except writes in flight. */
  end(): void {
    this.#held = undefined;
    this.#requests?.end();
    this.#subscriptions?.end();
    this.#groupSlot?.leave();
    this.#timers?.end();
  }

  perform(effect: Effect<Out>): void {
    switch (effect.do) {
      case 'send':
        this.#send(effect.frame);
        break;
      case 'authenticate':
        this.#authenticate(effect.id, effect.credential, effect.adopt);
        break;
      case 'request':
        this.#ask(() => this.#requestTracker().request(effect));
        break;
      case 'mutate':
        this.#ask(() => this.#requestTracker().mutate(effect));
        break;
      case 'subscribe':
        this.#subscribing().subscribe(effect);
        break;
      case 'join':
        this.#joining().join(effect, this.#host.principal !== undefined && this.#env.neverPongs(this.#host.principal));
        break;
      case 'unsubscribe':
        if (this.#groupSlot?.id === effect.id) this.#groupSlot.leave();
        else this.#subscriptions?.unsubscribe(effect.id);
        break;
      case 'when-delivered':
        this.#subscriptions?.whenDelivered(effect);
        break;
      case 'listen':
        this.#subscribing().listen(effect.id, effect.subject, effect.atMost);
        break;
      case 'publish': {
        const text = encodeBody(effect.body);
        if (text === undefined || !this.#env.bus.publishText(effect.subject, text)) this.#env.counts.unpublished += 1;
        break;
      }
      case 'set-timer':
        this.#waiting().set(effect.name, effect.ms);
        break;
      case 'clear-timer':
        this.#timers?.clear(effect.name);
        break;
      case 'when-flushed':
        this.#waiting().whenFlushed(effect.name, effect.bytes, this.#host.outbox.bytes);
        break;
      case 'report':
        this.#env.counts.incidents += 1;
        this.#env.incidents.report(this.#host.number, effect.incident, effect.failure);
        break;
      case 'confirm':
        this.#confirm(() => this.#host.step({ kind: 'confirmed', id: effect.id }));
        break;
      case 'pause':
        this.#host.reading.stop(BY_SESSION);
        break;
      case 'resume':
        this.#host.reading.resume(BY_SESSION);
        break;
      case 'drop':
        this.#host.drop();
        break;
      case 'close':
        this.#host.end(effect.code, effect.reason);
        break;
    }
  }

  #send(frame: Out): void {
    this.#env.counts.framesOut += 1;
    this.#host.outbox.push(this.#env.framing.pack(this.#env.protocol.encode(frame)));
    if (!this.#host.outbox.exceeds(this.#env.limits.maxBufferedBytes)) return;
    if (this.#host.unsolicited) this.#host.slow();
    else this.#host.reading.stop(BY_OUTPUT);
  }

  /** An answer may have megabytes, so nothing is asked for a client that does not read the answers it has. */
  #ask(send: () => void): void {
    this.#host.began();
    if (!this.#host.reading.has(BY_OUTPUT) && this.#held === undefined) {
      send();
      return;
    }
    this.#held ??= [];
    this.#held.push(send);
  }

  #authenticate(id: string, credential: string, adopt: boolean): void {
    const finish = (outcome: Outcome<Principal>): void => {
      this.#host.finished();
      if (outcome.ok && adopt) this.#host.principal = outcome.value;
      this.#host.step({ kind: 'authenticated', id, outcome });
    };
    this.#host.began();
    const outcome = this.#env.verify(credential, this.#host.address);
    if (outcome instanceof Promise) void outcome.then(finish, (error: unknown) => this.#host.bug('authenticate', error));
    else finish(outcome);
  }

  #requestTracker(): RequestTracker<Raw, In, Out, P> {
    this.#requests ??= new RequestTracker({
      env: this.#env,
      step: (input) => this.#host.step(input),
      finished: () => this.#host.finished(),
      watches: (tenant) => this.#subscriptions?.watches(tenant) === true,
    });
    return this.#requests;
  }

  #subscribing(): ConnectionSubscriptions<Raw, In, Out, P> {
    this.#subscriptions ??= new ConnectionSubscriptions({
      env: this.#env,
      sink: this.#host,
      step: (input) => this.#host.step(input),
      own: () => this.#requests?.own,
      leftBroadcaster: () => this.#host.outbox.prune(),
    });
    return this.#subscriptions;
  }

  #waiting(): SessionTimers {
    this.#timers ??= new SessionTimers(this.#env.wheel, this.#env.limits.maxTimers, (name) => this.#host.step({ kind: 'timer', name }));
    return this.#timers;
  }

  #confirm(then: () => void): void {
    this.#deliveryAcks ??= new DeliveryAcks();
    const ping = this.#env.framing.ping(this.#deliveryAcks.begin(then));
    if (ping === undefined) throw new Error('this transport has no pings to confirm with');
    this.#host.outbox.push(ping);
  }

  #joining(): GroupSlot<Raw, In, Out, P> {
    this.#groupSlot ??= new GroupSlot({
      env: this.#env,
      conn: this.#host.number,
      client: () => this.#host.client,
      push: ({ count, packets }) => {
        this.#env.counts.groupFrames += count;
        for (const packet of packets) this.#host.outbox.push(packet);
        if (this.#host.outbox.exceeds(this.#env.limits.maxBufferedBytes)) this.#host.slow();
      },
      confirm: (then) => this.#confirm(then),
      lost: (id, failure) => this.#host.step({ kind: 'lost', id, failure }),
    });
    return this.#groupSlot;
  }
}
