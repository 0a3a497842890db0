/**
 * One Saga socket (Saga protocol page, 1.2 and 3): authentication first, then messages one after the other. Property posts that follow each
 * other travel together; everything else waits until what came before it is acknowledged.
 */
import { createHash } from 'node:crypto';
import { type Account, accountsChanged, accountsGet } from '@polyedge/contracts/bus/accounts';
import { graphGet, type MutationResult } from '@polyedge/contracts/bus/graph';
import type { SagaParting } from '@polyedge/contracts/bus/recovery';
import { type SagaSignal, sagaSignal } from '@polyedge/contracts/bus/signals';
import type { ReplyOf } from '@polyedge/contracts/channel';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { isObject, TYPES, toSignal } from '@polyedge/saga/elements';
import {
  INSUFFICIENT,
  INVALID_TOKEN,
  MISSING_USER,
  type SagaError,
  sagaError,
  toError,
  tokenError,
  UNVERIFIED,
} from '@polyedge/saga/errors';
import { type Caller, fail, type Step } from '@polyedge/saga/step';
import { call } from '@polyedge/session/call';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import { roleNamesOf } from './account.ts';
import { refusal, type SagaFrame, type SagaOut } from './codec.ts';
import { idOf, joinOf, needsId, type Room, roomOf, routeOf } from './joins.ts';
import { type Action, allows, permissionsOf, type Role } from './permissions.ts';
import { asksRecovery, isParting, OFFSET_EVENT, offsetText, type Restored } from './recovery.ts';
import { Rooms } from './rooms.ts';
import { isPropertyPost, stepOf } from './route.ts';

type Out = Effect<SagaOut>;

export interface SagaSettings {
  /** 0: a socket may stay unauthenticated. */
  readonly authTimeoutMs: number;
  /** Whether messages are also sent under the name that the Unity client listens to. */
  readonly legacyMessages: boolean;
  /** Whether users may read and write below their own path without a role that says so. */
  readonly selfAccess: boolean;
  readonly disconnectOnTokenExpiry: boolean;
  /** Joins of one socket; the next is answered 429. */
  readonly maxJoins: number;
  /** Messages that wait for earlier ones; the next is answered 429. */
  readonly maxWaiting: number;
  /** The roles of a tenant, as they are now. */
  readonly rolesOf: (tenant: string) => readonly Role[];
}

/** How long a signal's acknowledgement waits for the signal itself. */
const SIGNAL_MS = 2000;
/** After any change of an account: roles are read again, and by then this edge has read them too. */
const RECHECK_MS = 700;
const LONGEST_TIMER_MS = 3_600_000;

/** The way a socket opens: a client has so long to say who it is. */
export function openSaga(opening: Opening, settings: SagaSettings): readonly [Session<SagaFrame, SagaOut>, readonly Out[]] {
  const session = new SagaSession(opening.nonce, settings, asksRecovery(opening.query));
  // Only our own listener gives it.
  if (opening.credential?.ok === true && isRestored(opening.restored)) {
    return [session, session.restore(opening.credential.value, opening.restored, opening.at)];
  }
  const timer: readonly Out[] = settings.authTimeoutMs > 0 ? [{ do: 'set-timer', name: 'auth', ms: settings.authTimeoutMs }] : [];
  return [session, timer];
}

/** A message being worked on. */
interface Task {
  readonly frame: SagaFrame;
  readonly kind: 'write' | 'other';
  /** What it waits for, as the input of its kind comes. */
  reply?: ((outcome: Outcome<unknown>) => readonly Out[]) | undefined;
  written?: ((outcome: Outcome<MutationResult>) => readonly Out[]) | undefined;
}

class SagaSession implements Session<SagaFrame, SagaOut> {
  readonly #nonce: string;
  readonly #settings: SagaSettings;
  #phase: 'new' | 'checking' | 'ready' | 'closed' = 'new';
  #principal: Principal | undefined;
  #roles: readonly string[] = [];
  /** The `authentication` that is being looked at. */
  #authenticating: SagaFrame | undefined;
  #waiting: SagaFrame[] = [];
  // Made when first needed: memory of idle sockets is a goal.
  #tasks: Map<string, Task> | undefined;
  #rooms: Rooms | undefined;
  /** Signals of ours that have not come back, with what acknowledges them. */
  #told: Map<string, () => readonly Out[]> | undefined;
  #draining = false;
  #count = 0;
  #at = 0;
  /** Whether the client can go on with this session, which then remembers its token. */
  readonly #recovers: boolean;
  #token: string | undefined;
  /** The session before this one, until its account was read. */
  #restoring: Restored | undefined;
  /** Rooms of that session in which something is still missing. */
  #catchingUp = 0;

