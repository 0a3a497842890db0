/**
 * `mutate`: create and update (in turn, 256 B) over graph-ws until the commit is acknowledged, through the whole system, against a bare client
 * that writes the same rows into the same tables with the same statement: (a) a transaction for each write over eight connections, (b) 500
 * writes in a transaction over one. The CPU is that of everything involved: edge, NATS, graph-store, PostgreSQL and Redis; of a bare client,
 * itself and PostgreSQL. Besides, what one would begin with: (c) a Fastify route over a table with a JSON column, (d) a transaction for each
 * write that tells others by NOTIFY. With `BENCH_CHECKOUT=FOLDER` the services of another version take their turns, too.
 */
import { createDatabase } from '@polyedge/testkit/servers/postgres';
import postgres from 'postgres';
import type { BareAnswer, BareQuestion } from './baselines/bare-sql.ts';
import { Child } from './lib/child.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { GraphWrites } from './lib/graph-writes.ts';
import { HttpLane } from './lib/http-lane.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { otherCheckout, portOf, startRoute, startSystem } from './lib/system.ts';

const IN_FLIGHT = [1, 8, 64, 256];
const MAX_SOCKETS = 16;
const ROUTE_IN_FLIGHT = 64;
const WARM_UP_MS = 1000;

const options = readOptions({ seconds: 3, seed: 1, rounds: 5 });
const text = seededText(256, options.seed);
const other = seededText(256, options.seed + 1);

await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
if (!(await createDatabase(system.postgres.url, 'bare'))) throw new Error('PostgreSQL does not answer');
const bareUrl = new URL(system.postgres.url);
bareUrl.pathname = '/bare';
const bare = parts.use(await Child.start('bare-sql', bareUrl.href));
const route = parts.use(await startRoute(system));
const routeLanes: HttpLane[] = [];
for (let at = 0; at < ROUTE_IN_FLIGHT; at += 1) routeLanes.push(await HttpLane.open(portOf(route)));
const plain = postgres(bareUrl.href, { max: MAX_SOCKETS, onnotice: () => {} });
parts.defer(() => plain.end());
await plain`create table written (number bigint generated always as identity primary key, body text not null)`;
let heard = 0;
await plain.listen('written', () => {
  heard += 1;
});
const here = parts.use(await GraphWrites.open(system, options));
const there =
  otherCheckout === undefined ? undefined : parts.use(await GraphWrites.open(parts.use(await startSystem('', otherCheckout)), options));
let nextElement = 1;

const samples = await inRounds(
  // The baselines run before and after what they are compared with, so that all see the same load.
  [
    ...IN_FLIGHT.slice(0, -1).flatMap(through),
    { name: '(a) one per transaction', measure: () => bareClient(8, 1) },
    ...IN_FLIGHT.slice(-1).flatMap(through),
    { name: '(b) 500 per transaction', measure: () => bareClient(1, 500) },
    { name: `(c) route ×${ROUTE_IN_FLIGHT}`, measure: throughRoute },
    { name: `(d) notify ×${ROUTE_IN_FLIGHT}`, measure: withNotify },
  ],
  options,
);
report({
  name: 'mutate',
  unit: 'one acknowledged write (create and update in turn); "×W": W requests in flight; (b)\'s latency is that of a whole transaction',
  options,
  samples,
  goals: [
    { of: 'graph-ws ×256', by: '(a) one per transaction', figure: 'rate', atLeast: 5 },
    { of: 'graph-ws ×256', by: '(b) 500 per transaction', figure: 'rate', atLeast: 0.6 },
    { of: 'graph-ws ×64', by: `(c) route ×${ROUTE_IN_FLIGHT}`, figure: 'rate' },
    { of: 'graph-ws ×64', by: `(d) notify ×${ROUTE_IN_FLIGHT}`, figure: 'rate' },
    { of: 'graph-ws ×256', by: '(a) one per transaction', figure: 'cpuUs' },
    { of: 'graph-ws ×256', by: '(b) 500 per transaction', figure: 'cpuUs' },
    ...IN_FLIGHT.flatMap((inFlight) => [
      { of: `graph-ws ×${inFlight}`, by: `other graph-ws ×${inFlight}`, figure: 'cpuUs' as const },
      { of: `graph-ws ×${inFlight}`, by: `other graph-ws ×${inFlight}`, figure: 'rate' as const },
      { of: `graph-ws ×${inFlight}`, figure: 'lost' as const, atMost: 0 },
      { of: `graph-ws ×${inFlight}`, figure: 'duplicates' as const, atMost: 0 },
    ]),
  ],
});
await parts.disposeAsync();
process.exit(0);

function through(inFlight: number): readonly Variant[] {
  return [
    { name: `graph-ws ×${inFlight}`, measure: () => here.measure(inFlight) },
    ...(there === undefined ? [] : [{ name: `other graph-ws ×${inFlight}`, measure: () => there.measure(inFlight) }]),
  ];
}

async function bareClient(connections: number, rows: number): Promise<Sample> {
  const ask = (ms: number) => bare.ask<BareAnswer>({ connections, rows, ms, text } satisfies BareQuestion);
  await ask(WARM_UP_MS);
  const pids = { client: bare.pid, postgres: system.postgres.pid };
  const before = cpuByName(pids);
  const { done, seconds, p50Ms, p99Ms } = await ask(options.seconds * 1000);
  const after = cpuByName(pids);
  return { ...cpuPerUnit(before, after, done), rate: done / seconds, p50Ms, p99Ms, memoryMiB: residentMiB(pids) };
}

async function throughRoute(): Promise<Sample> {
  const made: string[] = [];
  const { sample } = await measuredLoop(
    { route: route.pid, postgres: system.postgres.pid },
    {
      inFlight: ROUTE_IN_FLIGHT,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (lane, answered) => {
        const id = made[lane] ?? `thing-${nextElement++}`;
        const name = made[lane] === undefined ? text : other;
        if (made[lane] === undefined) made[lane] = id;
        else delete made[lane];
        routeLanes[lane]?.post(`/things/${id}`, '', `{"name":"${name}"}`, (status, body) => answered(status === 200 ? undefined : body));
      },
    },
  );
  return sample;
}

async function withNotify(): Promise<Sample> {
  const before = heard;
  const { sample, result } = await measuredLoop(
    { postgres: system.postgres.pid },
    {
      inFlight: ROUTE_IN_FLIGHT,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (_lane, answered) => {
        plain`with w as (insert into written (body) values (${text}) returning body) select pg_notify('written', body) from w`.then(
          () => answered(undefined),
          (error: Error) => answered(error.message),
        );
      },
    },
  );
  // A notification may come after the acknowledgement, but not much.
  return { ...sample, lost: Math.max(0, result.answered - (heard - before) - ROUTE_IN_FLIGHT) };
}
