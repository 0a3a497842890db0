/**
 * `groups`: a backlog of bursts on few elements is delivered to four members of a group, confirmed and in order, while one joins, one leaves and one
 * disconnects; compared with the same backlog through one Redis consumer group with competing sockets, through a durable pull consumer of JetStream
 * that they share, and through an ordered consumer of JetStream for one socket. Then the cost of a change to the edge
 * with 1, 10 and 100 live groups. `GROUPS_CHANGES` sets the size of the backlog.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { startNats } from '@polyedge/testkit/servers/nats';
import { Redis } from 'ioredis';
import { Child } from './lib/child.ts';
import { cpuByName, cpuPerUnit } from './lib/cpu.ts';
import { copyToJetStream, copyToOneStream, untilAppended } from './lib/hot-stream.ts';
import { readOptions, seededText } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { Received } from './lib/received.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { connectBus, mutateAll } from './lib/store-client.ts';
import { portOf, startSystem } from './lib/system.ts';

const CHANGES = Number(process.env.GROUPS_CHANGES ?? '60000');
const LIVE_CHANGES = 5000;
const ELEMENTS = 200;
const BURST = 20;
const BATCH = 500;
const WAIT_MS = 120_000;
const QUIET_MS = 5000;

const options = readOptions({ seconds: 1, seed: 1, rounds: 3 });
const text = seededText(256, options.seed);
await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
const bus = await connectBus(system.nats.url);
parts.defer(() => bus.close());
const redis = new Redis(system.redis.url, { protocol: 2 });
parts.defer(() => redis.disconnect());
let count = 0;

await write('ogit/Backlog', CHANGES);
await untilAppended(redis, CHANGES, WAIT_MS);
const stream = await copyToOneStream(redis);
const folder = mkdtempSync(join(tmpdir(), 'polyedge-bench-'));
parts.defer(() => rmSync(folder, { recursive: true, force: true }));
const streams = parts.use(await startNats({ config: `jetstream { store_dir: "${folder}" }` }));
const publisher = await connect({ servers: `127.0.0.1:${streams.port}` });
parts.defer(() => publisher.close());
const jetStream = parts.use(await Child.start('jetstream-consumers', streams.url, await copyToJetStream(redis, publisher)));
const competing = parts.use(await Child.start('competing-consumers', system.redis.url, stream));

const samples = await inRounds(
  [
    {
      name: 'competing consumers',
      measure: () => backlog(Number(competing.ready), { pids: { server: competing.pid, redis: system.redis.pid } }),
    },
    {
      name: 'JetStream pull consumer',
      measure: () => backlog(portOf(jetStream), { pids: { server: jetStream.pid, nats: streams.pid } }),
    },
    { name: 'JetStream ordered consumer', measure: ordered },
    {
      name: 'group of four',
      measure: () =>
        backlog(system.hiro.port, {
          pids: { 'hiro-edge': system.hiro.pid, redis: system.redis.pid, 'graph-store': system.store.pid, postgres: system.postgres.pid },
          type: 'ogit/Backlog',
        }),
    },
    { name: 'live, 1 group', measure: () => live(1) },
    { name: 'live, 10 groups', measure: () => live(10) },
    { name: 'live, 100 groups', measure: () => live(100) },
  ],
  options,
);
report({
  name: 'groups',
  unit: 'one change delivered (backlog), or one change to all groups (live: CPU of the edge)',
  options,
  samples,
  goals: [
    { of: 'group of four', by: 'competing consumers', figure: 'rate', atLeast: 1 },
    { of: 'group of four', by: 'competing consumers', figure: 'cpuUs' },
    { of: 'group of four', by: 'JetStream pull consumer', figure: 'rate' },
    { of: 'group of four', by: 'JetStream pull consumer', figure: 'cpuUs' },
    { of: 'group of four', by: 'JetStream ordered consumer', figure: 'rate' },
    { of: 'group of four', by: 'JetStream ordered consumer', figure: 'cpuUs' },
    { of: 'group of four', figure: 'lost', atMost: 0 },
    { of: 'group of four', figure: 'inversions', atMost: 0 },
    { of: 'live, 10 groups', by: 'live, 1 group', figure: 'cpuUs' },
    { of: 'live, 100 groups', by: 'live, 1 group', figure: 'cpuUs', atMost: 1.5 },
  ],
});
await parts.disposeAsync();
process.exit(0);

/** Bursts: an element is written many times before the next one. */
async function write(type: string, changes: number): Promise<void> {
  count += 1;
  const id = (at: number): string => `groups-${count}-${at}`;
  const creates = Array.from({ length: ELEMENTS }, (_, at) => ({
    op: 'create' as const,
    type,
    id: id(at),
    attributes: { 'ogit/name': text },
  }));
  await mutateAll(bus, system.scope, creates);
  for (let done = ELEMENTS; done < changes; done += BATCH) {
    const updates = Array.from({ length: Math.min(BATCH, changes - done) }, (_, at) => ({
      op: 'update' as const,
      target: { id: id(Math.floor((done + at) / BURST) % ELEMENTS) },
      set: { '/n': String(done + at) },
    }));
    await mutateAll(bus, system.scope, updates);
  }
}

