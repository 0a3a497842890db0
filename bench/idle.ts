/**
 * `idle`: the cost of an open, idle connection: events-ws without and with a filter and graph-ws of hiro-edge, Socket.IO of saga-edge,
 * gooduncle-edge with its heartbeats, a bare `ws` server and a bare Socket.IO server. Each measurement has a process of its own: after 500 connections
 * to warm up, 9,000 more, then the given number of idle seconds. KiB per connection is the growth of the process's resident memory, measured after a
 * garbage collection that returns pages, so that garbage of handshakes does not count; MiB is the resident memory before that. CPU is microseconds per
 * connection and second.
 */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { Child } from './lib/child.ts';
import { cpuMicroseconds, residentBytes } from './lib/cpu.ts';
import { readOptions } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { startHiro } from './lib/system.ts';

const WARM_UP_CONNECTIONS = 500;
const CONNECTIONS = 9000;
const AT_ONCE = 50;
const SETTLE_MS = 2000;
const COLLECT_MS = 1500;

interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

interface Way {
  readonly path: string;
  readonly protocols: readonly string[];
  readonly first: readonly string[];
}

const options = readOptions({ seconds: 10, seed: 1, rounds: 3 });
await using parts = new AsyncDisposableStack();
const nats = parts.use(await startNats());
const { token } = parts.use(await Child.start('responder', nats.url)).ready as { token: string }; // both ends are files of this folder

const register = JSON.stringify({
  type: 'register',
  args: { 'filter-id': 'b', 'filter-type': 'jfilter', 'filter-content': '(element.ogit/_type = ogit/Bench)' },
});
const events = { path: '/api/events-ws/6.2/', protocols: ['events-1.0.0', `token-${token}`], first: [] };
const graph = { path: '/api/graph-ws/6.1/', protocols: ['graph-2.0.0', `token-${token}`], first: [] };
const collecting = `--expose-gc --import=${new URL('./baselines/collect-on-signal.ts', import.meta.url).href}`;
const edge = () => startHiro({ NATS_URL: nats.url, NODE_OPTIONS: collecting });
/** Without logins: the cost of a fresh session. The sockets do not answer Engine.IO's pings. */
const sagaEdge = () =>
  startService({
    name: 'saga-edge',
    env: {
      ...{ NATS_URL: nats.url, LOG_LEVEL: 'warn', NODE_OPTIONS: collecting, SAGA_AUTH_TIMEOUT_MS: '0' },
      ...{ SAGA_PING_INTERVAL_MS: '600000', SAGA_PING_TIMEOUT_MS: '600000' },
    },
  });
/** Clients receive heartbeats and send none: `heartbeat` measures their cost. */
const goodUncleEdge = () =>
  startService({
    name: 'gooduncle-edge',
    env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', NODE_OPTIONS: collecting, GOODUNCLE_SCOPE: 'bench', GOODUNCLE_IDLE_MS: '600000' },
  });
const socketIo = { path: '/socket.io/?EIO=4&transport=websocket', protocols: [], first: ['40'] };
const baseline = async (name: string): Promise<Server> => {
  process.env.NODE_OPTIONS = collecting;
  const child = await Child.start(name);
  delete process.env.NODE_OPTIONS;
  const { port } = child.ready as { port: number };
  return { pid: child.pid, port, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
};

const samples = await inRounds(
  [
    { name: 'events-ws', measure: () => measure(edge, events) },
    { name: 'events-ws registered', measure: () => measure(edge, { ...events, first: [register] }) },
    { name: 'graph-ws', measure: () => measure(edge, graph) },
    { name: 'gooduncle-edge', measure: () => measure(goodUncleEdge, { path: '/', protocols: [], first: [] }) },
    { name: 'saga-edge', measure: () => measure(sagaEdge, socketIo) },
    { name: 'ws', measure: () => measure(() => baseline('ws-loop'), { path: '/', protocols: [], first: [] }) },
    // The client sends one message, so that the server's buffers for reading count as they do with a filter.
    { name: 'ws told once', measure: () => measure(() => baseline('ws-loop'), { path: '/', protocols: [], first: [register] }) },
    {
      name: 'socket.io',
      measure: () =>
        measure(() => baseline('socketio-room'), { path: '/socket.io/?EIO=4&transport=websocket', protocols: [], first: ['40'] }),
    },
  ],
  options,
);
const raw = ['events-ws', 'events-ws registered', 'graph-ws', 'gooduncle-edge'];
report({
  name: 'idle',
  unit: 'one connection for one second',
  options,
  samples,
  goals: [
    ...raw.map((of) => ({ of, figure: 'kibPerConnection' as const, atMost: 9 })),
    ...raw.map((of) => ({ of, by: of.endsWith('registered') ? 'ws told once' : 'ws', figure: 'kibPerConnection' as const })),
    ...raw.map((of) => ({ of, by: 'socket.io', figure: 'kibPerConnection' as const })),
    { of: 'saga-edge', figure: 'kibPerConnection' as const, atMost: 13.5 },
    { of: 'saga-edge', by: 'socket.io', figure: 'kibPerConnection' as const },
    ...[...raw, 'saga-edge'].map((of) => ({ of, figure: 'lost' as const, atMost: 0 })),
  ],
});
await parts.disposeAsync();
process.exit(0);

async function measure(start: () => Promise<Server>, way: Way): Promise<Sample> {
  await using server = await start();
  const sockets = await connectAll(server, way, WARM_UP_CONNECTIONS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const few = await collected(server.pid);
  const began = performance.now();
  sockets.push(...(await connectAll(server, way, CONNECTIONS)));
  const seconds = (performance.now() - began) / 1000;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = cpuMicroseconds([server.pid]);
  await new Promise((resolve) => setTimeout(resolve, options.seconds * 1000));
  const used = cpuMicroseconds([server.pid]) - before;
  const asItIs = residentBytes(server.pid);
  const many = await collected(server.pid);
  const lost = sockets.filter((socket) => socket.closed).length;
  for (const socket of sockets) socket.destroy();
  return {
    cpuUs: used / options.seconds / sockets.length,
    rate: CONNECTIONS / seconds,
    memoryMiB: asItIs / 1024 / 1024,
    kibPerConnection: (many - few) / 1024 / CONNECTIONS,
    lost,
  };
}

async function collected(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR2');
  await new Promise((resolve) => setTimeout(resolve, COLLECT_MS));
  return residentBytes(pid);
}

async function connectAll({ port }: Server, { path, protocols, first }: Way, count: number): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  for (let at = 0; at < count; at += AT_ONCE) {
    const group = await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - at) }, () => RawSocket.open(port, path, { protocols })));
    for (const socket of group) for (const text of first) socket.send(text);
    sockets.push(...group);
  }
  return sockets;
}
