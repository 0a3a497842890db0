/**
 * `replay`: one member of a group catches up 200,000 changes over its WebSocket, each confirmed, against bare programs that only read the same
 * bytes from one stream of the same Redis: a loop of XREADGROUP and XACK, and one of XRANGE; and a bare relay that encodes each as an event and sends it
 * over a WebSocket, that is, a member without a group. `REPLAY_CHANGES` sets the number of changes. With `BENCH_CHECKOUT=FOLDER` a hiro-edge of
 * another version beside the same servers takes its turns, too.
 */
import type { RunningService } from '@polyedge/testkit/servers/service';
import { Redis } from 'ioredis';
import type { ReplayAnswer, ReplayQuestion } from './baselines/redis-replay.ts';
import { Child } from './lib/child.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { copyToOneStream, untilAppended } from './lib/hot-stream.ts';
import { readOptions, seededText } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { connectBus, mutateAll } from './lib/store-client.ts';
import { otherCheckout, startHiro, startSystem } from './lib/system.ts';

const CHANGES = Number(process.env.REPLAY_CHANGES ?? '200000');
const ELEMENTS = 2000;
const BATCH = 500;
const WAIT_MS = 120_000;

const options = readOptions({ seconds: 1, seed: 1, rounds: 3 });
const text = seededText(256, options.seed);
await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
const bus = await connectBus(system.nats.url);
parts.defer(() => bus.close());
const redis = new Redis(system.redis.url, { protocol: 2 });
parts.defer(() => redis.disconnect());
const bare = parts.use(await Child.start('redis-replay', system.redis.url));
const relay = parts.use(await Child.start('replay-relay', system.redis.url));

await fill();
const stream = await copyToOneStream(redis);
await relay.ask({ stream });
let groups = 0;
const { nats, postgres } = system;
const other =
  otherCheckout === undefined
    ? undefined
    : parts.use(await startHiro({ NATS_URL: nats.url, REDIS_URL: system.redis.url, DATABASE_URL: postgres.url }, otherCheckout));

const samples = await inRounds(
  [
    { name: 'XREADGROUP + XACK', measure: () => bareLoop('xreadgroup') },
    { name: 'XRANGE', measure: () => bareLoop('xrange') },
    { name: 'relay', measure: overRelay },
    { name: 'group member', measure: () => member(system.hiro) },
    ...(other === undefined ? [] : [{ name: 'other group member', measure: () => member(other) }]),
  ],
  options,
);
report({
  name: 'replay',
  unit: `one change of ${CHANGES} of a catch-up`,
  options,
  samples,
  goals: [
    { of: 'group member', by: 'XREADGROUP + XACK', figure: 'rate', atLeast: 0.8 },
    { of: 'group member', by: 'XRANGE', figure: 'rate' },
    { of: 'relay', by: 'XREADGROUP + XACK', figure: 'rate' },
    { of: 'group member', by: 'relay', figure: 'rate', atLeast: 2 },
    { of: 'group member', by: 'relay', figure: 'cpuUs' },
    { of: 'group member', by: 'XREADGROUP + XACK', figure: 'cpuUs' },
    { of: 'group member', by: 'other group member', figure: 'cpuUs' },
    { of: 'group member', by: 'other group member', figure: 'rate' },
    { of: 'group member', figure: 'lost', atMost: 0 },
    { of: 'group member', figure: 'duplicates', atMost: 0 },
  ],
});
await parts.disposeAsync();
process.exit(0);

/** Writes the changes and waits until Redis has them all. */
async function fill(): Promise<void> {
  const id = (at: number): string => `replay-${at}`;
  const create = Array.from({ length: ELEMENTS }, (_, at) => ({
    op: 'create' as const,
    type: 'ogit/Replay',
    id: id(at),
    attributes: { 'ogit/name': text },
  }));
  for (let at = 0; at < create.length; at += BATCH) await mutateAll(bus, system.scope, create.slice(at, at + BATCH));
  for (let done = ELEMENTS; done < CHANGES; done += BATCH) {
    const count = Math.min(BATCH, CHANGES - done);
    await mutateAll(
      bus,
      system.scope,
      Array.from({ length: count }, (_, at) => ({
        op: 'update' as const,
        target: { id: id((done + at) % ELEMENTS) },
        set: { '/n': String(done + at) },
      })),
    );
    if (done % 50_000 < BATCH) console.error(`  ${done} changes written`);
  }
  await untilAppended(redis, CHANGES, WAIT_MS);
}

async function bareLoop(how: ReplayQuestion['how']): Promise<Sample> {
  const pids = { client: bare.pid, redis: system.redis.pid };
  const before = cpuByName(pids);
  const { seconds, read } = await bare.ask<ReplayAnswer>({ how, stream, count: CHANGES } satisfies ReplayQuestion);
  return { ...cpuPerUnit(before, cpuByName(pids), read), rate: read / seconds, memoryMiB: residentMiB({ client: bare.pid }) };
}

async function overRelay(): Promise<Sample> {
  const pids = { relay: relay.pid, redis: system.redis.pid };
  const before = cpuByName(pids);
  const began = performance.now();
  const { port } = relay.ready as { port: number }; // both ends are files of this folder
  const socket = await RawSocket.open(port, '/');
  await all(socket, began);
  const seconds = (performance.now() - began) / 1000;
  const { messages } = socket;
  socket.destroy();
  return { ...cpuPerUnit(before, cpuByName(pids), messages), rate: messages / seconds, memoryMiB: residentMiB({ relay: relay.pid }) };
}

/** Waits until a socket has received every change, or time is up. */
async function all(socket: RawSocket, began: number): Promise<void> {
  while (socket.messages < CHANGES && performance.now() < began + WAIT_MS && !socket.closed)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

async function member({ pid, port }: RunningService): Promise<Sample> {
  groups += 1;
  const pids = { 'hiro-edge': pid, redis: system.redis.pid, 'graph-store': system.store.pid, postgres: postgres.pid };
  const path = `/api/events-ws/6.2/?groupId=replay-${groups}&offset=smallest`;
  const socket = await RawSocket.open(port, path, { protocols: ['events-1.0.0', `token-${system.token}`] });
  let mostMiB = 0;
  const watching = setInterval(() => {
    mostMiB = Math.max(mostMiB, residentMiB({ edge: pid }));
  }, 250);
  const before = cpuByName(pids);
  const began = performance.now();
  socket.send('{"type":"register","args":{"filter-id":"f","filter-content":"(element.ogit/_type = ogit/Replay)"}}');
  await all(socket, began);
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(pids);
  clearInterval(watching);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { messages } = socket;
  socket.destroy();
  return {
    ...cpuPerUnit(before, after, messages),
    rate: messages / seconds,
    memoryMiB: mostMiB,
    lost: Math.max(0, CHANGES - messages),
    duplicates: Math.max(0, messages - CHANGES),
  };
}
