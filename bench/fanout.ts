/**
 * `fanout`: one change to 1,000 sockets of one whole hiro-edge (events-ws with tokens, validation, limits and metrics) and of one whole
 * saga-edge (joined globals, over Socket.IO) against a loop of `ws.send`, Socket.IO rooms (alone, and with the Redis Streams adapter and connection state recovery) and NATS' own WebSocket listener. Changes are really committed: graph-store, PostgreSQL and Redis run beside it.
 *
 * The unit is one delivery. CPU is that of the one process that holds the sockets. `in flight` messages are sent together, and the next ones
 * when every socket has them; the latency is that of the last socket. The 256 bytes are the attribute of the element, whose event is longer.
 */
import { connect } from '@nats-io/transport-node';
import { freePort } from '@polyedge/testkit/servers/free-port';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import type { Faults, Kind, Question } from './baselines/receivers.ts';
import { Child } from './lib/child.ts';
import { cpuMicroseconds, residentBytes } from './lib/cpu.ts';
import { idOf, numbered } from './lib/numbered.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';
import { connectBus, mutateAll } from './lib/store-client.ts';
import { startSystem } from './lib/system.ts';

const SOCKETS = 1000;
const IN_FLIGHT = [1, 8, 32];
const PAYLOAD_BYTES = 256;
const TYPE = 'ogit/Bench';
const WARM_UP_MS = 700;
/** At first a filter may not be active yet. */
const EARLY_MS = 500;
const LATE_MS = 10_000;

interface Target {
  readonly name: string;
  /** The process that holds the sockets. */
  readonly pid: number;
  /** Sends `count` messages, numbered from `number`, as fast as possible. */
  send(number: number, count: number): Promise<void> | void;
}

const numbers = new Map<string, number>();
const options = readOptions({ seconds: 2, seed: 1, rounds: 5 });
const text = seededText(PAYLOAD_BYTES, options.seed);

await using parts = new AsyncDisposableStack();
const receivers = parts.use(await Child.start('receivers'));
const ask = <Answer>(question: Question): Promise<Answer> => receivers.ask<Answer>(question);
const system = parts.use(await startSystem());
const bus = await connectBus(system.nats.url);
parts.defer(() => bus.close());
const targets = [
  await edge(),
  await sagaEdge(),
  await loop('ws-loop', '/', [], { by: 'number', prefix: 'b', offset: 1 }),
  await room('socketio-room'),
  await room('socketio-streams', system.redis.url),
  await natsListener(),
];

const variants: Variant[] = IN_FLIGHT.flatMap((inFlight) =>
  targets.map((target) => ({ name: `${target.name} ×${inFlight}`, measure: () => measure(target, inFlight) })),
);
const samples = await inRounds(variants, options);
report({
  name: 'fanout',
  unit: `one delivery, ${SOCKETS} sockets, ${PAYLOAD_BYTES} B of data; "×W": W messages in flight; latency until the last socket has all of them`,
  options,
  samples,
  goals: [
    { of: 'hiro-edge ×8', by: 'ws-loop ×8', figure: 'cpuUs', atMost: 0.15 },
    { of: 'hiro-edge ×32', by: 'ws-loop ×32', figure: 'cpuUs', atMost: 0.06 },
    { of: 'hiro-edge ×8', by: 'socketio-room ×8', figure: 'cpuUs', atMost: 0.25 },
    { of: 'hiro-edge ×8', by: 'socketio-streams ×8', figure: 'cpuUs', atMost: 0.25 },
    { of: 'hiro-edge ×8', by: 'nats-ws ×8', figure: 'cpuUs', atMost: 1 },
    { of: 'saga-edge ×8', by: 'socketio-room ×8', figure: 'cpuUs', atMost: 0.5 },
    ...IN_FLIGHT.flatMap((inFlight) => [
      { of: `hiro-edge ×${inFlight}`, figure: 'lost' as const, atMost: 0 },
      { of: `hiro-edge ×${inFlight}`, figure: 'duplicates' as const, atMost: 0 },
      { of: `saga-edge ×${inFlight}`, figure: 'lost' as const, atMost: 0 },
      { of: `saga-edge ×${inFlight}`, figure: 'duplicates' as const, atMost: 0 },
    ]),
  ],
});
await parts.disposeAsync();
process.exit(0);

/** Numbers continue across all measurements of a target. */
async function measure(target: Target, inFlight: number): Promise<Sample> {
  const { name, pid } = target;
  let number = numbers.get(name) ?? 1;
  const turn = async (withinMs: number): Promise<boolean> => {
    const all = ask<boolean>({ ask: 'await', name, messages: inFlight * SOCKETS, withinMs });
    await target.send(number, inFlight);
    number += inFlight;
    return all;
  };
  if (!numbers.has(name)) while (!(await turn(EARLY_MS))) await ask<Faults>({ ask: 'faults', name, next: number });
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) await turn(LATE_MS);
  await ask<Faults>({ ask: 'faults', name, next: number });
  const latencies = new Latencies();
  const before = {
    own: process.cpuUsage(),
    receivers: cpuMicroseconds([receivers.pid]),
    target: cpuMicroseconds([pid]),
    at: performance.now(),
  };
  let sent = 0;
  while (performance.now() - before.at < options.seconds * 1000) {
    const began = performance.now();
    if (await turn(LATE_MS)) latencies.add(performance.now() - began);
    sent += inFlight;
  }
  const seconds = (performance.now() - before.at) / 1000;
  const own = process.cpuUsage(before.own);
  const used = {
    own: own.user + own.system,
    receivers: cpuMicroseconds([receivers.pid]) - before.receivers,
    target: cpuMicroseconds([pid]) - before.target,
  };
  const faults = await ask<Faults>({ ask: 'faults', name, next: number });
  numbers.set(name, number);
  const due = sent * SOCKETS;
  return {
    cpuUs: used.target / faults.messages,
    rate: faults.messages / seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    memoryMiB: residentBytes(pid) / 1024 / 1024,
    bytesPerUnit: faults.wireBytes / faults.messages,
    lost: Math.max(faults.lost, due - faults.messages + faults.duplicates),
    duplicates: faults.duplicates,
    driver: Math.max(used.own, used.receivers) / seconds / 1_000_000,
  };
}