  constructor(nonce: string, settings: SagaSettings, recovers: boolean) {
    this.#nonce = nonce;
    this.#settings = settings;
    this.#recovers = recovers;
  }

  /** Goes on with the session of a client that comes back: as the same account, in the same rooms, from where it was. */
  restore(principal: Principal, restored: Restored, at: number): readonly Out[] {
    this.#at = at;
    this.#phase = 'checking';
    this.#token = restored.token;
    this.#restoring = restored;
    return this.#verified({ ok: true, value: principal });
  }

  parting(): SagaParting | undefined {
    const token = this.#token;
    if (!this.#recovers || token === undefined || this.#authenticating !== undefined) return undefined;
    return this.#restoring ?? { token, rooms: [...(this.#rooms?.parting ?? [])] };
  }

  handle(input: Input<SagaFrame>, at: number): readonly Out[] {
    if (this.#phase === 'closed') return [];
    this.#at = at;
    switch (input.kind) {
      case 'frame':
        return this.#receive(input.frame);
      case 'authenticated':
        return this.#verified(input.outcome);
      case 'reply':
        return this.#replied(input.id, input.outcome);
      case 'written':
        return this.#tasks?.get(input.id)?.written?.(input.outcome) ?? [];
      case 'message':
        return this.#heard(input.id, input.body);
      case 'subscribed':
        return this.#rooms?.subscribed(input.id, input) ?? [];
      case 'lost':
        return this.#lost(input.id, input.failure.code === 'limited');
      case 'timer':
        return this.#timer(input.name);
      case 'revoked':
        return this.#refuse(INVALID_TOKEN, undefined);
      case 'drain':
        this.#draining = true;
        return this.#idle() ? this.#leaveQuietly() : [];
      case 'undecodable':
      case 'event':
      case 'confirmed':
        return [];
    }
  }

  // ---- authentication (1.2)

  #receive(frame: SagaFrame): readonly Out[] {
    if (frame.event === 'authentication' && this.#phase === 'new') return this.#authenticate(frame);
    if (this.#phase === 'new') return [this.#send(refusal(frame, INVALID_TOKEN))];
    if (this.#draining) return [this.#send(refusal(frame, sagaError(503, 'the server is going away')))];
    if (this.#waiting.length >= this.#settings.maxWaiting) return [this.#send(refusal(frame, sagaError(429)))];
    this.#waiting.push(frame);
    return this.#pump();
  }

  #authenticate(frame: SagaFrame): readonly Out[] {
    this.#authenticating = frame;
    this.#phase = 'checking';
    const { payload } = frame;
    const token = isObject(payload) ? payload.accessToken : undefined;
    if (typeof token !== 'string' || token === '') return this.#refuse(INVALID_TOKEN, frame);
    if (this.#recovers) this.#token = token;
    return [{ do: 'authenticate', id: 'auth', credential: token, adopt: true }];
  }

  #verified(outcome: Outcome<Principal>): readonly Out[] {
    if (!outcome.ok) {
      const { code, detail } = outcome.failure;
      return this.#refuse(code === 'unauthenticated' ? tokenError(detail) : toError(outcome.failure), this.#authenticating);
    }
    const before = this.#principal;
    this.#principal = outcome.value;
    const { account, tenant } = outcome.value;
    const left = before !== undefined && before.tenant !== tenant ? (this.#rooms?.leaveUnless(() => false) ?? []) : [];
    return [
      ...left,
      // Before the account is read, so that no change falls between.
      { do: 'listen', id: 'accounts', subject: accountsChanged.subject({ tenant }) },
      { do: 'request', id: 'account', call: call(accountsGet, { tenant }, { ids: [account] }), unordered: true },
    ];
  }

  /** The account of an authentication, or of a socket whose account has changed. */
  #account(outcome: Outcome<unknown>): readonly Out[] {
    // The driver has checked the reply against the channel's schema.
    const account = outcome.ok ? (outcome.value as ReplyOf<typeof accountsGet>).accounts[0] : undefined;
    const asked = this.#authenticating;
    if (!outcome.ok) {
      if (this.#restoring !== undefined) return this.#leaveQuietly();
      return asked === undefined ? [] : this.#refuse(toError(outcome.failure), asked);
    }
    const problem = problemOfAccount(account);
    if (problem !== undefined || account === undefined) return this.#refuse(problem ?? MISSING_USER, asked);
    this.#roles = roleNamesOf(account);
    if (this.#restoring !== undefined) return this.#restored(this.#restoring);
    if (asked === undefined) return this.#recheck();
    const { tenant } = account;
    return [{ do: 'request', id: 'user', call: call(graphGet, { tenant }, { ids: [account.id], includeDeleted: true }), unordered: true }];
  }

  /** The user's vertex: made now for accounts that came into being through another protocol. */
  #user(outcome: Outcome<unknown>): readonly Out[] {
    const asked = this.#authenticating;
    const principal = this.#principal;
    if (asked === undefined || principal === undefined) return [];
    if (!outcome.ok) return this.#refuse(toError(outcome.failure), asked);
    const [user] = (outcome.value as ReplyOf<typeof graphGet>).elements;
    if (user?.deleted === true) return this.#refuse(MISSING_USER, asked);
    if (user !== null && user !== undefined) return this.#welcome(asked, principal);
    const { account, tenant, defaultScope, username } = principal;
    this.#working().set('vertex', { frame: asked, kind: 'other', written: () => this.#welcomed('vertex', asked, principal) });
    const attributes = { username, verified: true, roles: [...this.#roles], tags: [] };
    return [
      {
        do: 'mutate',
        id: 'vertex',
        tenant,
        defaultScope,
        request: {
          ...this.#by('register'),
          operations: [{ op: 'update', target: { id: account }, ifMissing: { type: TYPES.user, attributes } }],
        },
      },
    ];
  }

  #welcomed(task: string, asked: SagaFrame, principal: Principal): readonly Out[] {
    this.#tasks?.delete(task);
    return this.#welcome(asked, principal);
  }

  #welcome(asked: SagaFrame, principal: Principal): readonly Out[] {
    this.#authenticating = undefined;
    this.#phase = 'ready';
    const effects: Out[] = [{ do: 'clear-timer', name: 'auth' }, this.#send({ event: 'authenticated', body: true })];
    if (asked.ack !== undefined) effects.push(this.#send({ ack: asked.ack, status: 200, body: { ok: 1 } }));
    return [...effects, ...this.#untilExpiry(principal), ...this.#recheck(), ...this.#pump()];
  }

  #untilExpiry(principal: Principal): readonly Out[] {
    if (!this.#settings.disconnectOnTokenExpiry) return [];
    return [{ do: 'set-timer', name: 'expiry', ms: Math.min(Math.max(1, principal.expiresAt - this.#at), LONGEST_TIMER_MS) }];
  }

  /** All rooms in one turn: what was missed in them comes in one order, before anything new. */
  #restored({ after, rooms }: Restored): readonly Out[] {
    const principal = this.#principal;
    if (principal === undefined) return [];
    this.#restoring = undefined;
    this.#catchingUp = 0;
    const joins = rooms.flatMap(({ base, id, since }): readonly Out[] => {
      const room = roomOf(base);
      if (room === undefined || !this.#may('get', routeOf(room, id))) return [];
      const from = { epoch: after.epoch, seq: Math.max(after.seq, since) };
      this.#catchingUp += 1;
      return this.#joinedRooms().join(room, id, principal.tenant, () => this.#caughtUp(), from);
    });
    this.#catchingUp += 1;
    return [...this.#untilExpiry(principal), ...joins, ...this.#caughtUp()];
  }

  /** Messages wait until nothing is missing any more: the events of a write come before its acknowledgement. */
  #caughtUp(): readonly Out[] {
    this.#catchingUp -= 1;
    if (this.#catchingUp > 0) return [];
    this.#phase = 'ready';
    return this.#pump();
  }

  #joinedRooms(): Rooms {
    this.#rooms ??= new Rooms(this.#settings.legacyMessages, this.#recovers);
    return this.#rooms;
  }

  /** `unauthorized`, its acknowledgement, and the end: the event arrives first with every client (tested there and here). */
  #refuse(error: SagaError, asked: SagaFrame | undefined): readonly Out[] {
    this.#phase = 'closed';
    this.#token = undefined;
    const body = { message: error.message ?? error.name, status_code: error.status_code, name: error.name };
    const ack: readonly Out[] = asked?.ack === undefined ? [] : [this.#send({ ack: asked.ack, status: error.status_code, body: error })];
    return [this.#send({ event: 'unauthorized', body }), ...ack, { do: 'close', code: 1008, reason: 'unauthorized' }];
  }

  // ---- one message after the other

  /** Starts what may start now. */
  #pump(): readonly Out[] {
    const effects: Out[] = [];
    while (this.#phase === 'ready') {
      const [frame] = this.#waiting;
      if (frame === undefined) break;
      const kind = isPropertyPost(frame.event) ? 'write' : 'other';
      const working = [...(this.#tasks?.values() ?? [])];
      if (working.length > 0 && (kind === 'other' || working.some((task) => task.kind === 'other'))) break;
      this.#waiting.shift();
      if (frame.event === 'authentication') {
        effects.push(...this.#authenticate(frame));
        break;
      }
      this.#count += 1;
      const id = `task${this.#count}`;
      this.#working().set(id, { frame, kind });
      effects.push(...this.#begin(id, frame));
    }
    return effects;
  }

  #working(): Map<string, Task> {
    this.#tasks ??= new Map();
    return this.#tasks;
  }

  #begin(id: string, frame: SagaFrame): readonly Out[] {
    if (frame.unfit !== undefined) return this.#take(id, fail(frame.unfit));
    const join = joinOf(frame.event);
    if (join === undefined)
      return this.#take(
        id,
        stepOf(frame, this.#caller(), (path) => this.#may('post', path)),
      );
    return join.leave ? this.#leave(id, join.room, frame.payload) : this.#join(id, join.room, frame.payload);
  }

  /** Carries out one step of a task. */
  #take(id: string, step: Step): readonly Out[] {
    const task = this.#tasks?.get(id);
    const principal = this.#principal;
    if (task === undefined || principal === undefined) return [];
    const { tenant, defaultScope } = principal;
    switch (step.next) {
      case 'ask':
        task.reply = (outcome) => this.#take(id, step.resume(outcome));
        return [{ do: 'request', id, call: step.call }];
      case 'write':
        task.written = (outcome) => this.#take(id, step.resume(outcome));
        return [
          {
            do: 'mutate',
            id,
            tenant,
            defaultScope,
            request: { ...this.#by(step.what), operations: step.operations },
            own: 'events-first',
          },
        ];
      case 'tell':
        return this.#tell(id, step.signal, step.body);
      case 'answer':
        return this.#finish(id, step.body);
      case 'fail':
        return this.#finish(id, step.error, step.error);
    }
  }

  #finish(id: string, body: unknown, error?: SagaError): readonly Out[] {
    const task = this.#tasks?.get(id);
    if (task === undefined) return [];
    this.#tasks?.delete(id);
    const { frame } = task;
    const effects: Out[] = [];
    if (error !== undefined) effects.push(this.#send(refusal(frame, error)));
    else if (frame.ack !== undefined) effects.push(this.#send({ ack: frame.ack, status: 200, body }));
    effects.push(...this.#pump());
    return this.#draining && this.#idle() ? [...effects, ...this.#leaveQuietly()] : effects;
  }

  #replied(id: string, outcome: Outcome<unknown>): readonly Out[] {
    if (id === 'account') return this.#account(outcome);
    if (id === 'user') return this.#user(outcome);
    return this.#tasks?.get(id)?.reply?.(outcome) ?? [];
  }

  // ---- joins (3.2)

  #join(task: string, room: Room, payload: unknown): readonly Out[] {
    const id = room.of === 'globals' || room.of === 'npm' ? undefined : idOf(payload);
    if (id === undefined && needsId(room)) return this.#finish(task, undefined, sagaError(400, 'the id is missing'));
    if (!this.#may('get', routeOf(room, id))) return this.#finish(task, undefined, INSUFFICIENT);
    if (this.#rooms?.has(room, id) === true) return this.#finish(task, { ok: 1 });
    if ((this.#rooms?.size ?? 0) >= this.#settings.maxJoins) return this.#finish(task, undefined, sagaError(429, 'too many joins'));
    if (id === undefined || id === this.#principal?.account) return this.#watch(task, room, id);
    const running = this.#tasks?.get(task);
    if (running === undefined || this.#principal === undefined) return [];
    running.reply = (outcome) => this.#found(task, room, id, outcome);
    return [{ do: 'request', id: task, call: call(graphGet, { tenant: this.#principal.tenant }, { ids: [id] }) }];
  }

  /** Whether what is joined exists; scripts and jobs are taken for each other, because the documentation mixes them up (3.3). */
  #found(task: string, room: Room, id: string, outcome: Outcome<unknown>): readonly Out[] {
    if (!outcome.ok) return this.#finish(task, undefined, toError(outcome.failure));
    const type = (outcome.value as ReplyOf<typeof graphGet>).elements[0]?.type;
    if (room.of === 'parent') {
      if (type === TYPES[room.kind]) return this.#watch(task, room, id);
      return this.#finish(task, undefined, sagaError(404, `${room.kind === 'user' ? 'User' : 'Bot'} does not exist`));
    }
    if (room.of !== 'runnable') return [];
    if (type === TYPES.script || type === TYPES.job) {
      const meant: Room = { ...room, runnable: type === TYPES.script ? 'scripts' : 'jobs' };
      if (!this.#may('get', routeOf(meant, id))) return this.#finish(task, undefined, INSUFFICIENT);
      if (this.#rooms?.has(meant, id) === true) return this.#finish(task, { ok: 1 });
      return this.#watch(task, meant, id);
    }
    return this.#finish(task, undefined, sagaError(404, `${room.runnable === 'scripts' ? 'Script' : 'Job'} does not exist`));
  }

  #watch(task: string, room: Room, id: string | undefined): readonly Out[] {
    const rooms = this.#joinedRooms();
    const isFirst = rooms.size === 0;
    return rooms.join(room, id, this.#principal?.tenant ?? '', (at) => {
      // Later rooms could say more than has been told of the earlier ones.
      const offset: readonly Out[] = this.#recovers && isFirst ? [this.#send({ event: OFFSET_EVENT, body: offsetText(at) })] : [];
      return [...offset, ...this.#finish(task, { ok: 1 })];
    });
  }

  /** What cannot be continued without a gap: the client comes back by itself, reads what is and joins again. */
  #lost(subscription: string, limited: boolean): readonly Out[] {
    const lost = this.#rooms?.lost(subscription);
    if (lost === undefined) return [];
    if (!limited || !lost.joining) return this.#leaveQuietly();
    const [task] = [...(this.#tasks ?? [])].find(([, { frame }]) => joinOf(frame.event) !== undefined) ?? [];
    const effects = lost.leave();
    return task === undefined ? effects : [...effects, ...this.#finish(task, undefined, sagaError(429, 'too many joins'))];
  }

  /** Leaving needs no right, and leaving what was not joined is fine. */
  #leave(task: string, room: Room, payload: unknown): readonly Out[] {
    const id = room.of === 'globals' || room.of === 'npm' ? undefined : idOf(payload);
    if (id === undefined && needsId(room)) return this.#finish(task, undefined, sagaError(400, 'the id is missing'));
    const other: Room = room.of === 'runnable' ? { ...room, runnable: room.runnable === 'scripts' ? 'jobs' : 'scripts' } : room;
    // Whoever joined under the wrong name leaves under it.
    return [...(this.#rooms?.leave([room, other], id) ?? []), ...this.#finish(task, { ok: 1 })];
  }

  /** Leaves what may no longer be heard. */
  #recheck(): readonly Out[] {
    return this.#rooms?.leaveUnless((room, id) => this.#may('get', routeOf(room, id))) ?? [];
  }

  // ---- signals (5.2)

  #tell(id: string, signal: SagaSignal, body: unknown): readonly Out[] {
    const { tenant = '' } = this.#principal ?? {};
    const { parent } = signal;
    const publish: Out = { do: 'publish', subject: sagaSignal.subject({ tenant, parent }), body: signal };
    if (this.#rooms?.hears(parent) !== true) return [publish, ...this.#finish(id, body)];
    this.#told ??= new Map();
    this.#told.set(signal.id, () => this.#finish(id, body));
    return [publish, { do: 'set-timer', name: 'signal', ms: SIGNAL_MS }];
  }

  #heard(id: string, body: unknown): readonly Out[] {
    if (id === 'accounts') return this.#accountChanged(isObject(body) ? body.id : undefined);
    // The driver has checked the body against the channel's schema.
    const signal = body as SagaSignal;
    const acknowledge = this.#told?.get(signal.id);
    this.#told?.delete(signal.id);
    return [this.#send({ event: '/signals', body: toSignal(signal) }), ...(acknowledge?.() ?? [])];
  }

  #accountChanged(id: unknown): readonly Out[] {
    const principal = this.#principal;
    if (principal === undefined || (this.#phase !== 'ready' && this.#catchingUp === 0)) return [];
    const recheck: readonly Out[] = (this.#rooms?.size ?? 0) === 0 ? [] : [{ do: 'set-timer', name: 'recheck', ms: RECHECK_MS }];
    if (id !== principal.account) return recheck;
    const { tenant } = principal;
    return [{ do: 'request', id: 'account', call: call(accountsGet, { tenant }, { ids: [principal.account] }), unordered: true }];
  }

  // ---- the rest

  #timer(name: string): readonly Out[] {
    switch (name) {
      case 'auth':
        return this.#phase === 'ready' ? [] : this.#refuse(sagaError(401, 'Authentication Timeout'), this.#authenticating);
      case 'recheck':
        return this.#recheck();
      case 'signal': {
        const late = [...(this.#told?.values() ?? [])];
        this.#told?.clear();
        return late.flatMap((acknowledge) => acknowledge());
      }
      case 'expiry': {
        const ms = (this.#principal?.expiresAt ?? 0) - this.#at;
        if (ms <= 0) return this.#refuse(sagaError(401, 'Token Expired'), undefined);
        return [{ do: 'set-timer', name: 'expiry', ms: Math.min(ms, LONGEST_TIMER_MS) }];
      }
      default:
        return [];
    }
  }

  #may(action: Action, path: string): boolean {
    const principal = this.#principal;
    if (principal === undefined) return false;
    const { rolesOf, selfAccess } = this.#settings;
    const permissions = permissionsOf(rolesOf(principal.tenant), this.#roles);
    return allows(permissions, { path, action, self: selfAccess ? principal.account : undefined });
  }

  #caller(): Caller {
    return { tenant: this.#principal?.tenant ?? '', way: 'socket', at: this.#at, newId: () => this.#newId() };
  }

  #newId(): string {
    this.#count += 1;
    return createHash('sha256').update(`${this.#nonce}\0${this.#count}`).digest('hex').slice(0, 24);
  }

  #by(operation: string) {
    const { account, app } = this.#principal ?? { account: '', app: '' };
    return { by: account, app, origin: { protocol: 'saga', way: 'socket', operation } } as const;
  }

  #idle(): boolean {
    return (this.#tasks?.size ?? 0) === 0 && this.#waiting.length === 0 && this.#authenticating === undefined;
  }

  /** Ends the transport without Socket.IO's own goodbye, after which JavaScript clients would not come back. */
  #leaveQuietly(): readonly Out[] {
    this.#phase = 'closed';
    return [{ do: 'drop' }];
  }

  #send(frame: SagaOut): Out {
    return { do: 'send', frame };
  }
}

const isRestored = (restored: unknown): restored is Restored => isParting(restored) && 'after' in restored;

function problemOfAccount(account: Account | undefined): SagaError | undefined {
  if (account === undefined || account.disabled) return MISSING_USER;
  const { saga } = account.attributes;
  return isObject(saga) && saga.verified === false ? UNVERIFIED : undefined;
}
