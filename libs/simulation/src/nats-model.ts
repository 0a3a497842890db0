/**
 * A model of core NATS with one server, as its clients see it: interest by subject, queue groups, delivery at most once and in order per connection, "no
 * responders", and the end of connections that do not read. Faults are injected by the caller.
 */
import type { VirtualTime } from './virtual-time.ts';

export interface NatsMessage {
  readonly subject: string;
  readonly text: string;
  /** The subject of the answer. */
  readonly reply: string | undefined;
  /** The requester's deadline, on the virtual clock. */
  readonly deadline: number | undefined;
  /** `no-responders` is the server's answer if nobody listens; `failure` that of a responder that failed. */
  readonly kind: 'message' | 'failure' | 'no-responders';
  /** The text, parsed on first use and shared: receivers do not change it. */
  body: unknown;
}

/** Callbacks of a connection's client. */
export interface NatsClient {
  message(message: NatsMessage, subscription: number): void;
  connected(): void;
  disconnected(): void;
  /** Runs work in the client's process, as soon as that can run. */
  run(work: () => void): void;
}

type Route = readonly [link: NatsLink, subscription: number, queue: string | undefined];

interface Subscribed {
  readonly pattern: readonly string[];
  readonly queue: string | undefined;
}

/** How long a silent connection counts as alive: two pings of five seconds. */
const STALE_MS = 10_000;
const INBOX = '_INBOX.';

export class NatsModel {
  readonly time: VirtualTime;
  readonly #random: () => number;
  readonly #links = new Set<NatsLink>();
  readonly #maxPending: number;
  /** The receivers of each subject, until a subscription to it changes. All answers to one client share an entry, as they share a subscription. */
  readonly #routes = new Map<string, readonly Route[]>();
  #isUp = true;

  /** @param options the bytes that a connection may have unread before it is cut */
  constructor(time: VirtualTime, random: () => number, options: { readonly maxPending?: number } = {}) {
    this.time = time;
    this.#random = random;
    this.#maxPending = options.maxPending ?? 64 * 1024 * 1024;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get maxPending(): number {
    return this.#maxPending;
  }

  get latency(): number {
    return 0.2 + this.#random() * 2;
  }

  /** A connection that reconnects for ever, with all its subscriptions. */
  connect(client: NatsClient): NatsLink {
    const link = new NatsLink(this, client);
    this.#links.add(link);
    return link;
  }

  forget(link: NatsLink): void {
    this.#links.delete(link);
    this.#routes.clear();
  }

  /** The server's subscriptions have changed. @param pattern the only one that was added or removed */
  subscriptionsChanged(pattern?: readonly string[]): void {
    if (pattern === undefined || pattern.includes('*') || pattern.includes('>')) this.#routes.clear();
    else this.#routes.delete(pattern.join('.'));
  }

