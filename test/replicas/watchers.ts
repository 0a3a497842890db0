/** Clients of the other three protocols that reconnect by themselves, each in the way of its protocol. */
import { createHash } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { Client } from '../../services/gooduncle-edge/test/client.ts';
import { Core, Page } from '../../services/jssocket-edge/test/doubles.ts';
import { Heard, type Rotation, type Watcher } from '../rolling/watchers.ts';

/** The pause before reconnecting. */
const BACK_MS = 100;

/**
 * A Good Uncle client with one subscription. It has no position: after reconnecting it subscribes again, and the original matches are the current state, so
 * nothing that still exists is missed.
 */
export class GoodUncleWatcher extends Heard implements Watcher {
  readonly #rotation: Rotation;
  #client: Client | undefined;
  #ended = false;

  constructor(rotation: Rotation) {
    super();
    this.#rotation = rotation;
    this.#connect();
  }

  #connect(): void {
    const port = this.#rotation.pick();
    const client = new Client(`http://127.0.0.1:${port}`);
    this.#client = client;
    let opened = false;
    client.ws.on('open', () => {
      opened = true;
      client.start({ type: 'subscribe', subscription: 's', topic: 'products', criteria: { name: 'replicas' } });
    });
    client.ws.on('message', () => {
      for (const { response } of client.answers.splice(0)) {
        if (response.code !== 'ok') {
          this.errors.push(JSON.stringify(response));
          // Without its subscription it would hear nothing for ever.
          client.ws.terminate();
        } else if (typeof response.payload?.number === 'number') this.hear(response.payload.number);
      }
    });
    client.ws.on('close', (code) => {
      if (this.#ended) return;
      if (opened) this.left(port, code);
      setTimeout(() => this.#ended || this.#connect(), BACK_MS);
    });
  }

  end(): void {
    this.#ended = true;
    this.#client?.[Symbol.dispose]();
  }
}

/** Creates products, over a socket; requests without an answer when the socket ended are sent again under the same `once`, so they are executed once. */
export class GoodUncleWriter {
  readonly #rotation: Rotation;
  readonly #password: string;
  #client: Promise<Client> | undefined;

  constructor(rotation: Rotation, password: string) {
    this.#rotation = rotation;
    this.#password = createHash('sha256').update(password).digest('hex');
  }

  async write(number: number): Promise<void> {
    for (const until = performance.now() + 10_000; ; ) {
      this.#client ??= this.#open().catch((error: unknown) => {
        // No replica is available now: the next write tries again.
        this.#client = undefined;
        throw error;
      });
      const client = await this.#client;
      try {
        const params = { name: 'replicas', number };
        const { response } = await client.one({ type: 'create', topic: 'products', params, once: `replicas ${number}` });
        if (response.code === 'ok') return;
        throw new Error(`Good Uncle answered ${JSON.stringify(response)}`);
      } catch (error) {
        if (client.closed === undefined || performance.now() > until) throw error;
        if (this.#client !== undefined && (await this.#client) === client) this.#client = undefined;
      }
    }
  }