async function edge(): Promise<Target> {
  const { hiro, token, scope } = system;
  const filter = `(element.ogit/_type = ${TYPE})`;
  const register = { type: 'register', args: { 'filter-id': 'bench', 'filter-type': 'jfilter', 'filter-content': filter } };
  await openSockets(
    'hiro-edge',
    hiro.port,
    '/api/events-ws/6.2/',
    { by: 'number', prefix: '{"', offset: 8 },
    {
      protocols: ['events-1.0.0', `token-${token}`],
      first: [JSON.stringify(register)],
    },
  );
  return {
    name: 'hiro-edge',
    pid: hiro.pid,
    send: (number, count) =>
      mutateAll(
        bus,
        scope,
        Array.from({ length: count }, (_, at) => ({ op: 'create', id: idOf(number + at), type: TYPE, attributes: { 'ogit/name': text } })),
      ),
  };
}

/** A change of a global property, whose event names it after Socket.IO's `42["/properties",{"_id":"saga-globals:b`. */
async function sagaEdge(): Promise<Target> {
  const { nats, token, scope } = system;
  // The receivers do not answer Engine.IO's pings.
  const env = { NATS_URL: nats.url, LOG_LEVEL: 'warn', SAGA_PING_INTERVAL_MS: '600000', SAGA_PING_TIMEOUT_MS: '600000' };
  const saga = parts.use(await startService({ name: 'saga-edge', env }));
  // A client of Engine.IO 3 is in the default namespace from the start, so its first messages need not wait for an answer.
  const first = [`42${JSON.stringify(['authentication', { accessToken: token }])}`, '42["/globals/join"]'];
  const path = '/socket.io/?EIO=3&transport=websocket';
  await openSockets('saga-edge', saga.port, path, { by: 'number', prefix: '42', offset: 39 }, { first });
  return {
    name: 'saga-edge',
    pid: saga.pid,
    send: (number, count) =>
      mutateAll(
        bus,
        scope,
        Array.from({ length: count }, (_, at) => {
          const name = idOf(number + at);
          const attributes = { parent_type: 'globals', parent_id: 'saga-globals', name, value: text, source_creator: { type: 'socket' } };
          return { op: 'create', id: `saga-globals:${name}`, type: 'saga/Property', attributes };
        }),
      ),
  };
}

async function loop(name: string, path: string, first: readonly string[], kind: Kind, program = name, ...args: string[]): Promise<Target> {
  const child = parts.use(await Child.start(program, ...args));
  const { port } = child.ready as { port: number }; // both ends are files of this folder
  await openSockets(name, port, path, kind, { first });
  return { name, pid: child.pid, send: (number, count) => child.tell({ text, number, count }) };
}

function room(name: string, ...args: string[]): Promise<Target> {
  const kind: Kind = { by: 'number', prefix: '42', offset: 9 };
  return loop(name, '/socket.io/?EIO=4&transport=websocket', ['40'], kind, 'socketio-room', ...args);
}

async function natsListener(): Promise<Target> {
  const port = await freePort();
  const server = parts.use(await startNats({ config: `websocket { host: "127.0.0.1", port: ${port}, no_tls: true }` }));
  const publisher = await connect({ servers: `127.0.0.1:${server.port}` });
  parts.defer(() => publisher.close());
  const unitBytes = `MSG b 1 ${PAYLOAD_BYTES}\r\n`.length + PAYLOAD_BYTES + 2;
  const hello = ['CONNECT {"verbose":false,"pedantic":false}\r\n', 'SUB b 1\r\n'];
  await openSockets('nats-ws', port, '/', { by: 'bytes', unitBytes }, { first: hello, binary: true });
  return {
    name: 'nats-ws',
    pid: server.pid,
    send: (number, count) => {
      for (let at = 0; at < count; at += 1) publisher.publish('b', numbered(number + at, text));
    },
  };
}

async function openSockets(
  name: string,
  port: number,
  path: string,
  kind: Kind,
  more: { readonly protocols?: readonly string[]; readonly first: readonly string[]; readonly binary?: boolean },
): Promise<void> {
  const opened = await ask<number>({ ask: 'open', name, port, path, kind, protocols: [], count: SOCKETS, ...more });
  if (opened !== SOCKETS) throw new Error(`${name}: ${opened} sockets of ${SOCKETS} were opened`);
  console.error(`  ${name}: ${opened} sockets`);
}
