/** A Socket.IO listener with a driver, and clients of it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { done, failed } from '@polyedge/contracts/errors';
import { guardHttp } from '@polyedge/service-kit/http-guard';
import { localBus } from '@polyedge/service-kit/local-bus';
import type { Effect, Input, Opening, Protocol } from '@polyedge/session/session';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import { Driver } from '../src/driver/driver.ts';
import { type Limits, limits } from '../src/limits.ts';
import { ANN } from '../src/testing/connection-scene.ts';
import { FakeFeed } from '../src/testing/fake-feed.ts';
import { SocketIoListener, type SocketIoListenerOptions } from '../src/transport/socketio-listener.ts';
import { type SocketIoPacket, type SocketIoRaw, socketIoFraming } from '../src/transport/socketio-packets.ts';
import { httpOptions } from '../src/transport/ws-listener.ts';

export type Handle = (input: Input<SocketIoRaw>) => readonly Effect<SocketIoRaw>[];

/** Answers every event with itself, and its acknowledgement behind that. */
export const echo: Handle = (input) => {
  if (input.kind === 'drain') return [{ do: 'close', code: 1001, reason: 'going away' }];
  if (input.kind !== 'frame' || input.frame.kind !== 'event') return [];
  const { event, args, ack, binary } = input.frame;
  const effects: Effect<SocketIoRaw>[] = [{ do: 'send', frame: { kind: 'event', event, args: binary === true ? ['binary'] : args } }];
  if (ack !== undefined) effects.push({ do: 'send', frame: { kind: 'ack', ack, args: ['done'] } });
  return effects;
};

interface Options {
  readonly handle?: Handle;
  readonly first?: (opening: Opening) => readonly Effect<SocketIoRaw>[];
  readonly limits?: Partial<Limits>;
  readonly listener?: Partial<SocketIoListenerOptions>;
  readonly namespace?: string;
}

export async function serve(options: Options = {}) {
  const feed = new FakeFeed();
  const protocol: Protocol<SocketIoRaw, SocketIoRaw, SocketIoRaw> = {
    decode: (raw) => ({ ok: true, value: raw }),
    encode: (frame) => frame,
    translate: (change, view) => ({ kind: 'event', event: view.shape, args: [change.seq] }),
    open: (opening) => [{ handle: options.handle ?? echo }, options.first?.(opening) ?? []],
  };
  const own = limits({
    authenticateMs: 0,
    idleMs: 0,
    closeTimeoutMs: 300,
    framesPerSecond: 1_000_000,
    bytesPerSecond: 1_000_000_000,
    ...options.limits,
  });
  const name = options.namespace ?? '/';
  const driver = new Driver<SocketIoRaw, SocketIoRaw, SocketIoRaw, SocketIoPacket>({
    protocol,
    framing: socketIoFraming(name),
    bus: localBus(),
    feed,
    limits: own,
    verify: async (credential) => (credential === 'good' ? done(ANN) : failed('unauthenticated')),
  });
  const server = createServer(httpOptions(own), (_, response) => response.writeHead(200).end('rest'));
  const listener = new SocketIoListener({
    server,
    limits: own,
    namespaces: [{ name, driver, credentialFrom: ({ auth }) => (typeof auth.token === 'string' ? auth.token : undefined) }],
    allowEIO3: true,
    ...options.listener,
  });
  guardHttp(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // listening on TCP
  const clients: Socket[] = [];
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    driver,
    listener,
    feed,
    connect: async (more: Partial<ManagerOptions & SocketOptions> = {}, where = name): Promise<Socket> => {
      const client = io(`http://127.0.0.1:${port}${where === '/' ? '' : where}`, { reconnection: false, forceNew: true, ...more });
      clients.push(client);
      await new Promise<void>((resolve, reject) => {
        client.once('connect', resolve);
        client.once('connect_error', reject);
      });
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.disconnect();
      listener.close();
      driver.stop();
      server.closeAllConnections();
      await Promise.all([driver.drain(0), new Promise((resolve) => server.close(resolve))]);
    },
  };
}
