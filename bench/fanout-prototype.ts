/**
 * What one change costs on its way to many sockets: the broadcast lane of a real driver and listener against a plain `ws.send` loop, in CPU
 * of the server process per delivery. Run: `node bench/fanout-prototype.ts [sockets] [in flight] [rounds]`. The full benchmark (`fanout`)
 * adds NATS, tokens and the other baselines.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { done } from '@polyedge/contracts/errors';
import { Driver } from '@polyedge/edge-kit/driver';
import { limits } from '@polyedge/edge-kit/limits';
import { changeOf, FakeFeed } from '@polyedge/edge-kit/testing/fake-feed';
import { type WsPacket, type WsRaw, wsFraming } from '@polyedge/edge-kit/ws-frames';
import { WsListener } from '@polyedge/edge-kit/ws-listener';
import { EVERYTHING } from '@polyedge/query/filter';
import { localBus } from '@polyedge/service-kit/local-bus';
import { type WebSocket, WebSocketServer } from 'ws';

const PAYLOAD = 'x'.repeat(256);

/** The reading end, in a process of its own: counts bytes, parses nothing, and says when a batch is complete everywhere. */
async function readers(port: number, sockets: number): Promise<void> {
  let got = 0;
  let due = Number.POSITIVE_INFINITY;
  let ready = 0;
  process.on('message', (expected: number) => {
    due = expected;
    check();
  });
  const check = () => {
    if (got < due) return;
    due = Number.POSITIVE_INFINITY;
    process.send?.('complete');
  };
  for (let at = 0; at < sockets; at += 1) {
    await new Promise<void>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      let upgraded = false;
      socket.write(
        'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      socket.on('data', (data: Buffer) => {
        if (!upgraded) {
          upgraded = true;
          ready += 1;
          resolve();
          const end = data.indexOf('\r\n\r\n') + 4;
          got += data.length - end;
        } else {
          got += data.length;
        }
        check();
      });
    });
  }
  if (ready === sockets) process.send?.('ready');
}

interface Subject {
  readonly port: number;
  /** Sends one message to every socket. */
  send(): void;
  /** Ends the batch of messages that happen together. */
  batch?(): void;
  close(): void;
}

async function lane(): Promise<Subject> {
  const feed = new FakeFeed();
  const own = limits({ pingIntervalMs: 0, idleMs: 0 });
  const driver = new Driver<WsRaw, WsRaw, WsRaw, WsPacket>({
    protocol: {
      decode: (raw) => ({ ok: true, value: raw }),
      encode: (frame) => frame,
      translate: () => PAYLOAD,
      open: () => [
        { handle: () => [] },
        [{ do: 'subscribe', id: 's', to: { tenant: 't', type: 'ogit/Note' }, view: { filter: EVERYTHING, shape: 'full' } }],
      ],
    },
    framing: wsFraming(),
    bus: localBus(),
    feed,
    limits: { ...own, authenticateMs: 0 },
    verify: () =>
      done({
        account: '',
        tenant: 't',
        username: '',
        app: '',
        roles: {},
        defaultScope: '',
        scopes: [],
        session: '',
        issuedAt: 0,
        expiresAt: 0,
      }),
  });
  const server = createServer();
  const listener = new WsListener({ server, limits: own, routes: [{ path: /^\/$/, accepts: 'text', driver }] });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let seq = 0;
  return {
    port: (server.address() as AddressInfo).port,
    send: () => {
      seq += 1;
      feed.deliver(changeOf(seq));
    },
    close: () => {
      listener.close();
      driver.stop();
      server.close();
    },
  };
}

async function loop(): Promise<Subject> {
  const server = createServer();
  const webSockets = new WebSocketServer({ server, perMessageDeflate: false });
  const clients: WebSocket[] = [];
  webSockets.on('connection', (client) => clients.push(client));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    send: () => {
      for (const client of clients) client.send(PAYLOAD);
    },
    close: () => {
      webSockets.close();
      server.close();
    },
  };
}

/** Microseconds of this process' CPU per delivery. */
async function measure(make: () => Promise<Subject>, sockets: number, inFlight: number, ms: number): Promise<number> {
  const subject = await make();
  const child = fork(import.meta.filename, ['readers', String(subject.port), String(sockets)]);
  const said = (what: string) => new Promise<void>((resolve) => child.on('message', (message) => message === what && resolve()));
  await said('ready');
  const frameBytes = PAYLOAD.length + 4;
  let expected = 0;
  let complete: () => void = () => {};
  child.on('message', (message) => message === 'complete' && complete());
  const round = () =>
    new Promise<void>((resolve) => {
      complete = resolve;
      expected += inFlight * sockets * frameBytes;
      for (let at = 0; at < inFlight; at += 1) subject.send();
      child.send(expected);
    });
  for (const until = Date.now() + ms / 3; Date.now() < until; ) await round();
  const before = process.cpuUsage();
  let rounds = 0;
  for (const until = Date.now() + ms; Date.now() < until; rounds += 1) await round();
  const { user, system } = process.cpuUsage(before);
  child.kill();
  subject.close();
  return (user + system) / (rounds * inFlight * sockets);
}

const median = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;

if (process.argv[2] === 'readers') {
  await readers(Number(process.argv[3]), Number(process.argv[4]));
} else {
  const [sockets = 1000, inFlight = 8, rounds = 3] = process.argv.slice(2).map(Number);
  const lanes: number[] = [];
  const loops: number[] = [];
  for (let at = 0; at < rounds; at += 1) {
    lanes.push(await measure(lane, sockets, inFlight, 2000));
    loops.push(await measure(loop, sockets, inFlight, 2000));
  }
  console.log(`${sockets} sockets, ${inFlight} in flight, 256 B, µs of CPU per delivery (median of ${rounds})`);
  console.log(
    `lane ${median(lanes).toFixed(2)}   ws loop ${median(loops).toFixed(2)}   ratio ${(median(lanes) / median(loops)).toFixed(3)}`,
  );
  process.exit(0);
}
