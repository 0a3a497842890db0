/**
 * `journals`: writes a second through one journal and through two, each with a PostgreSQL server and a graph-store of its own, asked directly on NATS in
 * messages of 32 (create and update in turn, 256 B), as an edge under load does. A journal gets a core of its own (taskset), or half of one (the
 * kernel's quota), so that the driver and NATS, which the measured rate needs as well, have the rest of a machine with two.
 */
import { randomBytes } from 'node:crypto';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { busOf } from '@polyedge/service-kit/journal-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import postgres from 'postgres';
import { closedLoop } from './lib/closed-loop.ts';
import { CoreShare, pin } from './lib/core-share.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { connectBus } from './lib/store-client.ts';

const MESSAGE = 32;
const IN_FLIGHT = 8;
const WARM_UP_MS = 1500;
const SECOND = 'second';

const options = readOptions({ seconds: 4, seed: 1, rounds: 3 });
const texts = [seededText(256, options.seed), seededText(256, options.seed + 1)];

await using parts = new AsyncDisposableStack();
const [nats, redis, first, second] = await Promise.all([startNats(), startRedis(), startPostgres(), startPostgres()]);
for (const part of [nats, redis, first, second]) parts.use(part);
const env = {
  NATS_URL: nats.url,
  REDIS_URL: redis.url,
  DATABASE_URL: first.url,
  LOG_LEVEL: 'warn',
  POLYEDGE_JOURNALS: `${SECOND}=${second.url}`,
};
const stores = [
  parts.use(await startService({ name: 'graph-store', env: { ...env, GRAPH_STORE_SERVES: 'main' } })),
  parts.use(await startService({ name: 'graph-store', env: { ...env, GRAPH_STORE_SERVES: SECOND } })),
];
const bus = await connectBus(nats.url);
parts.defer(() => bus.close());
const journals = [
  { name: 'main', tenant: 'one', pids: [stores[0]?.pid ?? 0, first.pid], url: first.url },
  { name: SECOND, tenant: 'two', pids: [stores[1]?.pid ?? 0, second.pid], url: second.url },
].map((journal) => ({
  ...journal,
  bus: busOf(bus, journal.name),
  look: postgres(journal.url, { max: 1 }),
  share: CoreShare.of(journal.name, journal.pids),
  next: 0,
}));
for (const { look, share } of journals) {
  parts.defer(() => look.end());
  if (share !== undefined) parts.use(share);
}

const withShares = journals.every(({ share }) => share !== undefined);
if (!withShares) console.error('  this machine lets nobody set a quota: only cores of their own are measured');
const samples = await inRounds(
  [
    { name: 'one journal, a core', measure: () => write(1, 'core') },
    { name: 'two journals, a core each', measure: () => write(2, 'core') },
    ...(withShares
      ? [
          { name: 'one journal, half a core', measure: () => write(1, 'half') },
          { name: 'two journals, half a core each', measure: () => write(2, 'half') },
        ]
      : []),
  ] satisfies Variant[],
  options,
);
report({
  name: 'journals',
  unit: 'one acknowledged write; CPU of the journals that are written (graph-store and PostgreSQL), beside driver, NATS and Redis',
  options,
  samples,
  goals: [
    { of: 'two journals, a core each', by: 'one journal, a core', figure: 'rate', atLeast: 1.8 },
    ...(withShares
      ? [{ of: 'two journals, half a core each', by: 'one journal, half a core', figure: 'rate' as const, atLeast: 1.8 }]
      : []),
    ...[...samples.keys()].flatMap((of) => [
      { of, figure: 'lost' as const, atMost: 0 },
      { of, figure: 'duplicates' as const, atMost: 0 },
    ]),
  ],
});
await parts.disposeAsync();
process.exit(0);

async function write(count: number, what: 'core' | 'half'): Promise<Sample> {
  const written = journals.slice(0, count);
  for (const [at, { pids, share }] of journals.entries()) {
    pin(pids, what === 'core' ? String(at) : '0,1');
    share?.set(what === 'half' ? 0.5 : 0);
  }
  const before = await Promise.all(written.map(seqOf));
  const pids = Object.fromEntries(written.map(({ name, pids: [store = 0] }) => [`graph-store ${name}`, store]));
  const all = { ...pids, ...Object.fromEntries(written.map(({ name, pids: [, database = 0] }) => [`postgres ${name}`, database])) };
  let from = cpuByName(all);
  let to = from;
  const result = await closedLoop({
    inFlight: IN_FLIGHT * count,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => void send(written[lane % count], answered),
    measured: (edge) => {
      if (edge === 'begin') from = cpuByName(all);
      else to = cpuByName(all);
    },
  });
  const after = await Promise.all(written.map(seqOf));
  const changes = after.reduce((sum, seq, at) => sum + seq - (before[at] ?? 0), 0);
  const acknowledged = result.answered * MESSAGE;
  return {
    ...cpuPerUnit(from, to, result.done * MESSAGE),
    rate: (result.done * MESSAGE) / result.seconds,
    p50Ms: result.latencies.quantile(0.5),
    p99Ms: result.latencies.quantile(0.99),
    memoryMiB: residentMiB(all),
    lost: result.lost * MESSAGE + Math.max(0, acknowledged - changes),
    duplicates: Math.max(0, changes - acknowledged - result.lost * MESSAGE),
    driver: result.driverSeconds / result.seconds,
  };
}

async function send(journal: (typeof journals)[number] | undefined, answered: (failure: string | undefined) => void): Promise<void> {
  if (journal === undefined) return;
  const requests = Array.from({ length: MESSAGE }, () => {
    const n = journal.next++;
    const id = `${journal.tenant}-${n >> 1}`;
    const [text = '', other = ''] = texts;
    const operation: Operation =
      n % 2 === 0
        ? { op: 'create', type: 'ogit/Bench', id, attributes: { 'ogit/name': text } }
        : { op: 'update', target: { id }, set: { 'ogit/name': other } };
    const origin = { protocol: 'hiro', way: 'socket' as const, operation: operation.op };
    return { operationId: operationId(Date.now(), randomBytes(10)), by: 'bench', app: 'bench', origin, operations: [operation] };
  });
  const subject = graphMutate.subject({ tenant: journal.tenant });
  const reply = await journal.bus.request(graphMutate, subject, { defaultScope: 'bench', requests }, { timeoutMs: 20_000 });
  const failure = reply.ok ? reply.value.outcomes.find(({ ok }) => !ok) : reply;
  answered(failure === undefined ? undefined : JSON.stringify(failure));
}

async function seqOf({ look }: (typeof journals)[number]): Promise<number> {
  const [row] = await look<{ seq: string }[]>`select seq from sequencer`;
  return Number(row?.seq ?? 0);
}
