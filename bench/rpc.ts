/**
 * `rpc`: a read (`get`, 256 B of data) over graph-ws against a bridge of 40 lines, `ws` → NATS → responder and back. Both use the same responder,
 * which stands in for graph-store and answers the same bytes, so the difference is the additional work of the edge: tokens, checks, limits, ordering,
 * visibility, HIRO's form of a vertex, metrics. The CPU is that of hiro-edge's, or the bridge's, process alone. `graph-store` is the same
 * read through the real store with PostgreSQL, for comparison; its CPU is that of edge, store and PostgreSQL.
 *
 * `×W` is a closed loop over W sockets with one request each; `at R/s` starts requests at fixed times over 64 sockets, so that waiting counts.
 */

import { graphGet } from '@polyedge/contracts/bus/graph';
import { startNats } from '@polyedge/testkit/servers/nats';
import { Child } from './lib/child.ts';
import { closedLoop } from './lib/closed-loop.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { HttpLane } from './lib/http-lane.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { openLoop } from './lib/open-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';
import { connectBus, mutateAll, TENANT } from './lib/store-client.ts';
import { portOf, startHiro, startRoute, startSystem } from './lib/system.ts';

const SOCKETS = 64;
const RATE = 1000;
const WARM_UP_MS = 1000;
const GRACE_MS = 10_000;

interface Target {
  readonly name: string;
  /** The processes whose CPU counts. */
  readonly pids: Readonly<Record<string, number>>;
  readonly sockets: readonly GraphSocket[];
}

const options = readOptions({ seconds: 3, seed: 1, rounds: 5 });
let nextRequest = 1;

await using parts = new AsyncDisposableStack();
const nats = parts.use(await startNats());
const responder = parts.use(await Child.start('responder', nats.url, String(options.seed)));
const { token } = responder.ready as { token: string }; // both ends are files of this folder
const hiro = parts.use(await startHiro({ NATS_URL: nats.url }));
const bridge = parts.use(await Child.start('bridge', nats.url, graphGet.subject({ tenant: TENANT })));
const whole = parts.use(await startSystem());
const bus = await connectBus(whole.nats.url);
parts.defer(() => bus.close());
await mutateAll(bus, whole.scope, [
  { op: 'create', id: 'bench', type: 'ogit/Bench', attributes: { 'ogit/name': seededText(256, options.seed) } },
]);

const route = parts.use(await startRoute(whole));
const routeLanes: HttpLane[] = [];
for (let at = 0; at < SOCKETS; at += 1) routeLanes.push(await HttpLane.open(portOf(route)));
await new Promise<void>((resolve, reject) => {
  routeLanes[0]?.post('/things/bench', '', JSON.stringify({ name: seededText(256, options.seed) }), (status, body) => {
    if (status === 200) resolve();
    else reject(new Error(body));
  });
});

const path = '/api/graph-ws/6.1/';
const targets: Target[] = [
  { name: 'hiro-edge', pids: { 'hiro-edge': hiro.pid }, sockets: await open(hiro.port, token) },
  { name: 'bridge', pids: { bridge: bridge.pid }, sockets: await open(portOf(bridge), undefined) },
  {
    name: 'graph-store',
    pids: { 'hiro-edge': whole.hiro.pid, 'graph-store': whole.store.pid, postgres: whole.postgres.pid },
    sockets: await open(whole.hiro.port, whole.token),
  },
];

const samples = await inRounds(
  // Compared variants run next to each other, so that they see the same load.
  [
    ...targets.map((target) => ({ name: `${target.name} ×1`, measure: () => closed(target, 1) })),
    { name: 'route ×1', measure: () => throughRoute(1) },
    ...targets.map((target) => ({ name: `${target.name} ×${SOCKETS}`, measure: () => closed(target, SOCKETS) })),
    { name: `route ×${SOCKETS}`, measure: () => throughRoute(SOCKETS) },
    ...targets.map((target) => ({ name: `${target.name} at ${RATE}/s`, measure: () => opened(target) })),
  ],
  options,
);
report({
  name: 'rpc',
  unit: 'one read and its answer',
  options,
  samples,
  goals: [
    ...[`×1`, `×${SOCKETS}`, `at ${RATE}/s`].flatMap((how) => [
      { of: `hiro-edge ${how}`, by: `bridge ${how}`, figure: 'cpuUs' as const, atMost: 1.25 },
      { of: `hiro-edge ${how}`, by: `bridge ${how}`, figure: 'p50Ms' as const, atMost: 1.25 },
      { of: `hiro-edge ${how}`, by: `bridge ${how}`, figure: 'p99Ms' as const, atMost: 1.5 },
    ]),
    ...[1, SOCKETS].flatMap((inFlight) => [
      { of: `graph-store ×${inFlight}`, by: `route ×${inFlight}`, figure: 'cpuUs' as const },
      { of: `graph-store ×${inFlight}`, by: `route ×${inFlight}`, figure: 'p50Ms' as const },
    ]),
    { of: `hiro-edge ×${SOCKETS}`, figure: 'lost', atMost: 0 },
    { of: `hiro-edge ×${SOCKETS}`, figure: 'duplicates', atMost: 0 },
  ],
});
await parts.disposeAsync();
process.exit(0);

