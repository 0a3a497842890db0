/**
 * `heartbeat`: the cost of a character every 300 ms in both directions: gooduncle-edge, a server with two timers per connection and plain
 * sockets that only send heartbeats (the lower bound), at 5,000 connections, and the edge at 10,000 for information. CPU is microseconds per heartbeat that a client
 * received (and the one it sent), since a server that cannot keep up sends fewer; p50 and p99 are the delay beyond
 * 300 ms between two heartbeats, `units/s` are heartbeats.
 */
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { Child } from './lib/child.ts';
import { cpuMicroseconds, residentBytes } from './lib/cpu.ts';
import { readOptions } from './lib/options.ts';
import { inRounds, report, type Sample } from './lib/report.ts';

const CONNECTIONS = 5000;
const SETTLE_MS = 2000;

interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

const options = readOptions({ seconds: 10, seed: 1, rounds: 3 });
await using parts = new AsyncDisposableStack();
const nats = parts.use(await startNats());
// Publishes the keys that an edge waits for.
parts.use(await Child.start('responder', nats.url));

const edge = (): Promise<Server> =>
  startService({
    name: 'gooduncle-edge',
    env: { NATS_URL: nats.url, LOG_LEVEL: 'warn', GOODUNCLE_SCOPE: 'bench', GOODUNCLE_MAX_CONNECTIONS_PER_ADDRESS: '50000' },
  });
const baseline = (name: string) => async (): Promise<Server> => {
  const child = await Child.start(name);
  const { port } = child.ready as { port: number }; // both ends are files of this folder
  return { pid: child.pid, port, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
};

const samples = await inRounds(
  [
    { name: 'edge', measure: () => measure(edge, CONNECTIONS) },
    { name: 'timers', measure: () => measure(baseline('timers-each'), CONNECTIONS) },
    { name: 'bare sockets', measure: () => measure(baseline('bare-beats'), CONNECTIONS) },
    { name: 'edge 10,000', measure: () => measure(edge, 2 * CONNECTIONS) },
  ],
  options,
);
report({
  name: 'heartbeat',
  unit: 'a heartbeat in each direction',
  options,
  samples,
  goals: [
    { of: 'edge', by: 'timers', figure: 'cpuUs', atMost: 0.4 },
    { of: 'bare sockets', by: 'timers', figure: 'cpuUs' },
    { of: 'edge', by: 'bare sockets', figure: 'cpuUs' },
    { of: 'edge', figure: 'p99Ms', atMost: 20 },
    { of: 'edge', by: 'timers', figure: 'p99Ms' },
    { of: 'edge 10,000', by: 'edge', figure: 'cpuUs' },
    { of: 'edge', figure: 'lost', atMost: 0 },
  ],
});
await parts.disposeAsync();
process.exit(0);

async function measure(start: () => Promise<Server>, connections: number): Promise<Sample> {
  await using server = await start();
  await using clients = await Child.start('beating-clients', String(server.port), String(connections));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = cpuMicroseconds([server.pid]);
  const { beats, p50Ms, p99Ms, lost, driver } = await clients.ask<{
    beats: number;
    p50Ms: number;
    p99Ms: number;
    lost: number;
    driver: number;
  }>({ seconds: options.seconds });
  const used = cpuMicroseconds([server.pid]) - before;
  return {
    cpuUs: used / beats,
    rate: beats / options.seconds,
    p50Ms,
    p99Ms,
    memoryMiB: residentBytes(server.pid) / 1024 / 1024,
    lost,
    driver,
  };
}
