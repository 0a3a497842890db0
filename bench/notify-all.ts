/**
 * `notify-all`: a core's `notify_all` to 1,000 clients of one whole jssocket-edge, over NATS, against a loop of `ws.send` in one process, which
 * is how the original does it. The unit is one delivery. CPU is that of the one process that holds the sockets. `in flight` notifications are
 * sent together, and the next ones when every socket has them; the latency is that of the last socket.
 */
import { connect } from 'node:net';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startService } from '@polyedge/testkit/servers/service';
import { WebSocket } from 'ws';
import type { Faults, Kind, Question } from './baselines/receivers.ts';
import { Child } from './lib/child.ts';
import { cpuMicroseconds, residentBytes } from './lib/cpu.ts';
import { numbered } from './lib/numbered.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';

const SOCKETS = 1000;
const IN_FLIGHT = [1, 8, 32];
const PAYLOAD_BYTES = 256;
const WARM_UP_MS = 700;
const LATE_MS = 10_000;

interface Target {
  readonly name: string;
  readonly pid: number;
  send(number: number, count: number): void;
}

const options = readOptions({ seconds: 2, seed: 1, rounds: 5 });
const text = seededText(PAYLOAD_BYTES, options.seed);
const numbers = new Map<string, number>();

await using parts = new AsyncDisposableStack();
const receivers = parts.use(await Child.start('receivers'));
const ask = <Answer>(question: Question): Promise<Answer> => receivers.ask<Answer>(question);
const targets = [await edge(), await loop()];
const variants: Variant[] = IN_FLIGHT.flatMap((inFlight) =>
  targets.map((target) => ({ name: `${target.name} ×${inFlight}`, measure: () => measure(target, inFlight) })),
);
report({
  name: 'notify-all',
  unit: `one delivery, ${SOCKETS} clients, ${PAYLOAD_BYTES} B; "×W": W notifications in flight; latency until the last client has all of them`,
  options,
  samples: await inRounds(variants, options),
  goals: [
    { of: 'jssocket-edge ×8', by: 'ws-loop ×8', figure: 'cpuUs', atMost: 0.25 },
    { of: 'jssocket-edge ×32', by: 'ws-loop ×32', figure: 'cpuUs', atMost: 0.12 },
    ...IN_FLIGHT.map((inFlight) => ({ of: `jssocket-edge ×${inFlight}`, figure: 'lost' as const, atMost: 0 })),
  ],
});
await parts.disposeAsync();
process.exit(0);

/** Numbers continue across all measurements of a target. */
async function measure({ name, pid, send }: Target, inFlight: number): Promise<Sample> {
  let number = numbers.get(name) ?? 1;
  const turn = (): Promise<boolean> => {
    const all = ask<boolean>({ ask: 'await', name, messages: inFlight * SOCKETS, withinMs: LATE_MS });
    send(number, inFlight);
    number += inFlight;
    return all;
  };
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) await turn();
  await ask<Faults>({ ask: 'faults', name, next: number });
  const latencies = new Latencies();
  const own = process.cpuUsage();
  const before = { receivers: cpuMicroseconds([receivers.pid]), target: cpuMicroseconds([pid]), at: performance.now() };
  let sent = 0;
  while (performance.now() - before.at < options.seconds * 1000) {
    const began = performance.now();
    if (await turn()) latencies.add(performance.now() - began);
    sent += inFlight;
  }
  const seconds = (performance.now() - before.at) / 1000;
  const { user, system } = process.cpuUsage(own);
  const usedByReceivers = cpuMicroseconds([receivers.pid]) - before.receivers;
  const used = cpuMicroseconds([pid]) - before.target;
  const faults = await ask<Faults>({ ask: 'faults', name, next: number });
  numbers.set(name, number);
  return {
    cpuUs: used / faults.messages,
    rate: faults.messages / seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    memoryMiB: residentBytes(pid) / 1024 / 1024,
    bytesPerUnit: faults.wireBytes / faults.messages,
    lost: Math.max(faults.lost, sent * SOCKETS - faults.messages + faults.duplicates),
    duplicates: faults.duplicates,
    driver: Math.max(user + system, usedByReceivers) / seconds / 1_000_000,
  };
}

/** The edge with its defaults, on a NATS server of its own; this process is the core. */
async function edge(): Promise<Target> {
  const nats = parts.use(await startNats());
  const service = parts.use(await startService({ name: 'jssocket-edge', env: { NATS_URL: nats.url, LOG_LEVEL: 'warn' } }));
  const tcp = connect(service.port, '127.0.0.1');
  const core = new WebSocket(`ws://127.0.0.1:${service.port}/ws`, {
    headers: { auth: '12345678' },
    perMessageDeflate: false,
    createConnection: () => tcp,
  });
  parts.defer(() => core.terminate());
  await new Promise((resolve) => core.once('open', resolve));
  core.send('{"type":"server_connect"}');
  core.on('message', (message) => {
    const { type, data } = JSON.parse(String(message));
    if (type === 'client_connect') core.send(JSON.stringify({ type: 'client_connected', data: { ...data, user: 'public' } }));
  });
  const kind: Kind = { by: 'number', prefix: '"b', offset: 2 };
  await openSockets('jssocket-edge', service.port, kind, ['{"type":"client_connect"}']);
  return {
    name: 'jssocket-edge',
    pid: service.pid,
    send: (number, count) => {
      // The loop also gets all of them at once.
      tcp.cork();
      for (let at = 0; at < count; at += 1) core.send(`{"type":"notify_all","data":"${numbered(number + at, text)}"}`);
      tcp.uncork();
    },
  };
}

async function loop(): Promise<Target> {
  const child = parts.use(await Child.start('ws-loop'));
  const { port } = child.ready as { port: number }; // both ends are files of this folder
  await openSockets('ws-loop', port, { by: 'number', prefix: 'b', offset: 1 }, []);
  return { name: 'ws-loop', pid: child.pid, send: (number, count) => child.tell({ text, number, count }) };
}

async function openSockets(name: string, port: number, kind: Kind, first: readonly string[]): Promise<void> {
  const opened = await ask<number>({ ask: 'open', name, port, path: '/', kind, protocols: [], count: SOCKETS, first });
  if (opened !== SOCKETS) throw new Error(`${name}: ${opened} sockets of ${SOCKETS} were opened`);
  console.error(`  ${name}: ${opened} sockets`);
}
