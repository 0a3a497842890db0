/**
 * The client's protocol session, across connections (Good Uncle Websocket API). `handle(input, at)` returns effects: no clock, sockets or
 * timers here. Its driver calls it with every input, and with `tick` at `dueAt` at the latest.
 */
import type { Effect, Input, Question, RequestOutcome, Settings } from './effects.ts';
import { failure, failureOf, tooLarge } from './failure.ts';
import { Outbox, type QueuedRequest, type RequestKind, wasWrite } from './outbox.ts';
import { Subscriptions } from './subscriptions.ts';
import type { ConnectionState, Failure, Status } from './types.ts';
import { type Answer, BEAT, decode, isTooLarge, meaningOf, type Response } from './wire.ts';

/** A heartbeat is sent when a message arrives after this long without sending; the timer only covers silence. */
const BEAT_MS = 250;
const BEAT_FALLBACK_MS = 500;
const FAULTY_MS = 1000;
const DEAD_MS = 3000;
const CONNECT_MS = 5000;
const UPGRADE_REPEATS = 3;
/** The server remembers a `once` for ten minutes. */
const ONCE_MS = 540_000;
/** A connection that lasted this long resets the back-off. */
const HEALTHY_MS = 5000;
const NEVER = Number.POSITIVE_INFINITY;

