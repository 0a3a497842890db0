/** Drives the session with a real WebSocket, timers and promises. */

import type { Effect, Input, Question, RequestOutcome } from './effects.ts';
import { callSafely, Live } from './live.ts';
import type { Row } from './order.ts';
import { ClientSession } from './session.ts';
import { sha256 } from './sha256.ts';
import type { Changed, Created, Credentials, Criteria, Found, LiveQuery, ReadQuery, Resource, Result, Roles, Status } from './types.ts';

/** The part of a WebSocket that is used: of browsers, of Node, or of the package `ws`. */
interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number }) => void) | null;
  onerror: (() => void) | null;
  readonly readyState: number;
  send(text: string): void;
  close(code?: number): void;
}

type SocketClass = new (url: string) => unknown;

export interface Options {
  /** Required where the platform has none (Node 20): the class of the package `ws`. */
  readonly WebSocket?: SocketClass;
  /** Called when the state of the connection changes: whether it is open, how it ended, its roles. */
  readonly onStatus?: (status: Status) => void;
  /** Time limit of a request, reconnections included. Default 30,000. */
  readonly patienceMs?: number;
  /** Back-off: after the n-th lost connection the client waits a random part of `least * 2 ** n`, at most of `most`. */
  readonly backOffMs?: { readonly least: number; readonly most: number };
  /** For resources with integers beyond 2^53: a parser and a writer that keep them exact. Default `JSON`. */
  readonly json?: { parse(text: string): unknown; stringify(value: unknown): string };
}

/** Node has no such events. */
const events = globalThis as {
  readonly addEventListener?: (name: string, listener: () => void) => void;
  readonly removeEventListener?: (name: string, listener: () => void) => void;
};
/** The network is back, or a tab with throttled timers became visible: a pending reconnection is attempted at once. */
const GOOD_MOMENTS = ['online', 'visibilitychange'];
const OPEN = 1;
const PATIENCE_MS = 30_000;
const BACK_OFF_MS = { least: 300, most: 10_000 };

/** Fields of the resources of each topic. */
type AnyTopics = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
type TopicOf<Topics> = keyof Topics & string;

/** A connection to a Good Uncle server, which is re-established until `close()`. */
export class GoodUncle<Topics extends object = AnyTopics> {
  readonly #url: string;
  readonly #options: Options;
  readonly #session: ClientSession;
  readonly #inputs: Input[] = [];
  #running = false;
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #ids = 0;
  readonly #answers = new Map<number, (outcome: RequestOutcome) => void>();
  readonly #lives = new Map<number, Live<Row>>();
  /** Functions that return tokens, by login. */
  readonly #tokens = new Map<string, () => Promise<string | undefined>>();
  readonly #listeners = new Set<(status: Status) => void>();
  #status: Status = { state: 'connecting', roles: [], ended: undefined, retryInMs: undefined, loginRefused: undefined };

