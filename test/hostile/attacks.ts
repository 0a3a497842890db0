/** The attacks of hostile clients, each bounded. Answers are not checked here: the good clients detect any harm. */
import { request } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { System } from '../interplay/system.ts';
import type { Random } from '../kill/random.ts';
import { hostileValue, mutated, sentBy } from './inputs.ts';

/** An edge's socket: how it is opened, and the messages of its clients. */
interface Door {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly hello: readonly string[];
  readonly samples: readonly string[];
}

/** A request with a body. */
interface Route {
  readonly method: 'POST' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The local addresses of hostile clients; good ones use 127.0.0.1. Wrong logins come from three. */
const addressOf = (random: Random): string => `127.0.${random.integer(1, 3)}.${random.integer(1, 20)}`;

export class Attacks {
  readonly #doors: readonly Door[];
  readonly #routes: readonly Route[];
  readonly #logins: readonly (Route & { readonly body: string })[];
  /** How often each attack was run. */
  readonly done: Record<string, number> = {};
  /** How long slow bodies without a token were accepted. */
  readonly trickledMs: number[] = [];
  #trickling = 0;

  constructor({ urls, ports, saga }: System) {
    const ws = (url: string): string => url.replace('http', 'ws');
    const authentication = `420["authentication",{"accessToken":"${saga.token}"}]`;
    const ofSaga = sentBy('saga-edge').map((line) => `4${line}`);
    this.#doors = [
      {
        url: `${ws(urls.hiro)}/api/graph-ws/6.1/`,
        protocols: ['graph-2.0.0', `token-${saga.token}`],
        hello: [],
        samples: sentBy('hiro-edge'),
      },
      {
        url: `${ws(urls.hiro)}/api/events-ws/6.2/`,
        protocols: ['events-1.0.0', `token-${saga.token}`],
        hello: [],
        samples: sentBy('hiro-edge'),
      },
      { url: `${ws(urls.saga)}/socket.io/?EIO=4&transport=websocket`, protocols: [], hello: ['40', authentication], samples: ofSaga },
      { url: `${ws(urls.space)}/events/?EIO=4&transport=websocket`, protocols: [], hello: ['40/pricings,'], samples: ofSaga },
      {
        url: `${ws(urls.goodUncle)}/`,
        protocols: [],
        hello: [],
        samples: [
          '{"type":"read","topic":"orders","criteria":{"n":{"$gt":1}},"sort":["n"],"limit":10}',
          '{"type":"subscribe","topic":"orders","criteria":{},"subscription":"s"}',
          '{"type":"create","topic":"orders","params":{"n":1}}',
        ],
      },
      { url: `ws://127.0.0.1:${ports.jssocket}/ws`, protocols: [], hello: [], samples: sentBy('jssocket-edge') },
    ];
    const bearer = { authorization: `Bearer ${saga.token}` };
    const token = { 'access-token': saga.token };
    this.#routes = [
      { method: 'POST', url: `${urls.hiro}/api/graph/7.4/new/ogit%2FNote`, headers: bearer },
      { method: 'POST', url: `${urls.hiro}/api/graph/7.4/query/vertices`, headers: bearer },
      { method: 'POST', url: `${urls.saga}/globals/properties`, headers: token },
      { method: 'PUT', url: `${urls.saga}/globals/properties/d`, headers: token },
      { method: 'POST', url: `${urls.saga}/globals/signals`, headers: token },
      { method: 'POST', url: `${urls.space}/api/v1/users`, headers: {} },
    ];
    // Not the account of the good client: guessing at it may slow down its logins.
    const names = '"username":"somebody","password":"wrong"';
    this.#logins = [
      { method: 'POST', url: `${urls.hiro}/api/auth/6.6/app`, headers: {}, body: `{"client_id":"x","client_secret":"x",${names}}` },
      { method: 'POST', url: `${urls.saga}/users/login`, headers: {}, body: `{${names}}` },
      { method: 'POST', url: `${urls.space}/api/v1/users/authenticate`, headers: {}, body: `{${names}}` },
    ];
  }

  /** Runs one randomly chosen attack. */
  async one(random: Random): Promise<void> {
    const name = random.pick(['fuzz', 'fuzz', 'fuzz', 'flood', 'body', 'body', 'garbage', 'logins', 'trickle'] as const);
    this.done[name] = (this.done[name] ?? 0) + 1;
    switch (name) {
      case 'fuzz':
        return this.#frames(random, random.integer(5, 50), (samples) => mutated(random.pick(samples), random));
      case 'flood': {
        const door = random.integer(0, 100_000);
        return this.#frames(random, 2000, (samples) => samples[door % samples.length] ?? '');
      }
      case 'body':
        return this.#send(
          random.pick(this.#routes),
          `{"name":"d","value":${hostileValue(random)},"payload":${hostileValue(random)}}`,
          addressOf(random),
        );
      case 'logins':
        await Promise.all(
          Array.from({ length: 10 }, () => {
            const login = random.pick(this.#logins);
            return this.#send(
              login,
              login.body.replace('somebody', `somebody-${random.integer(1, 50)}`),
              `127.0.9.${random.integer(1, 3)}`,
            );
          }),
        );
        return;
      case 'garbage':
        return this.#garbage(random);
      case 'trickle':
        this.#trickle(random);
        return wait(10);
    }
  }

  /** Opens a socket, sends many frames at once, reads for a moment and disconnects. */
  async #frames(random: Random, count: number, text: (samples: readonly string[]) => string): Promise<void> {
    const door = random.pick(this.#doors);
    const socket = new WebSocket(door.url, [...door.protocols], { perMessageDeflate: false, localAddress: addressOf(random) });
    socket.on('error', () => {});
    await new Promise<void>((resolve) => {
      for (const event of ['open', 'close', 'error']) socket.once(event, resolve);
    });
    for (const hello of door.hello) if (socket.readyState === WebSocket.OPEN) socket.send(hello);
    await wait(random.integer(0, 50));
    for (let sent = 0; sent < count && socket.readyState === WebSocket.OPEN; sent += 1) {
      socket.send(text(door.samples), { binary: random.integer(0, 20) === 0 });
    }
    await wait(random.integer(10, 300));
    socket.terminate();
  }

  #send({ method, url, headers }: Route, body: string, localAddress: string): Promise<void> {
    return new Promise((resolve) => {
      const call = request(
        url,
        { method, localAddress, headers: { ...headers, 'content-type': 'application/json' }, timeout: 15_000 },
        (response) => {
          response.resume();
          response.on('close', resolve);
        },
      );
      call.on('timeout', () => call.destroy());
      call.on('error', () => resolve());
      call.on('close', resolve);
      call.end(body);
    });
  }

  /** Bytes that are not, or not quite, HTTP. */
  async #garbage(random: Random): Promise<void> {
    const { hostname, port } = new URL(random.pick(this.#doors).url);
    const head = random.pick([
      'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      `GET /${'x'.repeat(40_000)} HTTP/1.1\r\n\r\n`,
      '\0\0\0',
      'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzzz',
    ]);
    const socket = connect(Number(port), hostname, () => socket.write(head));
    socket.on('error', () => {});
    socket.resume();
    await wait(random.integer(10, 200));
    socket.destroy();
  }

  /** A body without a token, one byte a second; at most twenty at once, which continue during other attacks. */
  #trickle(random: Random): void {
    if (this.#trickling >= 20) return;
    this.#trickling += 1;
    const { hostname, port, pathname } = new URL(random.pick(this.#logins).url);
    const began = performance.now();
    const head = `POST ${pathname} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
    const socket = connect(Number(port), hostname, () => socket.write(head));
    const timer = setInterval(() => socket.write(' '), 1000);
    socket.on('error', () => {});
    socket.resume();
    socket.on('close', () => {
      clearInterval(timer);
      this.#trickling -= 1;
      if (!this.#stopped) this.trickledMs.push(performance.now() - began);
    });
    this.#sockets.add(socket);
  }

  readonly #sockets = new Set<{ destroy(): void }>();
  #stopped = false;

  /** Ends the slow bodies. */
  stop(): void {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}
