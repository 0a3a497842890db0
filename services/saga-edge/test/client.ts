/** Saga clients as tests drive them: REST by fetch, sockets by any generation of socket.io-client. */
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { io } from 'socket.io-client';
import io2 from 'socket.io-client-2';
import { io as io3 } from 'socket.io-client-3';
import { ADMIN } from './system.ts';

// Whatever JSON the server sent; tests look into it field by field.
// biome-ignore lint/suspicious/noExplicitAny: a type would have to be claimed at each of these fields, and checks nothing
type Body = any;

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly link: string | null;
}

export interface Ack {
  readonly status_code: number;
  readonly body: Body;
}

export type Entry = { readonly ev: string; readonly payload: Ack['body'] } | ({ readonly ack: string } & Ack);

export interface RawSocket {
  on(event: string, listener: (payload: unknown) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  disconnect(): unknown;
}

export type Generation = 2 | 3 | 4;
export type Transports = readonly ('websocket' | 'polling')[];

/** Every name a server may send an event under. */
const EVENTS = [
  'authenticated',
  'unauthorized',
  'error',
  '/properties',
  '/signals',
  '/messages',
  '/messages/incoming',
  '/messages/outgoing',
  '/runnable_calls',
  '/runnable_logs',
  '/runnable_versions',
  '/npm_packages',
];

export function rest(url: string, token?: string) {
  return async (method: string, path: string, data?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(data === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { 'access-token': token }),
        ...headers,
      },
      ...(data === undefined ? {} : { body: typeof data === 'string' ? data : JSON.stringify(data) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), link: response.headers.get('link') };
  };
}

export function connect(url: string, transports: Transports = ['websocket'], generation: Generation = 4): RawSocket {
  const options = { transports: [...transports], reconnection: false, forceNew: true };
  if (generation === 2) return io2(url, options) as RawSocket;
  return generation === 3 ? (io3(url, options) as RawSocket) : (io(url, options) as RawSocket);
}

/** A socket with a log of everything that arrived, in the order of arrival. */
export class Client {
  readonly socket: RawSocket;
  readonly log: Entry[] = [];
  reason: string | undefined;
  #waiting: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(socket: RawSocket) {
    this.socket = socket;
    for (const ev of EVENTS) {
      socket.on(ev, (payload) => {
        this.log.push({ ev, payload });
        this.#look();
      });
    }
    socket.on('disconnect', (reason) => {
      this.reason = String(reason);
      this.#look();
    });
  }

  /** Emits with a callback and waits for the acknowledgement. */
  send(event: string, ...args: unknown[]): Promise<Ack> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no acknowledgement of ${event}`)), PATIENCE_MS);
      this.socket.emit(event, ...args, (ack: Ack) => {
        clearTimeout(late);
        this.log.push({ ack: event, ...ack });
        this.#look();
        resolve(ack);
      });
    });
  }

  emit(event: string, ...args: unknown[]): void {
    this.socket.emit(event, ...args);
  }

  events(name: string): Ack['body'][] {
    return this.log.flatMap((entry) => ('ev' in entry && entry.ev === name ? [entry.payload] : []));
  }

  async until(test: () => boolean, what = 'a condition'): Promise<void> {
    if (test()) return;
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${what} did not come true; log: ${JSON.stringify(this.log).slice(-1500)}`)),
        PATIENCE_MS,
      );
      this.#waiting.push({
        test,
        resolve: () => {
          clearTimeout(late);
          resolve();
        },
      });
    });
  }

  async next(event: string, count = 1): Promise<Ack['body']> {
    await this.until(() => this.events(event).length >= count, event);
    return this.events(event)[count - 1];
  }

  close(): void {
    this.socket.disconnect();
  }

  #look(): void {
    const ready = this.#waiting.filter(({ test }) => test());
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
    for (const { resolve } of ready) resolve();
  }
}

export interface Session extends Client {
  readonly me: string;
  readonly token: string;
  readonly api: ReturnType<typeof rest>;
}

/** Checking a password is meant to be slow, so a test logs each user in once. */
const logins = new Map<string, Promise<Answer>>();

async function loggedIn(url: string, who: { readonly username: string; readonly password: string }): Promise<Answer> {
  const key = JSON.stringify([url, who]);
  const known = logins.get(key) ?? rest(url)('POST', '/users/login', who);
  logins.set(key, known);
  const login = await known;
  if (login.status !== 200) throw new Error(`login failed: ${JSON.stringify(login)}`);
  return login;
}

/** Logs in, connects and authenticates, as the Unity client does. */
export async function session(
  url: string,
  who: { readonly username: string; readonly password: string } = ADMIN,
  transports: Transports = ['websocket'],
  generation: Generation = 4,
): Promise<Session> {
  const login = await loggedIn(url, who);
  const client = new Client(connect(url, transports, generation));
  const ack = await client.send('authentication', { accessToken: login.body.accessToken });
  if (ack.status_code !== 200) throw new Error(`authentication failed: ${JSON.stringify(ack)}`);
  return Object.assign(client, {
    me: login.body._id as string,
    token: login.body.accessToken as string,
    api: rest(url, login.body.accessToken),
  });
}