  /** @param url `wss://…`; `https://…` and `http://…` are converted to the WebSocket schemes */
  constructor(url: string, options: Options = {}) {
    this.#url = url.replace(/^http/, 'ws');
    this.#options = options;
    if (options.onStatus !== undefined) this.#listeners.add(options.onStatus);
    this.#session = new ClientSession({
      random: Math.random,
      parse: (text) => (options.json ?? JSON).parse(text),
      backOffMs: options.backOffMs ?? BACK_OFF_MS,
      patienceMs: options.patienceMs ?? PATIENCE_MS,
    });
    for (const name of GOOD_MOMENTS) events.addEventListener?.(name, this.#hurry);
    this.#handle({ kind: 'tick' });
  }

  get status(): Status {
    return this.#status;
  }

  /** Subscribes to status changes. @returns a function that unsubscribes */
  onStatus(listener: (status: Status) => void): () => void {
    const own = (status: Status): void => listener(status);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Logs in, now and after every reconnection. Later requests have the new roles, even if the answer is not awaited. */
  async upgrade(credentials: Credentials & { readonly role?: string }): Promise<Result<Roles>> {
    const { role } = credentials;
    if ('token' in credentials && typeof credentials.token === 'function') {
      const { token } = credentials;
      const login = `token/${role ?? ''}`;
      this.#tokens.set(login, async () => {
        try {
          return this.#stringify({ type: 'upgrade', token: await token(), role });
        } catch {
          // It counts as refused, and the caller receives the failure.
          return undefined;
        }
      });
      return rolesOf(await this.#request('upgrade', {}, { login, fresh: true }));
    }
    const by =
      'token' in credentials
        ? { token: credentials.token }
        : {
            user: credentials.user,
            password: 'passwordHash' in credentials ? credentials.passwordHash : sha256(credentials.password),
          };
    const login = `${'user' in by ? `user ${by.user}` : 'token'}/${role ?? ''}`;
    return rolesOf(await this.#request('upgrade', { ...by, role }, { login }));
  }

  /** Gives up all roles. Subscriptions keep the roles they were made with until the next reconnection. */
  async downgrade(): Promise<Result<Roles>> {
    return rolesOf(await this.#request('downgrade', {}));
  }

  /**
   * Creates a resource, once: if the connection ends before the answer, the request is retried with the same `once`, which the server
   * remembers for ten minutes.
   * @param options `once: false` disables this: the outcome may then be `unknown`
   */
  async create<Topic extends TopicOf<Topics>>(
    topic: Topic,
    params: Topics[Topic] & { readonly id?: string },
    options: { readonly once?: string | false } = {},
  ): Promise<Result<Created<Resource<Topics[Topic]>>>> {
    const once = options.once === false ? undefined : (options.once ?? randomName());
    const outcome = await this.#request('create', { topic, params, once }, { repeatable: once !== undefined });
    if (!outcome.ok) return outcome;
    return { ok: true, resource: outcome.response.payload as Resource<unknown> as Resource<Topics[Topic]>, version: versionOf(outcome) };
  }

  /** Reads resources as of one commit. No match is an empty list. */
  async read<Topic extends TopicOf<Topics>>(query: ReadQuery<Topic, Topics[Topic]>): Promise<Result<Found<Resource<Topics[Topic]>>>> {
    const { topic, criteria = {}, fields, sort, limit, after } = query;
    const outcome = await this.#request('read', { topic, criteria, fields, sort, limit, after });
    if (!outcome.ok) return outcome;
    const { version, cursor } = outcome.response;
    return { ok: true, rows: outcome.rows as readonly Resource<unknown>[] as readonly Resource<Topics[Topic]>[], version, cursor };
  }

  async count<Topic extends TopicOf<Topics>>(
    topic: Topic,
    criteria: Criteria<Topics[Topic]> = {},
  ): Promise<Result<{ readonly count: number; readonly version: number }>> {
    const outcome = await this.#request('count', { topic, criteria, count: true });
    return outcome.ok ? { ok: true, count: outcome.response.payload.count, version: versionOf(outcome) } : outcome;
  }

  /**
   * Updates all matching resources, or none. Names with dots set values inside objects.
   * @param options `unset`: fields to remove; `expect`: the required number of matches
   */
  async update<Topic extends TopicOf<Topics>>(
    topic: Topic,
    criteria: Criteria<Topics[Topic]>,
    params: Partial<Topics[Topic]> & { readonly [path: `${string}.${string}`]: unknown },
    options: { readonly unset?: readonly (keyof Topics[Topic] & string)[]; readonly expect?: number } = {},
  ): Promise<Result<Changed>> {
    return changed(await this.#request('update', { topic, criteria, params, ...options }, { repeatable: false }));
  }

  /** Deletes all matching resources, or none. */
  async delete<Topic extends TopicOf<Topics>>(
    topic: Topic,
    criteria: Criteria<Topics[Topic]>,
    options: { readonly expect?: number } = {},
  ): Promise<Result<Changed>> {
    return changed(await this.#request('delete', { topic, criteria, ...options }, { repeatable: false }));
  }

  /**
   * A live result. Without `limit` it is in the order of `sort`, or of the ids; with both it is a window of the first `limit` resources.
   */
  subscribe<Topic extends TopicOf<Topics>>(query: LiveQuery<Topic, Topics[Topic]>): Live<Resource<Topics[Topic]>> {
    const { topic, criteria = {}, fields, sort, limit, throttle } = query;
    // Without positions from the server, rows are sorted here, so the sort fields are needed.
    const needed = limit === undefined ? (sort ?? []).map((step) => step.replace(/^-/, '').split('.', 1)[0] ?? '') : [];
    const hidden = fields === undefined ? [] : needed.filter((name) => name !== 'id' && !(fields as readonly string[]).includes(name));
    const asked = fields === undefined ? undefined : [...fields, ...hidden];
    const text = this.#stringify({ type: 'subscribe', topic, criteria, fields: asked, sort, limit, throttle });
    this.#ids += 1;
    const id = this.#ids;
    const live = new Live<Row>(() => {
      this.#lives.delete(id);
      this.#handle({ kind: 'unsubscribe', id });
    });
    this.#lives.set(id, live);
    this.#handle({ kind: 'subscribe', id, request: { text, sort, limit, hidden } });
    return live as Live<unknown> as Live<Resource<Topics[Topic]>>;
  }

  /** Closes the connection permanently. Waiting requests are answered with `closed`, and writes that were sent with `unknown`. */
  close(): void {
    for (const name of GOOD_MOMENTS) events.removeEventListener?.(name, this.#hurry);
    this.#handle({ kind: 'close' });
  }

  // ---- driving the session

  readonly #hurry = (): void => this.#handle({ kind: 'hurry' });

  #stringify(value: object): string {
    return (this.#options.json ?? JSON).stringify(value);
  }

  #request(
    kind: Question['kind'],
    request: object,
    { repeatable = true, ...more }: Partial<Pick<Question, 'repeatable' | 'login' | 'fresh'>> = {},
  ): Promise<RequestOutcome> {
    const type = kind === 'count' ? 'read' : kind;
    const text = this.#stringify({ type, ...request });
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#handle({ kind: 'request', id, question: { kind, text, repeatable, ...more } });
    });
  }

  /** Handles one input after the other, also if carrying out an effect causes the next one. */
  #handle(input: Input): void {
    this.#inputs.push(input);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const effect of this.#session.handle(next, performance.now())) this.#carryOut(effect);
    }
    this.#running = false;
    this.#setTimer();
  }

  #carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'connect':
        this.#connect();
        break;
      case 'send':
        if (this.#socket?.readyState === OPEN) this.#socket.send(effect.text);
        break;
      case 'disconnect':
        this.#disconnect();
        break;
      case 'credentials':
        void this.#tokens
          .get(effect.login)?.()
          .then((text) => this.#handle({ kind: 'credentials', ref: effect.ref, text }));
        break;
      case 'answer':
        this.#answers.get(effect.id)?.(effect.outcome);
        this.#answers.delete(effect.id);
        break;
      case 'update':
        this.#lives.get(effect.id)?.take(effect.update);
        if (effect.update.state === 'ended') this.#lives.delete(effect.id);
        break;
      case 'status':
        this.#status = effect.status;
        for (const listener of [...this.#listeners]) callSafely(() => listener(effect.status));
        break;
    }
  }

  #connect(): void {
    const given = this.#options.WebSocket ?? globalThis.WebSocket;
    if (given === undefined) throw new Error('there is no WebSocket here: give the one of the package ws as the option WebSocket');
    // Only the handlers that are set below are used.
    const socket = new (given as new (url: string) => Socket)(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#handle({ kind: 'connected' });
    // The heartbeat is sent from here, because browsers throttle the timers of hidden tabs, but not messages.
    socket.onmessage = ({ data }) => this.#handle({ kind: 'message', text: String(data) });
    socket.onclose = ({ code }) => this.#handle({ kind: 'disconnected', code });
    // A close event follows.
    socket.onerror = () => {};
  }

  #disconnect(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #setTimer(): void {
    const { dueAt } = this.#session;
    // A timer that fires early is harmless: most are overtaken by messages.
    if (this.#timer !== undefined && this.#timerAt <= dueAt && dueAt !== Number.POSITIVE_INFINITY) return;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = dueAt;
    if (dueAt === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#handle({ kind: 'tick' });
      },
      Math.max(0, Math.ceil(dueAt - performance.now())),
    );
  }
}

const versionOf = ({ response }: Extract<RequestOutcome, { ok: true }>): number => response.version ?? 0;

const rolesOf = (outcome: RequestOutcome): Result<Roles> => (outcome.ok ? { ok: true, roles: outcome.roles } : outcome);

function changed(outcome: RequestOutcome): Result<Changed> {
  if (!outcome.ok) return outcome;
  const { count, ids } = outcome.response.payload;
  return { ok: true, count, ids, version: versionOf(outcome) };
}

/** A unique name. `crypto.randomUUID` exists on https pages only. */
const randomName = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