  async #open(): Promise<Client> {
    const client = await Client.open(`http://127.0.0.1:${this.#rotation.pick()}`);
    await client.one({ type: 'upgrade', user: 'admin', password: this.#password });
    return client;
  }

  async end(): Promise<void> {
    (await this.#client?.catch(() => undefined))?.[Symbol.dispose]();
  }
}

/** The change of a version; 0 for those before the load. */
export const numberOf = (version: string): number => (/^\d+$/.test(version) ? Number(version) : 0);

/** A SPACE client: events are not repeated, so on `connect` it reads the current state (`read` returns the numbers). The library reconnects. */
export class SpaceWatcher extends Heard implements Watcher {
  readonly #rotation: Rotation;
  readonly #read: () => Promise<readonly number[]>;
  #socket: Socket | undefined;

  constructor(rotation: Rotation, read: () => Promise<readonly number[]>) {
    super();
    this.#rotation = rotation;
    this.#read = read;
    this.#connect();
  }

  #connect(): void {
    const port = this.#rotation.pick();
    const options = { path: '/events', transports: ['websocket'], forceNew: true, reconnection: false };
    const socket = io(`ws://127.0.0.1:${port}/pricings`, options);
    this.#socket = socket;
    const again = (): void => {
      if (this.#socket === socket) setTimeout(() => this.#socket === socket && this.#connect(), BACK_MS);
    };
    socket.on('message', (event: { readonly details: { readonly pricingVersion?: string } }) => {
      this.hear(numberOf(event.details.pricingVersion ?? ''));
    });
    socket.on('connect_error', again);
    socket.on('disconnect', (reason) => {
      if (this.#socket !== socket) return;
      // With any other reason, clients would not reconnect by themselves.
      if (reason !== 'transport close') this.errors.push(reason);
      this.left(port, 1005);
      again();
    });
    if (this.closings.length === 0) return;
    socket.on('connect', () => {
      this.#read().then(
        (numbers) => {
          for (const number of numbers) if (!this.heard.has(number)) this.hear(number);
        },
        (error: unknown) => this.errors.push(String(error)),
      );
    });
  }

  end(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.disconnect();
  }
}

/** A page in a browser that logs in again when its socket ended. Messages sent in between are not repeated. */
export class PageWatcher extends Heard implements Watcher {
  readonly #rotation: Rotation;
  #page: Page | undefined;
  #ended = false;

  constructor(rotation: Rotation) {
    super();
    this.#rotation = rotation;
    this.#connect();
  }

  #connect(): void {
    const port = this.#rotation.pick();
    const page = new Page(`ws://127.0.0.1:${port}/ws`);
    this.#page = page;
    let opened = false;
    page.ws.on('open', () => {
      opened = true;
      page.event('client_connect', { token: 'token-ann' });
    });
    page.ws.on('message', (data) => {
      const message: { readonly number?: number } = JSON.parse(String(data));
      if (message.number !== undefined) this.hear(message.number);
    });
    page.ws.on('close', (code) => {
      if (this.#ended) return;
      if (opened) this.left(port, code);
      setTimeout(() => this.#ended || this.#connect(), BACK_MS);
    });
  }

  end(): void {
    this.#ended = true;
    this.#page?.[Symbol.dispose]();
  }
}

/** A core that registers again when its connection is dropped, like the core's library. */
export class LastingCore {
  readonly #rotation: Rotation;
  #core: Core | undefined;
  #ended = false;

  private constructor(rotation: Rotation) {
    this.#rotation = rotation;
  }

  static async start(rotation: Rotation): Promise<LastingCore> {
    const core = new LastingCore(rotation);
    await core.#connect();
    return core;
  }

  async #connect(): Promise<void> {
    const core = await Core.start(this.#rotation.pick());
    this.#core = core;
    core.socket.ws.on('close', () => {
      if (!this.#ended) this.#comeBack();
    });
  }

  /** Waits for a replica: the only one may be restarting. */
  #comeBack(): void {
    setTimeout(() => {
      if (!this.#ended) this.#connect().catch(() => this.#comeBack());
    }, BACK_MS);
  }

  /** Sends to a user's group. Returns whether it was confirmed: unconfirmed messages of a closed socket may be lost, as in the original. */
  async notify(user: string, number: number): Promise<boolean> {
    const core = this.#core;
    if (core === undefined) return false;
    const { ws } = core.socket;
    if (ws.readyState !== ws.OPEN) return false;
    const callback = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    const confirmed = new Promise<boolean>((resolve) => {
      const heard = (data: unknown): void => {
        if (String(data).includes(callback)) over(true);
      };
      const gone = (): void => over(false);
      const over = (taken: boolean): void => {
        ws.off('message', heard);
        ws.off('close', gone);
        resolve(taken);
      };
      ws.on('message', heard);
      ws.on('close', gone);
    });
    core.socket.event('notify_group', { target: user, callback, data: { number } });
    return confirmed;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#core?.[Symbol.dispose]();
  }
}
