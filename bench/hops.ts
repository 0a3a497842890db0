/**
 * `hops`: where the time of `latency` goes: the traces of writes over graph-ws, from sending one to its event on an events-ws socket, hop by hop.
 * Beside them the bare hops of the same run: a message of NATS from one connection to another, and the commit of a row. Every process exports its
 * spans, so everything takes longer than without. At 100/s every write is traced, and has a batch to itself. At 2,000/s one in twenty is, and those
 * count that were the first of their batch, which wait longest; the sockets of the driver are left out, because a span does not name its write.
 */
import { connect } from '@nats-io/transport-node';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { type ExportedSpan, startTraceCollector } from '@polyedge/testkit/servers/trace-collector';
import postgres from 'postgres';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { idOf, numbered } from './lib/numbered.ts';
import { openLoop } from './lib/open-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { report, type Sample } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';
import { startSystem } from './lib/system.ts';

const WRITERS = 8;
const TYPE = 'ogit/Bench';
const WARM_UP_MS = 3000;
const GRACE_MS = 10_000;
const MUTATE = graphMutate.address;

/** Moments of a write, in order: the hop that ends there, and how it is found in a trace. */
const MOMENTS: readonly { readonly hop: string; readonly span: string; readonly edge: 'start' | 'end' }[] = [
  { hop: 'socket → edge', span: 'client frame', edge: 'start' },
  { hop: 'edge: frame → request, or until the one under way is answered', span: `${MUTATE} request`, edge: 'start' },
  { hop: 'NATS → graph-store', span: `${MUTATE} handle`, edge: 'start' },
  { hop: 'queue: until the batch begins', span: 'batch in PostgreSQL', edge: 'start' },
  { hop: 'PostgreSQL: begin, lock and load', span: 'lock and load', edge: 'end' },
  { hop: 'apply', span: 'write and commit', edge: 'start' },
  { hop: 'PostgreSQL: statement and commit', span: 'write and commit', edge: 'end' },
  { hop: 'committed → published', span: 'publish change', edge: 'start' },
  { hop: 'NATS → edge', span: 'deliver change', edge: 'start' },
  { hop: 'gate: until its head is there', span: 'deliver change', edge: 'end' },
];
const LAST_HOP = 'edge → socket';

const options = readOptions({ seconds: 10, seed: 1, rounds: 1 });
const text = seededText(256, options.seed);
const samples = new Map<string, Sample[]>();
const add = (name: string, sample: Sample) => samples.set(name, [...(samples.get(name) ?? []), sample]);
/** The clock of the spans. */
const now = () => performance.timeOrigin + performance.now();

for (let round = 0; round < options.rounds; round += 1) {
  await bareHops();
  await traced(100, 1);
  await traced(2000, 0.05);
}
report({ name: 'hops', unit: 'one write', options, samples, goals: [] });
process.exit(0);