async function open(port: number, credential: string | undefined): Promise<GraphSocket[]> {
  const sockets: GraphSocket[] = [];
  for (let at = 0; at < SOCKETS; at += 1) sockets.push(await GraphSocket.open(port, path, credential));
  const answer = await sockets[0]?.text(0, `${requestHead(0)},"type":"get","headers":{"ogit/_id":"bench"}}`);
  if (answer?.includes(seededText(256, options.seed)) !== true) throw new Error(`not the expected answer: ${answer}`);
  return sockets;
}

function get(target: Target, lane: number, answered: (failure: string | undefined) => void): void {
  const request = nextRequest++;
  target.sockets[lane % SOCKETS]?.ask(request, `${requestHead(request)},"type":"get","headers":{"ogit/_id":"bench"}}`, answered);
}

/** The same read through a route of Fastify over HTTP. */
async function throughRoute(inFlight: number): Promise<Sample> {
  const { sample } = await measuredLoop(
    { route: route.pid, postgres: whole.postgres.pid },
    {
      inFlight,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (lane, answered) => routeLanes[lane]?.get('/things/bench', (status, body) => answered(status === 200 ? undefined : body)),
    },
  );
  return sample;
}

async function closed(target: Target, inFlight: number): Promise<Sample> {
  const duplicates = unasked(target);
  let before = cpuByName(target.pids);
  let after = before;
  const result = await closedLoop({
    inFlight,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => get(target, lane, answered),
    measured: (edge) => {
      if (edge === 'begin') before = cpuByName(target.pids);
      else after = cpuByName(target.pids);
    },
  });
  const { latencies, done, seconds, lost, driverSeconds } = result;
  return {
    ...figures(target, before, after, done, latencies),
    rate: done / seconds,
    lost,
    duplicates: unasked(target) - duplicates,
    driver: driverSeconds / seconds,
  };
}

async function opened(target: Target): Promise<Sample> {
  const duplicates = unasked(target);
  const latencies = new Latencies();
  let lane = 0;
  let begun = 0;
  let answers = 0;
  let measuring = false;
  const begin = (due: number) => {
    begun += 1;
    lane += 1;
    const counted = measuring;
    get(target, lane, (failure) => {
      if (failure !== undefined) throw new Error(failure);
      answers += 1;
      if (counted) latencies.add(performance.now() - due);
    });
  };
  await openLoop(RATE, WARM_UP_MS, begin);
  measuring = true;
  const driver = process.cpuUsage();
  const before = cpuByName(target.pids);
  const began = performance.now();
  await openLoop(RATE, options.seconds * 1000, begin);
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(target.pids);
  const used = process.cpuUsage(driver);
  for (const until = performance.now() + GRACE_MS; answers < begun && performance.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    ...figures(target, before, after, latencies.count, latencies),
    rate: latencies.count / seconds,
    lost: begun - answers,
    duplicates: unasked(target) - duplicates,
    driver: (used.user + used.system) / 1_000_000 / seconds,
  };
}

function figures(
  target: Target,
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  units: number,
  latencies: Latencies,
) {
  const { cpuUs, parts: perPart } = cpuPerUnit(before, after, units);
  return {
    cpuUs,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    memoryMiB: residentMiB(target.pids),
    ...(Object.keys(target.pids).length > 1 ? { parts: perPart } : {}),
  };
}

function unasked({ sockets }: Target): number {
  return sockets.reduce((sum, socket) => sum + socket.unasked, 0);
}
