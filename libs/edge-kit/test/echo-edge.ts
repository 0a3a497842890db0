/** A real edge on a free port whose protocol answers each message with itself, for tests of the listener. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { done, failed, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { guardHttp } from '@polyedge/service-kit/http-guard';
import { localBus } from '@polyedge/service-kit/local-bus';
import type { Effect, Input, Opening, Protocol } from '@polyedge/session/session';
import { Driver } from '../src/driver/driver.ts';
import { type Limits, limits } from '../src/limits.ts';
import { ANN } from '../src/testing/connection-scene.ts';
import { FakeFeed } from '../src/testing/fake-feed.ts';
import { type WsPacket, type WsRaw, wsFraming } from '../src/transport/ws-frames.ts';
import { httpOptions, WsListener, type WsListenerOptions, type WsRoute } from '../src/transport/ws-listener.ts';

export type Handle = (input: Input<WsRaw>) => readonly Effect<WsRaw>[];

const echo: Handle = (input) => {
  if (input.kind === 'frame') return [{ do: 'send', frame: input.frame }];
  if (input.kind === 'undecodable') return [{ do: 'close', code: 1003, reason: input.problem }];
  return input.kind === 'drain' ? [{ do: 'close', code: 1001, reason: 'going away' }] : [];
};

export interface EchoOptions {
  readonly limits?: Partial<Limits>;
  readonly handle?: Handle;
  readonly first?: (opening: Opening) => readonly Effect<WsRaw>[];
  readonly route?: Partial<Omit<WsRoute, 'driver'>>;
  readonly listener?: Partial<Omit<WsListenerOptions, 'server' | 'routes' | 'limits'>>;
  readonly verify?: (credential: string) => Outcome<Principal> | Promise<Outcome<Principal>>;
}

export interface EchoEdge extends AsyncDisposable {
  readonly port: number;
  readonly driver: Driver<WsRaw, WsRaw, WsRaw, WsPacket>;
  readonly listener: WsListener;
  readonly feed: FakeFeed;
  readonly openings: Opening[];
  readonly server: Server;
}

export async function echoEdge(options: EchoOptions = {}): Promise<EchoEdge> {
  const openings: Opening[] = [];
  const feed = new FakeFeed();
  const protocol: Protocol<WsRaw, WsRaw, WsRaw> = {
    decode: (raw) => ({ ok: true, value: raw }),
    encode: (frame) => frame,
    translate: (change, view) => `${view.shape} ${change.seq}`,
    open: (opening) => {
      openings.push(opening);
      return [{ handle: options.handle ?? echo }, options.first?.(opening) ?? []];
    },
  };
  const own = limits({
    authenticateMs: 0,
    closeTimeoutMs: 300,
    framesPerSecond: 1_000_000,
    bytesPerSecond: 1_000_000_000,
    ...options.limits,
  });
  const driver = new Driver<WsRaw, WsRaw, WsRaw, WsPacket>({
    protocol,
    framing: wsFraming(),
    bus: localBus(),
    feed,
    limits: own,
    verify: options.verify ?? ((credential) => (credential === 'good' ? done(ANN) : failed('unauthenticated'))),
  });
  const server = createServer(httpOptions(own), (_, response) => response.writeHead(426).end());
  const listener = new WsListener({
    server,
    limits: own,
    routes: [{ path: /^\/$/, accepts: 'both', ...options.route, driver }],
    ...options.listener,
  });
  guardHttp(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on a TCP port, so the address is not a path.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    driver,
    listener,
    feed,
    openings,
    server,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      driver.stop();
      server.closeAllConnections();
      await Promise.all([driver.drain(0), new Promise((resolve) => server.close(resolve))]);
    },
  };
}