/** @param share of writes that are traced */
async function traced(rate: number, share: number): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const collector = parts.use(await startTraceCollector());
  const sampler = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: String(share) };
  // Services inherit them.
  Object.assign(process.env, collector.env, sampler);
  const { hiro, token } = parts.use(await startSystem());
  const sent: number[] = [];
  const arrived: number[] = [];
  let heard = 0;
  const writers: GraphSocket[] = [];
  for (let at = 0; at < WRITERS; at += 1) writers.push(await GraphSocket.open(hiro.port, '/api/graph-ws/6.1/', token));
  const reader = await RawSocket.open(hiro.port, '/api/events-ws/6.2/', {
    protocols: ['events-1.0.0', `token-${token}`],
    onMessage: (buffer, start) => {
      if (buffer[start + 7] !== 'b'.charCodeAt(0)) return;
      arrived[Number(buffer.toString('latin1', start + 8, start + 16))] = now();
      heard += 1;
    },
  });
  reader.send(
    JSON.stringify({
      type: 'register',
      args: { 'filter-id': 'b', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` },
    }),
  );
  await reader.handled();
  let next = 1;
  const write = () => {
    const number = next++;
    sent[number] = now();
    const body = `{"ogit/_id":"${idOf(number)}","ogit/name":"${text}"}`;
    const frame = `${requestHead(number)},"type":"create","headers":{"ogit/_type":"${TYPE}"},"body":${body}}`;
    writers[number % WRITERS]?.ask(number, frame, (failure) => {
      if (failure !== undefined) throw new Error(failure);
    });
  };
  await openLoop(rate, WARM_UP_MS, write);
  await settled(() => heard === next - 1);
  const from = now();
  const first = next;
  await openLoop(rate, options.seconds * 1000, write);
  await settled(() => heard === next - 1);
  const complete = () => timelines(collector.spans).filter(([begun = 0]) => begun >= from);
  if (share === 1) await settled(() => complete().length === next - first);
  else await new Promise((resolve) => setTimeout(resolve, 1000));

  const total = new Latencies();
  for (let number = first; number < next; number += 1) total.add((arrived[number] ?? Number.NaN) - (sent[number] ?? Number.NaN));
  const hops = new Map([...MOMENTS.map(({ hop }) => hop), LAST_HOP].map((hop) => [hop, new Latencies()]));
  const lines = complete().sort(([one = 0], [other = 0]) => one - other);
  for (const [index, moments] of lines.entries()) {
    // Each was over before the next began, so the order names them.
    const number = share === 1 && lines.length === next - first ? first + index : undefined;
    for (const [at, { hop }] of MOMENTS.entries()) {
      const before = at === 0 ? (number === undefined ? undefined : sent[number]) : moments[at - 1];
      if (before !== undefined) hops.get(hop)?.add((moments[at] ?? 0) - before);
    }
    if (number !== undefined) hops.get(LAST_HOP)?.add((arrived[number] ?? 0) - (moments.at(-1) ?? 0));
  }
  console.error(`  ${lines.length} traces at ${rate}/s`);
  for (const [hop, latencies] of hops) if (latencies.count > 0) add(`${rate}/s: ${hop}`, figures(latencies));
  add(`${rate}/s: from the write to its event`, figures(total));
}

/** The moments of each complete trace. */
function timelines(spans: readonly ExportedSpan[]): number[][] {
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  const msOf = (nanoseconds: string) => Number(BigInt(nanoseconds) / 1000n) / 1000;
  return [...byTrace.values()].flatMap((trace) => {
    const moments = MOMENTS.flatMap(({ span, edge }) => {
      const found = trace.find(({ name }) => name === span);
      return found === undefined ? [] : [msOf(edge === 'start' ? found.startTimeUnixNano : found.endTimeUnixNano)];
    });
    return moments.length === MOMENTS.length ? [moments] : [];
  });
}

async function bareHops(): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const [nats, database] = await Promise.all([startNats(), startPostgres()]);
  for (const part of [nats, database]) parts.use(part);
  const servers = `127.0.0.1:${nats.port}`;
  const [publisher, subscriber] = await Promise.all([connect({ servers }), connect({ servers })]);
  parts.defer(() => Promise.all([publisher.close(), subscriber.close()]).then(() => {}));
  const message = new Latencies();
  const due: number[] = [];
  subscriber.subscribe('b', {
    callback: (_error, { data }) => message.add(now() - (due[Number(Buffer.from(data.subarray(1, 9)).toString('latin1'))] ?? 0)),
  });
  await subscriber.flush();
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 0 }));
  await sql`create table written (number bigint generated always as identity primary key, body text not null)`;
  const commit = new Latencies();
  let next = 1;
  const begin = () => {
    const number = next++;
    due[number] = now();
    publisher.publish('b', numbered(number, text));
  };
  await openLoop(100, options.seconds * 1000, begin);
  await openLoop(100, options.seconds * 1000, () => {
    const begun = now();
    void sql`insert into written (body) values (${text})`.then(() => commit.add(now() - begun));
  });
  await settled(() => commit.count === options.seconds * 100 && message.count === options.seconds * 100);
  add('bare: a message of NATS', figures(message));
  add('bare: the commit of a row', figures(commit));
}

function figures(latencies: Latencies): Sample {
  return { p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) };
}

async function settled(condition: () => boolean): Promise<void> {
  for (const until = performance.now() + GRACE_MS; !condition() && performance.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 20));
}