async function open(port: number, group: string, type: string, offset: string, hear: (frame: string) => void): Promise<RawSocket> {
  const socket = await RawSocket.open(port, `/api/events-ws/6.2/?groupId=${group}&offset=${offset}`, {
    protocols: ['events-1.0.0', `token-${system.token}`],
    onMessage: (buffer, start, end) => hear(buffer.toString('utf8', start, end)),
  });
  socket.send(`{"type":"register","args":{"filter-id":"f","filter-content":"(element.ogit/_type = ${type})"}}`);
  return socket;
}

async function backlog(
  port: number,
  { pids, type = '' }: { readonly pids: Readonly<Record<string, number>>; readonly type?: string },
): Promise<Sample> {
  count += 1;
  const group = `backlog-${count}`;
  const heard = new Received();
  const hear = (frame: string): void => heard.take(frame);
  const before = cpuByName(pids);
  const began = performance.now();
  const sockets = await Promise.all([0, 1, 2, 3].map(() => open(port, group, type, 'smallest', hear)));
  const deeds = [
    async () => sockets.push(await open(port, group, type, 'smallest', hear)),
    async () => sockets[0]?.destroy(),
    async () => sockets[1]?.destroy(),
  ];
  let last = began;
  let size = 0;
  // A baseline may lose some for good; then it ends when nothing has arrived for a while.
  while (heard.first.size < CHANGES && performance.now() - last < QUIET_MS) {
    if (heard.first.size > size) {
      size = heard.first.size;
      last = performance.now();
    }
    if (heard.first.size > (CHANGES * (4 - deeds.length)) / 4) await deeds.shift()?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const ended = heard.first.size < CHANGES ? last : performance.now();
  const seconds = (ended - began) / 1000;
  const after = cpuByName(pids);
  for (const socket of sockets) socket.destroy();
  return {
    ...cpuPerUnit(before, after, CHANGES),
    rate: heard.first.size / seconds,
    lost: Math.max(0, CHANGES - heard.first.size),
    duplicates: heard.deliveries - heard.first.size,
    inversions: heard.inversions,
  };
}

/** What one ordered consumer costs: a single socket, which gets everything and acknowledges nothing. */
async function ordered(): Promise<Sample> {
  const heard = new Received();
  const pids = { server: jetStream.pid, nats: streams.pid };
  const before = cpuByName(pids);
  const began = performance.now();
  const socket = await RawSocket.open(portOf(jetStream), '/?ordered', {
    onMessage: (buffer, start, end) => heard.take(buffer.toString('utf8', start, end)),
  });
  while (heard.first.size < CHANGES && performance.now() < began + WAIT_MS) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(pids);
  socket.destroy();
  const { size } = heard.first;
  return {
    ...cpuPerUnit(before, after, CHANGES),
    ...{ rate: size / seconds, lost: Math.max(0, CHANGES - size), duplicates: heard.deliveries - size, inversions: heard.inversions },
  };
}

/** Groups of one member each that all receive every write. */
async function live(groups: number): Promise<Sample> {
  count += 1;
  const type = `ogit/Live${count}`;
  let heard = 0;
  const sockets: RawSocket[] = [];
  for (let group = 0; group < groups; group += 1) {
    sockets.push(
      await open(system.hiro.port, `live-${count}-${group}`, type, 'largest', () => {
        heard += 1;
      }),
    );
  }
  // Every group must have started, because one that has not would rightly start at a later position.
  const deadline = performance.now() + WAIT_MS;
  const begun = async (): Promise<number> => {
    const answer = await fetch(`${system.hiro.url}/admin/groups`, { headers: { authorization: `Bearer ${system.token}` } });
    const { items } = (await answer.json()) as { items: { name: string; partitions: { owner: string | null }[] }[] };
    return items.filter(({ name, partitions }) => name.startsWith(`live-${count}-`) && partitions.every(({ owner }) => owner)).length;
  };
  while ((await begun()) < groups && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 200));
  const pids = { 'hiro-edge': system.hiro.pid };
  const before = cpuByName(pids);
  const began = performance.now();
  await write(type, LIVE_CHANGES);
  while (heard < LIVE_CHANGES * groups && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(pids);
  for (const socket of sockets) socket.destroy();
  return {
    ...cpuPerUnit(before, after, LIVE_CHANGES),
    rate: heard / seconds,
    lost: LIVE_CHANGES * groups - Math.min(heard, LIVE_CHANGES * groups),
    duplicates: Math.max(0, heard - LIVE_CHANGES * groups),
  };
}
