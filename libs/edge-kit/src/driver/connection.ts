/**
 * One client connection: carries out the effects of its session in order, and turns every outcome into an input. It knows sockets, time,
 * the bus and the limits, but no protocol.
 *
 * Inputs go through a mailbox, so an answer that arrives during a call cannot re-enter `handle`. An exception in protocol code is a bug: it
 * is logged with the kind of its input and counted, and the connection closes with 1011.
 */
import type { ConnectionState } from '@polyedge/contracts/bus/console';
import type { FullChange } from '@polyedge/contracts/change';
import type { Principal } from '@polyedge/contracts/principal';
import type { Input, Opening, Session } from '@polyedge/session/session';
import type { BroadcastOrder } from '../fanout/broadcast-order.ts';
import { Outbox, type Tag } from '../transport/outbox.ts';
import type { Packet, Wire, WireHandler } from '../transport/wire.ts';
import { WheelTimer } from '../wheel.ts';
import type { MemberClient } from './consumer-groups.ts';
import { Effects, type EffectsHost } from './effects.ts';
import type { Environment } from './environment.ts';
import { Liveness } from './liveness.ts';
import { Mailbox, type MailboxItem, type Recipient } from './mailbox.ts';
import { BY_OUTPUT, BY_WORK, ReadControl } from './read-control.ts';

/** Longest address kept from a proxy's header. */
const MAX_ADDRESS = 128;

export class Connection<Raw, In, Out, P extends Packet> implements WireHandler<Raw>, Recipient<Raw, In>, EffectsHost<In, P> {
  broadcastCount = 0;
  broadcastOrder: BroadcastOrder<P> | undefined = undefined;

  readonly number: number;
  readonly #env: Environment<Raw, In, Out, P>;
  readonly #wire: Wire<P>;
  readonly #ended: () => void;
  readonly outbox: Outbox<P>;
  readonly reading: ReadControl;
  #session: Session<In, Out> | undefined;
  /** The principal as last verified, to match revocations. */
  principal: Principal | undefined;
  readonly address: string;
  #state: 'open' | 'closing' | 'gone' = 'open';

  readonly #mailbox: Mailbox<Raw, In>;
  /** The current input is an event or a message, so frames sent for it count against the slow-client bound. */
  unsolicited = false;

  readonly #effects: Effects<Raw, In, Out, P>;
  /** Time of the last pong from the client's stack, in milliseconds since 1970; 0 before the first. */
  #pongOn = 0;
  #drainTimer: WheelTimer | undefined;
  #inFlight = 0;
  /** Milliseconds since 1970: for display, never for measuring. */
  readonly #since = Date.now();

  readonly #liveness: Liveness;