export class ClientSession {
  /** When it needs a `tick`. */
  dueAt = NEVER;
  readonly #settings: Settings;
  readonly #outbox = new Outbox();
  readonly #subscriptions: Subscriptions;
  #effects: Effect[] = [];
  #at = 0;
  #state: ConnectionState = 'waiting';
  #connectAt = 0;
  /** Times when the connection was started and opened, and of the last message received and sent. */
  #since = 0;
  #heardAt = 0;
  #sentAt = 0;
  #attempts = 0;
  #count = 0;
  #roles: readonly string[] = [];
  #ended: Status['ended'];
  #loginRefused: Failure | undefined;
  #shownStatus = '';
  /** Accepted upgrades by login; repeated after a reconnection. */
  readonly #logins = new Map<string, Login>();
  /** Upgrades in progress, by ref. */
  readonly #upgrading = new Map<string, Login & { readonly login: string }>();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#subscriptions = new Subscriptions({
      subscribe: ({ id, order, name, text, notBefore }) =>
        this.#queue('subscribe', id, `${text.slice(0, -1)},"subscription":"${name}"}`, { order, ref: name, notBefore }),
      withdraw: (name) => this.#withdraw(name),
      slowDown: () => this.#outbox.pause(this.#at, settings.random()),
      notify: (id, update) => this.#effects.push({ do: 'update', id, update }),
      backOffMs: (failures) => this.#backOffMs(failures),
      reconnect: (why) => this.#lost(undefined, why),
    });
  }

  get #isConnected(): boolean {
    return this.#state === 'open' || this.#state === 'faulty';
  }

  handle(input: Input, at: number): readonly Effect[] {
    this.#at = Math.max(at, this.#at);
    switch (input.kind) {
      case 'connected':
        this.#connected();
        break;
      case 'message':
        this.#received(input.text);
        break;
      case 'disconnected':
        if (this.#state === 'connecting' || this.#isConnected) this.#lost(input.code);
        break;
      case 'hurry':
        this.#connectAt = this.#at;
        break;
      case 'request':
        this.#question(input.id, input.question);
        break;
      case 'subscribe':
        this.#count += 1;
        this.#subscriptions.add(input.id, this.#count, input.request);
        if (this.#state === 'closed') this.#subscriptions.end(input.id, failure('closed'));
        else if (isTooLarge(input.request.text)) this.#subscriptions.end(input.id, tooLarge());
        break;
      case 'unsubscribe':
        this.#subscriptions.remove(input.id);
        break;
      case 'credentials':
        this.#credentials(input.ref, input.text);
        break;
      case 'close':
        this.#close();
        break;
      case 'tick':
        break;
    }
    this.#tend(input.kind === 'message' ? BEAT_MS : BEAT_FALLBACK_MS);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  // ---- the connection

  /** Does what is due, and requests the next tick. */
  #tend(beatMs: number): void {
    if (this.#state === 'closed') {
      this.#reportStatus();
      this.dueAt = NEVER;
      return;
    }
    const silence = this.#at - this.#heardAt;
    if (this.#state === 'connecting' && this.#at - this.#since >= CONNECT_MS) this.#lost(undefined);
    else if (this.#isConnected && silence >= DEAD_MS) this.#lost(undefined);
    else if (this.#isConnected) this.#state = silence >= FAULTY_MS ? 'faulty' : 'open';
    if (this.#state === 'waiting' && this.#at >= this.#connectAt) {
      this.#state = 'connecting';
      this.#since = this.#at;
      this.#effects.push({ do: 'connect' });
    }
    for (const { item, wasSent } of this.#outbox.expired(this.#at)) this.#expired(item, wasSent);
    if (this.#isConnected) {
      for (let item = this.#outbox.next(this.#at); item !== undefined; item = this.#outbox.next(this.#at)) this.#sendItem(item);
      if (this.#at - this.#sentAt >= beatMs) this.#send(BEAT);
    }
    this.#reportStatus();
    this.dueAt = Math.min(this.#outbox.due(this.#isConnected), this.#connectionDue());
  }

  #connectionDue(): number {
    switch (this.#state) {
      case 'waiting':
        return this.#connectAt;
      case 'connecting':
        return this.#since + CONNECT_MS;
      case 'open':
        return Math.min(this.#sentAt + BEAT_FALLBACK_MS, this.#heardAt + FAULTY_MS);
      case 'faulty':
        return Math.min(this.#sentAt + BEAT_FALLBACK_MS, this.#heardAt + DEAD_MS);
      case 'closed':
        return NEVER;
    }
  }

  #connected(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#since = this.#at;
    this.#heardAt = this.#at;
    this.#sentAt = this.#at;
    // Nothing survives a connection. Logins precede all other requests.
    for (const [at, [login, { text, fresh }]] of [...this.#logins].entries()) {
      const ref = this.#newRef();
      const deadline = this.#at + this.#settings.patienceMs;
      const begins = { deadline, ...this.#logIn(ref, { login, text, fresh }) };
      this.#queue('login', 0, withRef(text, ref), { order: at - this.#logins.size, ref, ...begins });
    }
  }

  /** @param code of the close event; undefined if the client closed the connection */
  #lost(code: number | undefined, means = this.#state === 'connecting' ? 'the server could not be reached' : meaningOf(code)): void {
    if (this.#isConnected && this.#at - this.#since >= HEALTHY_MS) this.#attempts = 0;
    this.#effects.push({ do: 'disconnect' });
    this.#connectAt = this.#at + this.#backOffMs(this.#attempts);
    this.#attempts += 1;
    this.#ended = { code, means };
    this.#state = 'waiting';
    this.#roles = [];
    for (const item of this.#outbox.lost(['login', 'subscribe', 'unsubscribe'])) this.#lostItem(item);
    this.#subscriptions.lost();
  }

  /** A random part of a time that doubles, so that clients reconnect at different times. */
  #backOffMs(failures: number): number {
    const { least, most } = this.#settings.backOffMs;
    return this.#settings.random() * Math.min(most, least * 2 ** failures);
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#effects.push({ do: 'disconnect' });
    this.#state = 'closed';
    this.#roles = [];
    for (const item of this.#outbox.lost([])) this.#settle(item, failure(wasWrite(item) ? 'unknown' : 'closed'));
    for (const { item } of this.#outbox.expired(NEVER)) this.#settle(item, failure(item.uncertain ? 'unknown' : 'closed'));
    this.#subscriptions.close(failure('closed', 'the client was closed'));
  }

  #send(text: string): void {
    this.#sentAt = this.#at;
    this.#effects.push({ do: 'send', text });
  }

  #received(text: string): void {
    this.#heardAt = this.#at;
    if (!this.#isConnected || text.length <= 1) return;
    const answer = decode(text, this.#settings.parse);
    if (answer !== undefined) this.#take(answer);
  }

  #reportStatus(): void {
    const retryAt = this.#state === 'waiting' ? this.#connectAt : undefined;
    const text = [this.#state, ...this.#roles, this.#ended?.code, retryAt, this.#loginRefused?.message].join(' ');
    if (text === this.#shownStatus) return;
    this.#shownStatus = text;
    const status: Status = {
      state: this.#state,
      roles: this.#roles,
      ended: this.#state === 'closed' ? undefined : this.#ended,
      retryInMs: retryAt === undefined ? undefined : retryAt - this.#at,
      loginRefused: this.#loginRefused,
    };
    this.#effects.push({ do: 'status', status });
  }

  // ---- requests

  #newRef(): string {
    this.#count += 1;
    return `r${this.#count}`;
  }

  #question(id: number, { kind, text, repeatable, login, fresh = false }: Question): void {
    const ref = this.#newRef();
    const why =
      this.#state === 'closed' ? failure('closed') : this.#outbox.full ? failure('busy') : isTooLarge(text) ? tooLarge() : undefined;
    if (why !== undefined) {
      this.#effects.push({ do: 'answer', id, outcome: why });
      return;
    }
    const begins = login === undefined ? {} : this.#logIn(ref, { login, text, fresh });
    const deadline = this.#at + this.#settings.patienceMs;
    this.#queue(kind, id, withRef(text, ref), { order: this.#count, ref, repeatable, deadline, ...begins });
  }

  /** @returns when it may be sent: not before there is a token, if it needs one */
  #logIn(ref: string, login: Login & { readonly login: string }): { readonly notBefore: number } {
    this.#upgrading.set(ref, login);
    if (login.fresh) this.#effects.push({ do: 'credentials', ref, login: login.login });
    return { notBefore: login.fresh ? NEVER : 0 };
  }

  #credentials(ref: string, text: string | undefined): void {
    const item = this.#outbox.waiting(ref);
    // It has timed out, or belongs to an earlier connection.
    if (item === undefined) return;
    if (text === undefined) {
      this.#outbox.cancel(ref);
      this.#refuseLogin(item, failure('forbidden', 'there was no token'));
      return;
    }
    item.text = withRef(text, ref);
    item.notBefore = 0;
  }

  #queue(
    kind: RequestKind,
    id: number,
    text: string,
    more: Pick<QueuedRequest, 'order' | 'ref'> & Partial<Pick<QueuedRequest, 'repeatable' | 'deadline' | 'notBefore'>>,
  ): void {
    this.#outbox.add({
      ...{ kind, id, text, repeatable: true, deadline: NEVER, notBefore: 0, failures: 0, uncertain: false },
      ...{ sentAs: undefined, sentAt: 0, rows: [], refused: undefined, ...more },
    });
  }

  #withdraw(name: string): void {
    if (this.#outbox.cancel(name) || !this.#isConnected) return;
    this.#count += 1;
    const ref = `u${name}`;
    this.#queue('unsubscribe', 0, `{"type":"unsubscribe","subscription":"${name}","ref":"${ref}"}`, { order: this.#count, ref });
  }

  #sendItem(item: QueuedRequest): void {
    const as = [...this.#logins.keys()].join(' ');
    // The server recognises a repeated create by its account, and not for ever.
    if (item.uncertain && item.kind === 'create' && (item.sentAs !== as || this.#at - item.sentAt > ONCE_MS)) {
      this.#outbox.remove(item.ref);
      this.#settle(item, failure('unknown'));
      return;
    }
    if (item.sentAs === undefined) item.sentAt = this.#at;
    item.sentAs ??= as;
    this.#send(item.text);
  }

  #lostItem(item: QueuedRequest): void {
    switch (item.kind) {
      case 'login':
        this.#upgrading.delete(item.ref);
        break;
      case 'subscribe':
      case 'unsubscribe':
        break;
      default:
        if (item.repeatable) {
          item.uncertain ||= wasWrite(item);
          this.#outbox.again(item);
        } else this.#settle(item, failure('unknown'));
    }
  }

  #expired(item: QueuedRequest, wasSent: boolean): void {
    // Everything else waits for it, perhaps for a token that never comes.
    if (item.kind === 'login') this.#lost(undefined, 'the login was not answered in time');
    const unknown = item.uncertain || (wasSent && wasWrite(item));
    this.#settle(item, unknown ? failure('unknown') : (item.refused ?? failure('unreachable')));
  }

  #settle(item: QueuedRequest, outcome: RequestOutcome): void {
    this.#upgrading.delete(item.ref);
    if (item.kind !== 'login' && item.kind !== 'subscribe' && item.kind !== 'unsubscribe')
      this.#effects.push({ do: 'answer', id: item.id, outcome });
  }

  #take({ session, request, response }: Answer): void {
    this.#roles = session.roles;
    const { type, subscription, ref = '' } = request.payload;
    if (response.code === 'ok') this.#outbox.carriedOut();
    if (type === 'subscribe') {
      this.#outbox.remove(subscription ?? '');
      this.#subscriptions.take(subscription ?? '', response, this.#at);
      return;
    }
    const item = this.#outbox.sent(ref);
    if (item === undefined) return;
    if (response.code === 'ok') this.#ok(item, response);
    else this.#refused(item, response);
  }

  #ok(item: QueuedRequest, response: Response): void {
    if (item.kind === 'read') item.rows.push(response.payload);
    if (response.last !== true) return;
    this.#outbox.remove(item.ref);
    const upgrade = this.#upgrading.get(item.ref);
    if (upgrade !== undefined) {
      // The newest is repeated last.
      if (item.kind === 'upgrade') this.#logins.delete(upgrade.login);
      this.#logins.set(upgrade.login, upgrade);
      this.#loginRefused = undefined;
    }
    if (item.kind === 'downgrade') this.#logins.clear();
    this.#settle(item, { ok: true, response, rows: Object.freeze(item.rows), roles: this.#roles });
  }

  #refused(item: QueuedRequest, response: Response): void {
    const why = failureOf(response);
    item.refused = why;
    // It may also mean too many wrong passwords, and requests after an upgrade must not wait for that.
    if (response.code === 'slow down' && (item.kind !== 'upgrade' || item.failures < UPGRADE_REPEATS)) {
      if (item.kind === 'upgrade') item.failures += 1;
      this.#outbox.pause(this.#at, this.#settings.random());
      this.#outbox.again(item);
      return;
    }
    if (response.code === 'error' && item.repeatable && item.kind !== 'unsubscribe') {
      item.notBefore = this.#at + this.#backOffMs(item.failures);
      item.failures += 1;
      item.uncertain ||= item.kind === 'create';
      this.#outbox.again(item);
      return;
    }
    this.#outbox.remove(item.ref);
    if (item.kind === 'login' || item.kind === 'upgrade') {
      this.#refuseLogin(item, why);
      return;
    }
    if (item.kind === 'read' && response.code === 'not found') {
      this.#settle(item, { ok: true, response, rows: Object.freeze([]), roles: this.#roles });
      return;
    }
    const isUnknown = item.uncertain || (response.code === 'error' && wasWrite(item));
    this.#settle(item, isUnknown ? failure('unknown', why.message, why.problems) : why);
  }

  /** One that was accepted before is not retried. */
  #refuseLogin(item: QueuedRequest, why: Failure): void {
    if (item.kind === 'login') {
      const login = this.#upgrading.get(item.ref)?.login;
      if (login !== undefined) this.#logins.delete(login);
      this.#loginRefused = why;
    }
    this.#settle(item, why);
  }
}

interface Login {
  readonly text: string;
  readonly fresh: boolean;
}

const withRef = (text: string, ref: string): string => `${text.slice(0, -1)},"ref":"${ref}"}`;