  /** The server is unavailable for some milliseconds; everything in flight is lost. */
  restart(ms: number): void {
    this.#isUp = false;
    for (const link of this.#links) link.cut();
    this.time.after(ms, () => {
      this.#isUp = true;
    });
  }

  get retryMs(): number {
    return 100 + this.#random() * 400;
  }

  get staleMs(): number {
    return STALE_MS + this.#random() * 5000;
  }

  /** A message has reached the server. */
  route(message: NatsMessage, from: NatsLink): void {
    const routes = this.#routesOf(message.subject);
    const queues = new Map<string, Route[]>();
    for (const route of routes) {
      const [link, id, queue] = route;
      // The message before this one may have cut it.
      if (!link.known.has(id)) continue;
      if (queue === undefined) link.send(message, id);
      else if (queues.get(queue)?.push(route) === undefined) queues.set(queue, [route]);
    }
    for (const members of queues.values()) {
      const chosen = members[Math.floor(this.#random() * members.length)];
      if (chosen !== undefined) chosen[0].send(message, chosen[1]);
    }
    if (routes.length > 0 || message.reply === undefined) return;
    // The server itself answers, if the requester listens for the answer.
    this.route({ subject: message.reply, text: '', reply: undefined, deadline: undefined, kind: 'no-responders', body: undefined }, from);
  }

  #routesOf(subject: string): readonly Route[] {
    const key = subject.startsWith(INBOX) ? subject.slice(0, subject.lastIndexOf('.')) : subject;
    const known = this.#routes.get(key);
    if (known !== undefined) return known;
    const tokens = subject.split('.');
    const routes: Route[] = [];
    for (const link of this.#links)
      for (const [id, { pattern, queue }] of link.known) if (matches(pattern, tokens)) routes.push([link, id, queue]);
    this.#routes.set(key, routes);
    return routes;
  }
}

/** One client's connection. */
export class NatsLink {
  /** The subscriptions that the server knows. */
  readonly known = new Map<number, Subscribed>();
  readonly #server: NatsModel;
  readonly #client: NatsClient;
  /** The client's subscriptions, on this connection and later ones. */
  readonly #wanted = new Map<number, Subscribed>();
  #isConnected = true;
  #isClosed = false;
  /** The number of the connection: messages in flight on an older one are lost. */
  #number = 1;
  #subscriptions = 0;
  /** When the last message arrives, in each direction. */
  #there = 0;
  #back = 0;
  #owed = 0;
  /** Until this time nothing gets through, and neither end knows. */
  #silentUntil = 0;

  constructor(server: NatsModel, client: NatsClient) {
    this.#server = server;
    this.#client = client;
  }

  /** When messages get through again. */
  get silentUntil(): number {
    return this.#silentUntil;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  publish(message: NatsMessage): void {
    if (this.#isConnected) this.#toServer(() => this.#server.route(message, this));
  }

  subscribe(pattern: string, queue?: string): number {
    this.#subscriptions += 1;
    const id = this.#subscriptions;
    this.#wanted.set(id, { pattern: pattern.split('.'), queue });
    if (this.#isConnected) this.#tell(id);
    return id;
  }

  unsubscribe(id: number): void {
    this.#wanted.delete(id);
    if (this.#isConnected) this.#toServer(() => this.#forget(id));
  }

  /** Ends a subscription; messages that the server has already sent still arrive. */
  drain(id: number): void {
    if (!this.#isConnected) this.#wanted.delete(id);
    else
      this.#toServer(() => {
        this.#forget(id);
        this.#toClient(0, () => this.#wanted.delete(id));
      });
  }

  /** A round trip after everything sent before. */
  flush(flushed: () => void): void {
    if (this.#isConnected) this.#toServer(() => this.#toClient(0, flushed));
  }

  /** Breaks the connection; both ends know. */
  cut(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#number += 1;
    this.#owed = 0;
    this.#silentUntil = 0;
    this.known.clear();
    this.#server.subscriptionsChanged();
    this.#client.run(() => {
      if (this.#isClosed) return;
      this.#client.disconnected();
      this.#reconnectLater();
    });
  }

  /** Nothing gets through for some milliseconds. If that lasts, the client notices by its pings, and reconnects. */
  silence(ms: number): void {
    if (!this.#isConnected) return;
    this.#silentUntil = Math.max(this.#silentUntil, this.#server.time.now + ms);
    const number = this.#number;
    const staleMs = this.#server.staleMs;
    if (ms < staleMs) return;
    this.#server.time.after(staleMs, () => {
      if (number === this.#number) this.cut();
    });
  }

  /** Ends the connection for good: its process has ended, or closed it. */
  close(): void {
    this.#isClosed = true;
    this.#isConnected = false;
    this.#number += 1;
    this.known.clear();
    this.#server.forget(this);
  }

  /** The server has a message for this client. */
  send(message: NatsMessage, subscription: number): void {
    const bytes = message.text.length + message.subject.length;
    this.#owed += bytes;
    if (this.#owed > this.#server.maxPending) {
      this.cut();
      return;
    }
    this.#toClient(bytes, () => {
      if (this.#wanted.has(subscription)) this.#client.message(message, subscription);
    });
  }

  #reconnectLater(): void {
    this.#server.time.after(this.#server.retryMs, () =>
      this.#client.run(() => {
        if (this.#isClosed) return;
        if (!this.#server.isUp) {
          this.#reconnectLater();
          return;
        }
        this.#isConnected = true;
        for (const id of this.#wanted.keys()) this.#tell(id);
        this.#client.connected();
      }),
    );
  }

  #tell(id: number): void {
    this.#toServer(() => {
      const wanted = this.#wanted.get(id);
      if (wanted === undefined) return;
      this.known.set(id, wanted);
      this.#server.subscriptionsChanged(wanted.pattern);
    });
  }

  #forget(id: number): void {
    const known = this.known.get(id);
    if (known === undefined) return;
    this.known.delete(id);
    this.#server.subscriptionsChanged(known.pattern);
  }

  #toServer(arrive: () => void): void {
    const { time, latency } = this.#server;
    const number = this.#number;
    this.#there = Math.max(this.#there, time.now + latency, this.#silentUntil);
    const travel = (): void => {
      if (number !== this.#number) return;
      if (this.#silentUntil <= time.now) arrive();
      else time.after(this.#silentUntil - time.now, travel);
    };
    time.after(this.#there - time.now, travel);
  }

  #toClient(bytes: number, arrive: () => void): void {
    const { time, latency } = this.#server;
    const number = this.#number;
    this.#back = Math.max(this.#back, time.now + latency, this.#silentUntil);
    const travel = (): void => {
      if (number !== this.#number) return;
      if (this.#silentUntil > time.now) {
        time.after(this.#silentUntil - time.now, travel);
        return;
      }
      this.#client.run(() => {
        if (number !== this.#number) return;
        this.#owed -= bytes;
        arrive();
      });
    };
    time.after(this.#back - time.now, travel);
  }
}

/** The rule of NATS: `*` stands for one token, `>` at the end for one or more. */
function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  if (pattern.at(-1) === '>') {
    return tokens.length >= pattern.length && pattern.slice(0, -1).every((part, at) => part === '*' || part === tokens[at]);
  }
  return pattern.length === tokens.length && pattern.every((part, at) => part === '*' || part === tokens[at]);
}
