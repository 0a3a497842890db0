/**
 * One Saga socket (Saga protocol page, 1.2 and 3): authentication first, then messages one after the other. Consecutive property posts are
 * sent together; any other message waits until those before it are acknowledged.
 */
import { createHash } from 'node:crypto';
import type { SagaSessionState } from '@polyedge/contracts/bus/recovery';
import type { SagaSignal } from '@polyedge/contracts/bus/signals';
import { done, failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { INVALID_TOKEN, type SagaError, sagaError, toError } from '@polyedge/saga/errors';
import type { PostResult } from '@polyedge/saga/work';
import { Output } from '@polyedge/session/output';
import { toMutate } from '@polyedge/session/questions';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { type Task, type TaskHost, Tasks } from '@polyedge/session/task';
import { AccountWatch, RECHECK, REREAD } from './account-watch.ts';
import { refusal, type SagaFrame, type SagaOut } from './codec.ts';
import { Identity } from './identity.ts';
import { roomOf, routeOf } from './joins.ts';
import { workOf } from './message-work.ts';
import { isParting, OFFSET_EVENT, type Offset, offsetText, type Restored, supportsRecovery } from './recovery.ts';
import { Rooms } from './rooms.ts';
import type { SagaSettings } from './session-settings.ts';
import { Signals } from './signals.ts';
import type { SocketQuestion } from './socket-questions.ts';

const LONGEST_TIMER_MS = 3_600_000;

const SOCKET = { protocol: 'saga', way: 'socket' } as const;

/** Opens a session; a client has `authTimeoutMs` to authenticate. */
export function openSaga(opening: Opening, settings: SagaSettings): readonly [Session<SagaFrame, SagaOut>, readonly Effect<SagaOut>[]] {
  const session = new SagaSession(opening.nonce, settings, supportsRecovery(opening.query));
  // Only our own listener sets it.
  if (opening.credential?.ok === true && isRestored(opening.restored)) {
    return [session, session.restore(opening.credential.value, opening.restored, opening.at)];
  }
  return [session, settings.authTimeoutMs > 0 ? [{ do: 'set-timer', name: 'auth', ms: settings.authTimeoutMs }] : []];
}

/** The tasks of a session: those of messages belong to a frame and have an answer, those of the socket itself have neither. */
type SagaHost = TaskHost<SocketQuestion, PostResult | undefined, SagaFrame | undefined, void>;
type SocketTask = Task<SocketQuestion, undefined>;

class SagaSession implements Session<SagaFrame, SagaOut>, SagaHost {
  readonly #nonce: string;
  readonly #settings: SagaSettings;
  readonly #out = new Output<SagaOut>();
  readonly #identity: Identity;
  readonly #account: AccountWatch;
  readonly #tasks: Tasks<SocketQuestion, PostResult | undefined, SagaFrame | undefined, void>;
  #phase: 'new' | 'checking' | 'ready' | 'closed' = 'new';
  /** The `authentication` in progress. */
  #authenticating: SagaFrame | undefined;
  #waiting: SagaFrame[] = [];
  /** Number of property posts in progress. */
  #posts = 0;
  /** The task of any other message in progress, which runs alone. */
  #alone: string | undefined;
  // Created on first use: memory of idle sockets matters.
  #rooms: Rooms | undefined;
  #signals: Signals | undefined;
  #draining = false;
  #count = 0;
  #at = 0;
  /** Whether the client can resume this session, which then stores its token. */
  readonly #recovers: boolean;
  #token: string | undefined;
  /** The session to resume, until its account was read. */
  #restoring: Restored | undefined;
  /** Number of its rooms that are still catching up. */
  #catchingUp = 0;

  constructor(nonce: string, settings: SagaSettings, recovers: boolean) {
    this.#nonce = nonce;
    this.#settings = settings;
    this.#recovers = recovers;
    this.#identity = new Identity(settings, this.#out);
    this.#account = new AccountWatch(this.#identity, this.#out);
    // Besides messages, the socket authenticates or is restored, and reads its account again.
    this.#tasks = new Tasks<SocketQuestion, PostResult | undefined, SagaFrame | undefined, void>(this, settings.maxInFlight + 2);
  }

  /** Resumes the session of a reconnecting client: same account, same rooms, same position. */
  restore(principal: Principal, restored: Restored, at: number): readonly Effect<SagaOut>[] {
    this.#at = at;
    this.#phase = 'checking';
    this.#token = restored.token;
    this.#restoring = restored;
    this.#identity.adopt(principal);
    this.#tasks.start('auth', this.#restore(principal, restored), undefined);
    return this.#out.take();
  }

  parting(): SagaSessionState | undefined {
    const token = this.#token;
    if (!this.#recovers || token === undefined || this.#authenticating !== undefined) return undefined;
    return this.#restoring ?? { token, rooms: [...(this.#rooms?.parting ?? [])] };
  }

  handle(input: Input<SagaFrame>, at: number): readonly Effect<SagaOut>[] {
    if (this.#phase === 'closed') return [];
    this.#at = at;
    switch (input.kind) {
      case 'frame':
        this.#receive(input.frame);
        break;
      case 'authenticated':
      case 'reply':
      case 'written':
        this.#tasks.resume(input.id, input.outcome);
        break;
      case 'message':
        if (input.id === 'accounts') this.#reread(this.#account.changed(input.body));
        else this.#signalled(input.body);
        break;
      case 'subscribed':
        this.#rooms?.subscribed(input.id, input);
        break;
      case 'lost':
        this.#lost(input.id, input.failure.code === 'limited');
        break;
      case 'timer':
        this.#timer(input.name);
        break;
      case 'revoked':
        this.#refuse(INVALID_TOKEN, undefined);
        break;
      case 'drain':
        this.#draining = true;
        this.#leaveWhenIdle();
        break;
      case 'undecodable':
      case 'event':
      case 'confirmed':
        break;
    }
    return this.#out.take();
  }

  // ---- messages

  #receive(frame: SagaFrame): void {
    const { message } = frame;
    if (this.#phase === 'new') {
      if (message.kind === 'authentication') this.#begin(frame);
      else this.#out.send(refusal(frame, INVALID_TOKEN));
    } else if (this.#draining) this.#out.send(refusal(frame, sagaError(503, 'the server is going away')));
    else if (this.#waiting.length >= this.#settings.maxWaiting) this.#out.send(refusal(frame, sagaError(429)));
    else {
      this.#waiting.push(frame);
      this.#startWaiting();
    }
  }

  /** Starts all messages that may start now. */
  #startWaiting(): void {
    while (this.#phase === 'ready' && this.#alone === undefined && this.#posts < this.#settings.maxInFlight) {
      const [frame] = this.#waiting;
      if (frame === undefined || (this.#posts > 0 && frame.message.kind !== 'property')) return;
      this.#waiting.shift();
      this.#begin(frame);
    }
  }

  #begin(frame: SagaFrame): void {
    const { message } = frame;
    if (message.kind === 'authentication') {
      this.#authenticating = frame;
      this.#phase = 'checking';
      this.#tasks.start('auth', this.#authenticate(frame, message.accessToken), undefined);
      return;
    }
    this.#count += 1;
    const id = `task${this.#count}`;
    if (message.kind === 'property') this.#posts += 1;
    else this.#alone = id;
    const { tenant = '' } = this.#identity.principal ?? {};
    const caller = { tenant, way: 'socket', at: this.#at, newId: () => this.#newId() } as const;
    const { maxJoins } = this.#settings;
    this.#tasks.start(id, workOf(message, { identity: this.#identity, caller, rooms: this.#rooms, maxJoins }), frame);
  }

  // ---- tasks (TaskHost)

  perform(id: string, question: SocketQuestion, frame: SagaFrame | undefined): void {
    const { principal } = this.#identity;
    switch (question.kind) {
      case 'call':
        this.#out.effect({ do: 'request', id, call: question.call, unordered: question.unordered === true });
        break;
      case 'write':
        if (principal !== undefined) {
          this.#out.effect(toMutate(id, question, principal, SOCKET, frame === undefined ? 'any' : 'events-first'));
        }
        break;
      case 'signal': {
        const waits = this.#rooms?.hears(question.signal.parent) === true;
        this.#signals ??= new Signals(this.#out);
        this.#signals.publish(id, question.signal, principal?.tenant ?? '', waits);
        if (!waits) this.#tasks.resume(id, done(undefined));
        break;
      }
      case 'authenticate':
        this.#out.effect({ do: 'authenticate', id, credential: question.credential, adopt: question.adopt });
        break;
      case 'enter': {
        const rooms = this.#joinedRooms();
        // Offsets of later rooms could be ahead of what was sent for earlier ones.
        const tellsOffset = this.#recovers && rooms.size === 0;
        rooms.join(question.room, question.id, principal?.tenant ?? '', (at) => {
          if (tellsOffset) this.#out.send({ event: OFFSET_EVENT, body: offsetText(at) });
          this.#tasks.resume(id, done<Offset>(at));
        });
        break;
      }
    }
  }

  done(answer: PostResult | undefined, frame: SagaFrame | undefined): void {
    if (answer !== undefined && frame !== undefined) {
      if (frame.message.kind === 'property') this.#posts -= 1;
      else this.#alone = undefined;
      if (!answer.ok) this.#out.send(refusal(frame, answer.error));
      else if (frame.ack !== undefined) this.#out.send({ ack: frame.ack, status: 200, body: answer.value });
      this.#startWaiting();
    }
    if (this.#draining) this.#leaveWhenIdle();
  }

  // ---- authentication (1.2)

  *#authenticate(frame: SagaFrame, accessToken: string | undefined): SocketTask {
    if (this.#recovers && accessToken !== undefined) this.#token = accessToken;
    const verified = yield* this.#identity.verify(accessToken);
    if (!verified.ok) return this.#refuse(verified.error, frame);
    const principal = verified.value;
    const before = this.#identity.principal;
    if (before !== undefined && before.tenant !== principal.tenant) this.#rooms?.leaveUnless(() => false);
    this.#identity.adopt(principal);
    const account = yield* this.#account.read(principal);
    const problem = account.ok ? (account.value ?? (yield* this.#identity.findUser(principal))) : toError(account.failure);
    if (problem !== undefined) return this.#refuse(problem, frame);
    this.#authenticating = undefined;
    this.#phase = 'ready';
    this.#out.effect({ do: 'clear-timer', name: 'auth' });
    this.#out.send({ event: 'authenticated', body: true });
    if (frame.ack !== undefined) this.#out.send({ ack: frame.ack, status: 200, body: { ok: 1 } });
    this.#untilExpiry(principal);
    this.#recheck();
    this.#startWaiting();
    return undefined;
  }

  /** All rooms are joined in one turn, so that missed events are in one order, before anything new. */
  *#restore(principal: Principal, { after, rooms }: Restored): SocketTask {
    const account = yield* this.#account.read(principal);
    if (!account.ok) return this.#leaveQuietly();
    if (account.value !== undefined) return this.#refuse(account.value, undefined);
    this.#restoring = undefined;
    this.#catchingUp = 1;
    this.#untilExpiry(principal);
    for (const { base, id, since } of rooms) {
      const room = roomOf(base);
      if (room === undefined || !this.#identity.may('get', routeOf(room, id))) continue;
      const from = { epoch: after.epoch, seq: Math.max(after.seq, since) };
      this.#catchingUp += 1;
      this.#joinedRooms().join(room, id, principal.tenant, () => this.#caughtUp(), from);
    }
    this.#caughtUp();
    return undefined;
  }

  /** Messages wait until the catch-up is complete, because the events of a write precede its acknowledgement. */
  #caughtUp(): void {
    this.#catchingUp -= 1;
    if (this.#catchingUp > 0) return;
    this.#phase = 'ready';
    this.#startWaiting();
  }

  /** Sends `unauthorized` and its acknowledgement, and closes: the event arrives first with every client (tested there and here). */
  #refuse(error: SagaError, asked: SagaFrame | undefined): undefined {
    this.#end();
    this.#token = undefined;
    const body = { message: error.message ?? error.name, status_code: error.status_code, name: error.name };
    this.#out.send({ event: 'unauthorized', body });
    if (asked?.ack !== undefined) this.#out.send({ ack: asked.ack, status: error.status_code, body: error });
    this.#out.effect({ do: 'close', code: 1008, reason: 'unauthorized' });
  }

  #reread(must: boolean): void {
    if (must) this.#tasks.start('account', this.#rereadAccount(), undefined);
  }

  *#rereadAccount(): SocketTask {
    const problem = yield* this.#account.reread();
    if (problem !== undefined) return this.#refuse(problem, this.#authenticating);
    this.#recheck();
    return undefined;
  }

  #untilExpiry(principal: Principal): void {
    if (!this.#settings.disconnectOnTokenExpiry) return;
    this.#out.effect({ do: 'set-timer', name: 'expiry', ms: Math.min(Math.max(1, principal.expiresAt - this.#at), LONGEST_TIMER_MS) });
  }

  // ---- rooms (3.2)

  #joinedRooms(): Rooms {
    this.#rooms ??= new Rooms(this.#out, this.#settings.legacyMessages, this.#recovers);
    return this.#rooms;
  }

  /** The subscription cannot continue without a gap: the client reconnects by itself, reads the current state and joins again. */
  #lost(subscription: string, limited: boolean): void {
    const lost = this.#rooms?.lost(subscription);
    if (lost === undefined) return;
    // A session that is restored has no message that the refusal of a room could answer.
    if (!limited || !lost.joining || this.#alone === undefined) {
      this.#leaveQuietly();
      return;
    }
    lost.leave();
    this.#tasks.resume(this.#alone, failed('limited'));
  }

  /** Leaves rooms that are no longer allowed. */
  #recheck(): void {
    this.#rooms?.leaveUnless((room, id) => this.#identity.may('get', routeOf(room, id)));
  }

  #signalled(body: unknown): void {
    this.#signals ??= new Signals(this.#out);
    // The driver has validated the body against the channel's schema.
    const task = this.#signals.received(body as SagaSignal);
    if (task !== undefined) this.#tasks.resume(task, done(undefined));
  }

  // ---- the rest

  #timer(name: string): void {
    switch (name) {
      case 'auth':
        if (this.#phase !== 'ready') this.#refuse(sagaError(401, 'Authentication Timeout'), this.#authenticating);
        break;
      case RECHECK:
        // While another account authenticates its roles are unknown; its rooms are judged afterwards.
        if (this.#account.rechecked() && this.#authenticating === undefined) this.#recheck();
        break;
      case REREAD:
        this.#reread(this.#account.retry());
        break;
      case 'signal':
        for (const task of this.#signals?.late() ?? []) this.#tasks.resume(task, done(undefined));
        break;
      case 'expiry': {
        const ms = (this.#identity.principal?.expiresAt ?? 0) - this.#at;
        if (ms <= 0) this.#refuse(sagaError(401, 'Token Expired'), undefined);
        else this.#out.effect({ do: 'set-timer', name: 'expiry', ms: Math.min(ms, LONGEST_TIMER_MS) });
        break;
      }
    }
  }

  #newId(): string {
    this.#count += 1;
    return createHash('sha256').update(`${this.#nonce}\0${this.#count}`).digest('hex').slice(0, 24);
  }

  #leaveWhenIdle(): void {
    if (this.#phase !== 'closed' && this.#tasks.size === 0 && this.#waiting.length === 0) this.#leaveQuietly();
  }

  /** Closes the transport without Socket.IO's disconnect packet, after which JavaScript clients would not reconnect. */
  #leaveQuietly(): undefined {
    this.#end();
    this.#out.effect({ do: 'drop' });
  }

  #end(): void {
    this.#phase = 'closed';
    this.#tasks.end();
  }
}

const isRestored = (restored: unknown): restored is Restored => isParting(restored) && 'after' in restored;
