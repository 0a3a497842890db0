/** Clients that reconnect when they are disconnected, and recover missed changes in the way of their protocol. */
import { PATIENCE_MS } from '@polyedge/testkit/until';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';

/** The replicas that accept clients, as known to a load balancer. A replica is removed before it is stopped. */
export class Rotation {
  readonly #ports: number[];
  #next = 0;

  constructor(ports: readonly number[]) {
    this.#ports = [...ports];
  }

  pick(): number {
    const port = this.#ports[this.#next % this.#ports.length];
    this.#next += 1;
    if (port === undefined) throw new Error('nobody is in rotation');
    return port;
  }

  remove(port: number): void {
    this.#ports.splice(this.#ports.indexOf(port), 1);
  }

  add(port: number): void {
    this.#ports.push(port);
  }
}

/** The end of one connection. */
export interface Closing {
  readonly port: number;
  readonly at: number;
  /** The code of the close frame (1005 for a frame without one), or 1006 if TCP ended without a frame. */
  readonly code: number;
}

/** What a watcher has received so far, and how often it was disconnected. */
export interface Watcher {
  /** The numbers of the changes, and how often each was received. */
  readonly heard: ReadonlyMap<number, number>;
  /** When each was first received, on the monotonic clock. */
  readonly firstAt: ReadonlyMap<number, number>;
  readonly closings: readonly Closing[];
  /** It has received something, so its watch is active. */
  readonly ready: boolean;
  /** Errors from the server that no client should see. */
  readonly errors: readonly string[];
  end(): void;
}

/** The records that all watchers keep. */
export class Heard {
  readonly heard = new Map<number, number>();
  readonly firstAt = new Map<number, number>();
  readonly closings: Closing[] = [];
  readonly errors: string[] = [];
  ready = false;

  /** Records a change; numbers below 1 are warm-ups. */
  hear(number: number): void {
    this.ready = true;
    if (number < 1) return;
    this.heard.set(number, (this.heard.get(number) ?? 0) + 1);
    if (!this.firstAt.has(number)) this.firstAt.set(number, performance.now());
  }

  left(port: number, code: number): void {
    this.closings.push({ port, at: performance.now(), code });
  }
}

/** A HIRO client. With its own group, it receives missed changes after reconnecting; without one it continues with new ones. */
export class HiroWatcher extends Heard implements Watcher {
  ended = false;
  readonly #rotation: Rotation;
  readonly #path: string;
  readonly #token: string;
  #socket: WebSocket | undefined;

  constructor(rotation: Rotation, group: string | undefined, token: string) {
    super();
    this.#rotation = rotation;
    this.#path = `/api/events-ws/6.2/${group === undefined ? '' : `?groupId=${group}&offset=largest`}`;
    this.#token = token;
    this.connect();
  }

  connect(): void {
    const port = this.#rotation.pick();
    const socket = new WebSocket(`ws://127.0.0.1:${port}${this.#path}`, ['events-1.0.0', `token-${this.#token}`], {
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let opened = false;
    socket.on('open', () => {
      opened = true;
      const args = { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Note)' };
      socket.send(JSON.stringify({ type: 'register', args }));
    });
    socket.on('message', (data) => {
      const number = /"rolling (-?\d+)"/.exec(String(data))?.[1];
      if (number !== undefined) this.hear(Number(number));
      else if (String(data).includes('"error"')) this.errors.push(String(data));
    });
    socket.on('error', () => {});
    socket.on('close', (code) => {
      if (this.ended) return;
      // A client that chose a replica just before it left the rotation retries, as behind any load balancer; this does not count as a disconnect.
      if (opened) this.left(port, code);
      setTimeout(() => this.ended || this.connect(), 100);
    });
  }

  end(): void {
    this.ended = true;
    this.#socket?.terminate();
  }
}

/** A Saga client that joins a user, and after reconnecting streams the property's timeline from its position. */
export class SagaWatcher extends Heard implements Watcher {
  #ended = false;
  #last = 0;
  readonly #rotation: Rotation;
  readonly #user: string;
  readonly #token: string;
  #socket: Socket | undefined;

  constructor(rotation: Rotation, user: string, token: string) {
    super();
    this.#rotation = rotation;
    this.#user = user;
    this.#token = token;
    this.#connect();
  }

  #connect(): void {
    const port = this.#rotation.pick();
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnection: false, forceNew: true });
    this.#socket = socket;
    const again = (): void => {
      if (this.#ended || this.#socket !== socket) return;
      this.#socket = undefined;
      socket.disconnect();
      setTimeout(() => this.#ended || this.#connect(), 100);
    };
    socket.on('unauthorized', (what: unknown) => this.errors.push(JSON.stringify(what)));
    socket.on('/properties', (property: unknown) => this.#take(property));
    socket.on('disconnect', (_reason, details) => {
      // The library passes on the WebSocket's event; anything else (a ping time-out) had no close frame.
      const context =
        details !== undefined && 'context' in details ? (details.context as { readonly code?: number } | undefined) : undefined;
      if (!this.#ended && this.#socket === socket) this.left(port, context?.code ?? 1006);
      again();
    });
    socket.on('connect_error', again);
    socket.on('connect', () => {
      // Live changes from now on do not show the gap before them.
      const from = this.#last;
      const joined = async () => {
        await socket.timeout(20_000).emitWithAck('authentication', { accessToken: this.#token });
        await socket.timeout(20_000).emitWithAck('/users/join', this.#user);
        await this.#catchUp(from);
      };
      joined().catch((error: unknown) => {
        // Disconnected again before it had joined, which is not an error.
        if (socket.connected) this.errors.push(String(error));
        again();
      });
    });
  }

  async #catchUp(from: number): Promise<void> {
    let after = from;
    while (after > 0 && !this.#ended) {
      const url = `http://127.0.0.1:${this.#rotation.pick()}/users/${this.#user}/properties/rolling/stream?sortable_id=${after}&limit=100`;
      const response = await fetch(url, { headers: { authorization: `Bearer ${this.#token}` }, signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!response.ok) throw new Error(`the stream was answered with ${response.status}`);
      const page: { readonly sortable_id: number }[] = JSON.parse(await response.text());
      for (const property of page) this.#take(property);
      const last = page.at(-1);
      if (last === undefined || page.length < 100) return;
      after = last.sortable_id;
    }
  }

  #take(property: unknown): void {
    const { name, value, sortable_id: id } = property as { name?: string; value?: number; sortable_id?: number }; // what Saga documents
    if (name !== undefined && name !== 'rolling') return;
    if (typeof value !== 'number' || typeof id !== 'number') return;
    this.#last = Math.max(this.#last, id);
    this.hear(value);
  }

  end(): void {
    this.#ended = true;
    this.#socket?.disconnect();
  }
}
