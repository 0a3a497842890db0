/**
 * The real clients of JSSocket as far as a server can tell them: written from what they send and expect (socket_svc.py at 3ba9a531a and
 * 842cd7b0b, the scraper's async_scraper.py at 614366661, the template social_auth.html), not from their code.
 */
import { strict as assert } from 'node:assert';
import { Socket } from './socket.ts';

export const SECRET = '12345678';
/** The hex of a bcrypt hash of it with the lowest cost, so that tests do not spend their time on hashing. */
export const CHEAP_AUTH =
  '243279243034245631453346622e7936467a6a514748346d62766348657a6d2e6b3352754961375464634e5836597772347a67726475554970636a75';

/** Master ids by token, as the core's database would say. */
export const USERS: Readonly<Record<string, string>> = {
  'token-ann': 'aaaaaaaa-1111-4111-8111-111111111111',
  'token-bob': 'bbbbbbbb-2222-4222-8222-222222222222',
};

export interface CoreOptions {
  /** `A` sends the secret in `server_connect`, `B` in the handshake. */
  readonly revision?: 'A' | 'B';
  readonly secret?: string;
  /** Which class of the core: Django's knows tokens, the bare one does not. */
  readonly kind?: 'django' | 'bare';
  /** Whose token it is; otherwise `USERS` says. */
  readonly userOf?: (token: string) => string | undefined;
  /** A forked worker: registers, may publish, and never reads. */
  readonly neverReads?: boolean;
  /** Answers no login until `release`. */
  readonly isHeld?: boolean;
}

/** The core. */
export class Core {
  readonly socket: Socket;
  readonly #options: CoreOptions;
  /** Every `client_connect` it was asked with. */
  readonly asked: Readonly<Record<string, unknown>>[] = [];
  /** Those that it has not answered, while it is held. */
  #held: Readonly<Record<string, unknown>>[] | undefined;
  #read = 0;

  private constructor(port: number, options: CoreOptions) {
    this.#options = options;
    if (options.isHeld === true) this.hold();
    const headers = options.revision === 'A' ? {} : { auth: options.secret ?? SECRET };
    // The Python library sends its own address as Origin.
    this.socket = new Socket(`ws://127.0.0.1:${port}/ws`, { headers, origin: `http://127.0.0.1:${port}` });
  }

  /** Looks at the probe first, as the core does, and sends `server_connect`; resolves when it was answered. */
  static async start(port: number, options: CoreOptions = {}): Promise<Core> {
    const probe = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.equal(probe.status, 200);
    await probe.text();
    const core = new Core(port, options);
    const { socket } = core;
    await socket.open();
    socket.event('server_connect', options.revision === 'A' ? { auth: options.secret ?? SECRET } : {});
    assert.deepEqual(await socket.next(), { type: 'server_connect', data: true });
    core.#read = 1;
    if (options.neverReads === true) {
      socket.ws.pause();
      return core;
    }
    socket.ws.on('message', () => core.#work());
    // Logins may have come right behind the answer.
    core.#work();
    return core;
  }

  /** Answers what has come; the first answer of `server_connect` was read by `start`. */
  #work(): void {
    for (; this.#read < this.socket.texts.length; this.#read += 1) {
      const event = JSON.parse(this.socket.texts[this.#read] ?? '{}');
      if (event.type !== 'client_connect') continue;
      assert.equal(this.socket.binary[this.#read], true, 'the core is asked with a binary message');
      this.asked.push(event.data);
      if (this.#held === undefined) this.#answer(event.data);
      else this.#held.push(event.data);
    }
  }

  /** Answers no login from now on, until `release`. */
  hold(): void {
    this.#held ??= [];
  }

  /** Answers the logins that were held. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const asked of held) this.#answer(asked);
  }

  #answer(asked: Readonly<Record<string, unknown>>): void {
    if (this.#options.kind === 'bare') {
      this.socket.event('client_connected', { ...asked, user: 'public' });
      return;
    }
    const { token, ...data } = asked;
    const { userOf = (known) => USERS[known] } = this.#options;
    const user = typeof token === 'string' ? userOf(token) : undefined;
    this.socket.event('client_connected', { ...data, user: user ?? 'public', authenticated: user !== undefined });
  }

  notifyClient(target: string | null, data: unknown): void {
    this.socket.event('notify_client', { target, data });
  }

  notifyGroup(target: string | null, data: unknown): void {
    this.socket.event('notify_group', { target, data });
  }

  notifyAll(data: unknown): void {
    this.socket.event('notify_all', data);
  }

  [Symbol.dispose](): void {
    this.socket.ws.terminate();
  }
}

/** A page in a browser. */
export class Page extends Socket {
  /** Its connection id. */
  target = '';

  static async visit(port: number, path = '/ws'): Promise<Page> {
    const page = new Page(`ws://127.0.0.1:${port}${path}`);
    await page.open();
    return page;
  }

  /** Opens a page and logs in, with a token or as anybody. */
  static async login(port: number, token?: string): Promise<Page> {
    const page = await Page.visit(port);
    await page.connectAs(token);
    return page;
  }

  async connectAs(token?: string): Promise<void> {
    this.event('client_connect', token === undefined ? {} : { token });
    const answer = await this.next();
    const target = answer !== null && typeof answer === 'object' && 'data' in answer ? (answer.data as { target: string }).target : '';
    assert.deepEqual(answer, { type: 'client_connected', data: { target, authenticated: token !== undefined } });
    assert.match(target, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    this.target = target;
  }
}

/** The scraper: a socket with the secret that sends neither `server_connect` nor `client_connect`. */
export class Publisher {
  readonly socket: Socket;
  #count = 0;

  private constructor(port: number) {
    this.socket = new Socket(`ws://127.0.0.1:${port}/ws`, { headers: { auth: SECRET } });
  }

  static async start(port: number): Promise<Publisher> {
    const publisher = new Publisher(port);
    await publisher.socket.open();
    return publisher;
  }

  /** One progress message, and its callback: the very next frame. */
  async progress(target: string, data: unknown): Promise<void> {
    this.#count += 1;
    const callback = `00000000-0000-4000-8000-${String(this.#count).padStart(12, '0')}`;
    this.socket.event('notify_client', { target, callback, data: { type: 'scraper', data } });
    assert.deepEqual(await this.socket.next(), { type: 'callback', data: callback });
  }

  [Symbol.dispose](): void {
    this.socket.ws.terminate();
  }
}
