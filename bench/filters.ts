/**
 * `filters`: the cost of one change to an edge with 10, 1,000 and 10,000 different live filters, compared with 10: jfilters of hiro-edge's events-ws
 * and live queries of gooduncle-edge, which ask for a value, a range, a prefix, or one of two ranges. Every change matches exactly one of
 * them, so deliveries are the same; any growth is the cost of finding the match. Filters are spread over 100 sockets; changes are committed by
 * graph-store, 50 in a message. CPU is the edge's alone.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { startService } from '@polyedge/testkit/servers/service';
import postgres from 'postgres';
import { cpuMicroseconds, residentBytes } from './lib/cpu.ts';
import { readOptions } from './lib/options.ts';
import { RawSocket } from './lib/raw-socket.ts';
import { inRounds, report, type Sample } from './lib/report.ts';
import { connectBus, mutateAll } from './lib/store-client.ts';
import { startSystem } from './lib/system.ts';

const FILTERS = [10, 1000, 10_000];
const SOCKETS = 100;
const AT_ONCE = 50;
const BEAT_MS = 1000;
const WARM_UP_MS = 700;
const LATE_MS = 30_000;
/** The time that events-ws, which does not acknowledge registrations, may take until a filter is active. */
const LIVE_MS = 1500;
/** No element has such a price. */
const FAR = 1_000_000_000;
/** The price of the `at`-th element of a measurement. */
const priceOf = (run: number, at: number): number => run * 100_000 + at;

/** Filters by a value, a range, a prefix, and one of two ranges. */
const JFILTERS: readonly ((run: number, at: number) => string)[] = [
  (run, at) => `(element.name=${run}-${at})`,
  (run, at) => `(element.price>=${priceOf(run, at)})(element.price<${priceOf(run, at) + 1})`,
  (run, at) => `(element.label=${run}-${at}.*)`,
  (run, at) => {
    const price = priceOf(run, at);
    return `(|(&(element.price>=${price})(element.price<${price + 1}))(&(element.price>=${FAR + price})(element.price<${FAR + price + 1})))`;
  },
];
const CRITERIA: readonly ((run: number, at: number) => object)[] = [
  (run, at) => ({ name: `${run}-${at}` }),
  (run, at) => ({ price: { $gte: priceOf(run, at), $lt: priceOf(run, at) + 1 } }),
  (run, at) => ({ label: { $startsWith: `${run}-${at}.` } }),
  (run, at) => {
    const price = priceOf(run, at);
    return { $or: [{ price: { $gte: price, $lt: price + 1 } }, { price: { $gte: FAR + price, $lt: FAR + price + 1 } }] };
  },
];

/** An edge under measurement: how its filters are registered, and the form of its events. */
interface Target {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  readonly protocols: readonly string[];
  /** A text that every event contains. */
  readonly event: Buffer;
  /** A text in the answer to a filter; undefined if there is none. */
  readonly live: Buffer | undefined;
  /** The frame that registers the `at`-th filter, which only the `at`-th element matches. */
  filter(run: number, at: number): string;
  /** Keeps a connection alive; undefined if not needed. */
  readonly beat: string | undefined;
}

const options = readOptions({ seconds: 5, seed: 1, rounds: 3 });
await using parts = new AsyncDisposableStack();
const system = parts.use(await startSystem());
const bus = await connectBus(system.nats.url);
parts.defer(() => bus.close());
const sql = postgres(system.postgres.url, { max: 1 });
parts.defer(() => sql.end());
const edge = parts.use(
  await startService({
    name: 'gooduncle-edge',
    env: {
      NATS_URL: system.nats.url,
      LOG_LEVEL: 'warn',
      GOODUNCLE_SCOPE: system.scope,
      GOODUNCLE_HEARTBEAT_MS: '900',
      GOODUNCLE_REQUESTS_PER_SECOND: '100000',
      GOODUNCLE_REQUEST_BURST: '100000',
    },
  }),
);

