/**
 * `latency`: from sending a write on one graph-ws socket to its event on an events-ws socket, through the whole system and its durable commit, at
 * 100 and 2,000 changes a second, against the bare hops of that: NATS, one committed row, NATS (`baselines/commit-relay.ts`). Beside them
 * PostgreSQL's own LISTEN and NOTIFY, with the same row in one transaction for each, and NATS publish → subscribe alone. Started at fixed times,
 * so waiting counts. The CPU is that of everything involved but the driver. With `BENCH_CHECKOUT=FOLDER` the services of another version take their
 * turns, too.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import postgres from 'postgres';
import { Child } from './lib/child.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './lib/cpu.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { idOf, numbered } from './lib/numbered.ts';
import { openLoop } from './lib/open-loop.ts';
import { readOptions, seededText } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';
import { otherCheckout, startSystem } from './lib/system.ts';

const RATES = [100, 2000];
const WRITERS = 8;
const TYPE = 'ogit/Bench';
const WARM_UP_MS = 1500;
const GRACE_MS = 10_000;

interface Target {
  readonly name: string;
  readonly pids: Readonly<Record<string, number>>;
  /** The most a second that it keeps up with. */
  readonly upTo?: number;
  send(number: number): void;
}

const options = readOptions({ seconds: 4, seed: 1, rounds: 5 });
const text = seededText(256, options.seed);

let next = 1;
/** The due times of the numbers in flight. */
const due = new Map<number, number>();
let latencies = new Latencies();
let duplicates = 0;

await using parts = new AsyncDisposableStack();
const others = otherCheckout === undefined ? [] : [await wholeSystem('other hiro', otherCheckout)];
const targets = [await wholeSystem('hiro'), ...others, await bareHops(), await listenNotify(), await natsAlone()];
const samples = await inRounds(
  RATES.flatMap((rate) =>
    targets
      .filter(({ upTo = rate }) => rate <= upTo)
      .map((target) => ({ name: `${target.name} at ${rate}/s`, measure: () => measure(target, rate) })),
  ),
  options,
);
report({
  name: 'latency',
  unit: 'one change, from its write to its event elsewhere',
  options,
  samples,
  goals: RATES.flatMap((rate) => [
    { of: `hiro at ${rate}/s`, by: `bare hops at ${rate}/s`, figure: 'p50Ms' as const, atMost: rate > 1000 ? 2 : 1.5 },
    { of: `hiro at ${rate}/s`, by: `bare hops at ${rate}/s`, figure: 'p99Ms' as const, atMost: 3 },
    { of: `hiro at ${rate}/s`, by: `bare hops at ${rate}/s`, figure: 'cpuUs' as const },
    ...(['cpuUs', 'p50Ms', 'p99Ms'] as const).map((figure) => ({ of: `hiro at ${rate}/s`, by: `other hiro at ${rate}/s`, figure })),
    { of: `hiro at ${rate}/s`, by: `listen/notify at ${rate}/s`, figure: 'p50Ms' as const },
    { of: `hiro at ${rate}/s`, by: `listen/notify at ${rate}/s`, figure: 'p99Ms' as const },
    { of: `hiro at ${rate}/s`, by: `nats at ${rate}/s`, figure: 'p50Ms' as const },
    { of: `hiro at ${rate}/s`, figure: 'lost' as const, atMost: 0 },
    { of: `hiro at ${rate}/s`, figure: 'duplicates' as const, atMost: 0 },
  ]),
});
await parts.disposeAsync();
process.exit(0);

async function measure(target: Target, rate: number): Promise<Sample> {
  const begin = (at: number) => {
    const number = next++;
    due.set(number, at);
    target.send(number);
  };
  await openLoop(rate, WARM_UP_MS, begin);
  await settled();
  due.clear();
  latencies = new Latencies();
  duplicates = 0;
  const before = cpuByName(target.pids);
  const driver = process.cpuUsage();
  const began = performance.now();
  await openLoop(rate, options.seconds * 1000, begin);
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(driver);
  await settled();
  const after = cpuByName(target.pids);
  const lost = due.size;
  due.clear();
  return {
    ...cpuPerUnit(before, after, latencies.count),
    rate: latencies.count / seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    memoryMiB: residentMiB(target.pids),
    lost,
    duplicates,
    driver: (used.user + used.system) / 1_000_000 / seconds,
  };
}