  constructor(
    env: Environment<Raw, In, Out, P>,
    wire: Wire<P>,
    opening: Pick<Opening, 'credential' | 'path' | 'query' | 'address' | 'restored'>,
    number: number,
    ended: () => void,
  ) {
    const at = env.wheel.clock.now();
    this.#env = env;
    this.#wire = wire;
    this.number = number;
    this.address = opening.address;
    this.outbox = new Outbox(wire, env.flusher, () => this.#flushed());
    this.#ended = ended;
    this.reading = new ReadControl(wire, env.wheel, env.limits, () => this.#mailbox.run());
    this.#liveness = new Liveness(at);
    if (opening.credential?.ok === true) this.principal = opening.credential.value;
    this.#mailbox = new Mailbox(this);
    this.#effects = new Effects(env, this);
    // No function here may capture the constructor's parameters: the connection would keep all of them in memory.
    this.#mailbox.hold();
    this.#begin({ ...opening, nonce: Buffer.from(env.chance.bytes(16)).toString('hex'), at: Math.floor(at) });
    this.#mailbox.release();
  }

  #begin(opening: Opening): void {
    try {
      const [session, effects] = this.#env.protocol.open(opening);
      this.#session = session;
      for (const effect of effects) this.#effects.perform(effect);
    } catch (error) {
      this.bug('open', error);
    }
  }

  // ---- called by the wire

  message(raw: Raw, bytes: number): void {
    if (!this.#received(bytes)) return;
    this.#env.counts.framesIn += 1;
    this.#liveness.framed();
    this.#mailbox.message(raw);
  }

  unreadable(problem: string, bytes: number): void {
    if (!this.#received(bytes)) return;
    this.#env.counts.undecodable += 1;
    this.step({ kind: 'undecodable', problem });
  }

  ping(): void {
    if (this.#received(0)) this.#liveness.framed();
  }

  pong(payload: string): void {
    if (this.#state !== 'open') return;
    this.#liveness.received(this.#env.wheel.clock.now());
    this.#pongOn = Date.now();
    this.#effects.confirmedBy(payload);
  }

  drained(): void {
    this.outbox.drained();
    this.#flushed();
  }

  closing(): void {
    if (this.#state === 'open') this.outbox.flushAll();
  }

  parting(): unknown {
    try {
      return this.#session?.parting?.();
    } catch (error) {
      this.bug('parting', error);
      return undefined;
    }
  }

  gone(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#release();
    this.#env.counts.closed += 1;
    this.#ended();
  }

  // ---- called by the broadcaster and the driver

  deliver(packet: P, change: FullChange, tag: Tag): void {
    if (this.#state !== 'open') return;
    const { own } = this.#effects;
    if (own?.holds(change.operationId) === true) {
      own.offer(change.operationId, () => {
        if (tag.live) this.#pushBroadcast(packet, tag);
        else tag.omitted?.();
      });
      return;
    }
    this.#pushBroadcast(packet, tag);
  }

  /** Asks the session to finish, and closes the connection if that takes longer than `drainMs`. */
  drain(): void {
    if (this.#state !== 'open' || this.#drainTimer !== undefined) return;
    this.#drainTimer = new WheelTimer(() => {
      this.#env.counts.drainTimeouts += 1;
      this.end(1001, 'going away');
    });
    this.#env.wheel.set(this.#drainTimer, this.#env.limits.drainMs);
    this.step({ kind: 'drain' });
  }

  /** Unsent bytes, for metrics. */
  get bufferedBytes(): number {
    return this.outbox.bytes;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** What administrators can see besides the principal. */
  get state(): Omit<ConnectionState, 'api' | 'account' | 'username'> {
    return {
      number: this.number,
      address: this.address.slice(0, MAX_ADDRESS),
      since: this.#since,
      subscriptions: this.#effects.subscriptionCount,
      member: this.#effects.groupSlot?.id !== undefined,
      bufferedBytes: this.outbox.bytes,
      inFlight: this.#inFlight,
    };
  }

  get client(): MemberClient {
    const username = this.principal?.username;
    return {
      ...{ address: this.state.address, since: this.#since },
      ...(username === undefined ? {} : { username }),
      ...(this.#pongOn === 0 ? {} : { pongOn: this.#pongOn }),
    };
  }

  /** Closes the connection at an administrator's request. */
  hangUp(): void {
    this.end(1008, 'closed by an administrator');
  }

  /** Checks the time-outs. Called for every connection every `sweepMs`. */
  sweep(at: number): void {
    if (this.#state !== 'open') return;
    const { limits, framing, counts } = this.#env;
    if (this.#effects.groupSlot?.overdue(at, this.#pongOn > 0, this.#liveness.frameAt) === true) {
      this.slow();
      return;
    }
    const seen = {
      authenticated: this.principal !== undefined,
      readingStopped: this.reading.stopped,
      unsent: this.outbox.bytes,
      sent: this.#wire.sentBytes,
    };
    switch (this.#liveness.look(at, seen, limits)) {
      case 'not authenticated':
        counts.authenticationTimeouts += 1;
        this.end(1008, 'not authenticated in time');
        break;
      case 'idle':
        counts.idleCloses += 1;
        this.end(1001, 'idle');
        break;
      case 'stalled':
        this.slow();
        break;
      case 'ping': {
        const ping = framing.ping('k');
        if (ping !== undefined) this.outbox.push(ping);
        break;
      }
      case undefined:
        break;
    }
  }

  /** Queues an input and processes the mailbox, unless it is already being processed. */
  step(input: MailboxItem<In>): void {
    if (this.#state === 'open') this.#mailbox.step(input);
  }

  // ---- called by the mailbox

  get open(): boolean {
    return this.#state === 'open';
  }

  get readingStopped(): boolean {
    return this.reading.stopped;
  }

  caughtUp(): void {
    this.reading.caughtUp();
  }

  decode(raw: Raw): Input<In> | undefined {
    try {
      const decoded = this.#env.protocol.decode(raw);
      if (decoded.ok) return { kind: 'frame', frame: decoded.value };
      this.#env.counts.undecodable += 1;
      return { kind: 'undecodable', problem: decoded.problem };
    } catch (error) {
      this.bug('decode', error);
      return undefined;
    }
  }

  take(step: Input<In>): void {
    const { spans } = this.#env.bus;
    if (spans === undefined || step.kind !== 'frame') {
      this.#take(step);
      return;
    }
    const span = spans.frame('client', 'frame');
    span.run(() => this.#take(step));
    span.end('ok');
  }

  #take(step: Input<In>): void {
    try {
      this.unsolicited = step.kind === 'event' || step.kind === 'message';
      // Whole milliseconds, because clients see times that sessions pass on.
      const effects = this.#session?.handle(step, Math.floor(this.#env.wheel.clock.now())) ?? [];
      for (const effect of effects) {
        if (this.#state !== 'open') return;
        this.#effects.perform(effect);
      }
    } catch (error) {
      this.bug(step.kind, error);
    } finally {
      this.unsolicited = false;
    }
  }

  bug(during: string, error: unknown): void {
    this.#env.counts.bugs += 1;
    this.#env.log.error('protocol code failed; the connection is closed', { conn: this.number, type: during, err: error });
    this.end(1011, 'internal error');
  }

  // ---- bounds

  #pushBroadcast(packet: P, tag: Tag): void {
    this.#env.counts.laneFrames += 1;
    this.outbox.push(packet, tag);
    if (this.outbox.exceeds(this.#env.limits.maxBufferedBytes)) this.slow();
  }

  slow(): void {
    if (this.#state !== 'open') return;
    this.#env.counts.slowClients += 1;
    const rule = this.#env.slowClient;
    // The queue caused the close, so it is not written any more.
    this.outbox.clear();
    if (rule.do === 'drop') this.drop();
    else this.end(rule.code, rule.reason);
  }

  /** Counts received bytes; false if they must be ignored. */
  #received(bytes: number): boolean {
    if (this.#state !== 'open') return false;
    this.#env.counts.bytesIn += bytes;
    const at = this.#env.wheel.clock.now();
    this.#liveness.received(at);
    const waitMs = this.reading.take(bytes, at);
    if (waitMs === 0) return true;
    if (this.#env.limits.overRate === 'close') {
      this.#env.counts.overRate += 1;
      this.end(1008, 'too many messages');
      return false;
    }
    if (this.reading.stopForRate(waitMs)) this.#env.counts.overRate += 1;
    return true;
  }

  began(): void {
    this.#inFlight += 1;
    if (this.#inFlight >= this.#env.limits.maxInFlight) this.reading.stop(BY_WORK);
  }

  finished(): void {
    this.#inFlight -= 1;
    if (this.#inFlight <= this.#env.limits.maxInFlight / 2) this.reading.resume(BY_WORK);
  }

  #flushed(): void {
    if (this.reading.has(BY_OUTPUT) && this.outbox.bytes <= this.#env.limits.maxBufferedBytes / 2) {
      this.#effects.release();
      this.reading.resume(BY_OUTPUT);
    }
    this.#effects.flushed();
  }

  // ---- closing

  end(code: number, reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.outbox.flushAll();
    this.#release();
    this.#wire.close(code, reason);
  }

  drop(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.outbox.flushAll();
    this.#release();
    this.#wire.drop();
  }

  /** Releases everything except writes in flight. */
  #release(): void {
    this.outbox.clear();
    this.reading.end();
    this.#effects.end();
    if (this.#drainTimer !== undefined) this.#env.wheel.clear(this.#drainTimer);
    this.#mailbox.end();
  }
}