const targets: readonly Target[] = [
  {
    name: 'hiro-edge',
    pid: system.hiro.pid,
    port: system.hiro.port,
    path: '/api/events-ws/6.2/',
    protocols: ['events-1.0.0', `token-${system.token}`],
    event: Buffer.from('"type":"CREATE"'),
    live: undefined,
    filter: (run, at) => {
      const content = `&(element.ogit/_type=products)${JFILTERS[at % JFILTERS.length]?.(run, at)}`;
      return JSON.stringify({ type: 'register', args: { 'filter-id': `f${at}`, 'filter-type': 'jfilter', 'filter-content': content } });
    },
    beat: undefined,
  },
  {
    name: 'gooduncle-edge',
    pid: edge.pid,
    port: edge.port,
    path: '/',
    protocols: [],
    event: Buffer.from('"event":"match created"'),
    live: Buffer.from('"synced":true'),
    filter: (run, at) => {
      const criteria = CRITERIA[at % CRITERIA.length]?.(run, at);
      return JSON.stringify({ type: 'subscribe', subscription: `s${at}`, topic: 'products', criteria });
    },
    beat: '`',
  },
];
let runs = 1;
const nameOf = ({ name }: Target, filters: number): string => `${name}, ${filters} filters`;
const samples = await inRounds(
  targets.flatMap((target) =>
    FILTERS.map((filters) => ({
      name: nameOf(target, filters),
      measure: () => measure(target, filters, runs++),
    })),
  ),
  options,
);
report({
  name: 'filters',
  unit: 'one change, delivered to the one matching subscription of many',
  options,
  samples,
  goals: targets.flatMap((target) => [
    ...FILTERS.slice(1).map((filters) => ({ of: nameOf(target, filters), by: nameOf(target, 10), figure: 'cpuUs' as const, atMost: 1.2 })),
    ...FILTERS.flatMap((filters) =>
      (['lost', 'duplicates'] as const).map((figure) => ({ of: nameOf(target, filters), figure, atMost: 0 })),
    ),
  ]),
});
await parts.disposeAsync();
process.exit(0);

/** @param run a number in the written elements, so that no other measurement's filters match them */
async function measure(target: Target, filters: number, run: number): Promise<Sample> {
  // What a subscription reads first is not measured: no index of the store knows prices, so it would read all of these rows.
  await sql`delete from element where type = 'products'`;
  // PostgreSQL does this by itself within a minute; before that, it reads all rows of the type for each subscription.
  await sql`vacuum analyze element`;
  let synced = 0;
  let heard = 0;
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, () =>
      RawSocket.open(target.port, target.path, {
        protocols: target.protocols,
        onMessage: (buffer, start, end) => {
          const message = buffer.subarray(start, end);
          if (message.includes(target.event)) heard += 1;
          else if (target.live !== undefined && message.includes(target.live)) synced += 1;
        },
      }),
    ),
  );
  const { beat } = target;
  const beats = setInterval(() => {
    if (beat !== undefined) for (const socket of sockets) socket.send(beat);
  }, BEAT_MS);
  const reached = async (holds: () => boolean): Promise<void> => {
    for (const until = performance.now() + LATE_MS; !holds() && performance.now() < until; ) await wait(5);
  };
  for (let at = 0; at < filters; at += 1) {
    sockets[at % SOCKETS]?.send(target.filter(run, at));
    if (at % 200 === 199 && target.live !== undefined) await reached(() => synced > at - 200);
  }
  if (target.live === undefined) {
    await Promise.all(sockets.map((socket) => socket.handled()));
    await wait(LIVE_MS);
  } else {
    await reached(() => synced === filters);
    if (synced !== filters) throw new Error(`${synced} of ${filters} subscriptions began`);
  }

  let sent = 0;
  const change = async (): Promise<void> => {
    const operations = Array.from({ length: AT_ONCE }, (_, at) => {
      // Steps that are prime to the number of filters visit all of them.
      const nth = ((sent + at) * 37) % filters;
      const attributes = { name: `${run}-${nth}`, price: priceOf(run, nth), label: `${run}-${nth}.${sent + at}` };
      return { op: 'create' as const, type: 'products', attributes };
    });
    await mutateAll(bus, system.scope, operations);
    sent += AT_ONCE;
  };
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) await change();
  await reached(() => heard >= sent);
  const before = { cpu: cpuMicroseconds([target.pid]), own: process.cpuUsage(), sent, at: performance.now() };
  while (performance.now() - before.at < options.seconds * 1000) await change();
  await reached(() => heard >= sent);
  const seconds = (performance.now() - before.at) / 1000;
  const own = process.cpuUsage(before.own);
  const changes = sent - before.sent;
  const cpuUs = (cpuMicroseconds([target.pid]) - before.cpu) / changes;
  clearInterval(beats);
  for (const socket of sockets) socket.destroy();
  return {
    cpuUs,
    rate: changes / seconds,
    memoryMiB: residentBytes(target.pid) / 1024 / 1024,
    lost: Math.max(0, sent - heard),
    duplicates: Math.max(0, heard - sent),
    driver: (own.user + own.system) / seconds / 1_000_000,
  };
}