function arrived(number: number): void {
  const at = due.get(number);
  if (at === undefined) {
    duplicates += 1;
    return;
  }
  due.delete(number);
  latencies.add(performance.now() - at);
}

async function settled(): Promise<void> {
  for (const until = performance.now() + GRACE_MS; due.size > 0 && performance.now() < until; )
    await new Promise((resolve) => setTimeout(resolve, 5));
}

async function wholeSystem(name: string, checkout?: string): Promise<Target> {
  const system = parts.use(await startSystem('', checkout));
  const { hiro, token } = system;
  const writers: GraphSocket[] = [];
  for (let at = 0; at < WRITERS; at += 1) writers.push(await GraphSocket.open(hiro.port, '/api/graph-ws/6.1/', token));
  // {"id":"b00000001","body":…
  const reader = await RawSocket.open(hiro.port, '/api/events-ws/6.2/', {
    protocols: ['events-1.0.0', `token-${token}`],
    onMessage: (buffer, start) => {
      if (buffer[start + 7] === 'b'.charCodeAt(0)) arrived(Number(buffer.toString('latin1', start + 8, start + 16)));
    },
  });
  reader.send(
    JSON.stringify({
      type: 'register',
      args: { 'filter-id': 'b', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` },
    }),
  );
  await reader.handled();
  return {
    name,
    pids: {
      'hiro-edge': hiro.pid,
      'graph-store': system.store.pid,
      nats: system.nats.pid,
      postgres: system.postgres.pid,
      redis: system.redis.pid,
    },
    send: (number) =>
      writers[number % WRITERS]?.ask(
        number,
        `${requestHead(number)},"type":"create","headers":{"ogit/_type":"${TYPE}"},"body":{"ogit/_id":"${idOf(number)}","ogit/name":"${text}"}}`,
        (failure) => {
          if (failure !== undefined) throw new Error(failure);
        },
      ),
  };
}

async function bareHops(): Promise<Target> {
  const [server, database] = await Promise.all([startNats(), startPostgres()]);
  for (const part of [server, database]) parts.use(part);
  const relay = parts.use(await Child.start('commit-relay', server.url, database.url));
  const publisher = await subscribed(server.port, 'written');
  return {
    name: 'bare hops',
    pids: { relay: relay.pid, nats: server.pid, postgres: database.pid },
    send: (number) => publisher.publish('write', numbered(number, text)),
  };
}

async function listenNotify(): Promise<Target> {
  const database = parts.use(await startPostgres());
  const sql = postgres(database.url, { max: WRITERS, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 0 }));
  await sql`create table written (number bigint generated always as identity primary key, body text not null)`;
  await sql.listen('b', (body) => arrived(Number(body.slice(1, 9))));
  return {
    name: 'listen/notify',
    // NOTIFY takes a lock of the whole database until its transaction is durable: a few hundred a second.
    upTo: 100,
    pids: { postgres: database.pid },
    send: (number) => {
      // What fails is not heard of, and counts as lost.
      void sql`with w as (insert into written (body) values (${numbered(number, text)}) returning body) select pg_notify('b', body) from w`.catch(
        () => {},
      );
    },
  };
}

async function natsAlone(): Promise<Target> {
  const server = parts.use(await startNats());
  const publisher = await subscribed(server.port, 'b');
  return { name: 'nats', pids: { nats: server.pid }, send: (number) => publisher.publish('b', numbered(number, text)) };
}

/** A connection to publish on, beside another one that hears `subject`. */
async function subscribed(port: number, subject: string): Promise<NatsConnection> {
  const servers = `127.0.0.1:${port}`;
  const [publisher, subscriber] = await Promise.all([connect({ servers }), connect({ servers })]);
  parts.defer(async () => {
    await Promise.all([publisher.close(), subscriber.close()]);
  });
  subscriber.subscribe(subject, {
    callback: (_error, message) => arrived(Number(Buffer.from(message.data.subarray(1, 9)).toString('latin1'))),
  });
  await subscriber.flush();
  return publisher;
}
