/**
 * `console`: what a console with ten open pages costs the system: writes over graph-ws (as `mutate` does them) and one change to 1,000
 * sockets of events-ws (as `fanout` does it), each without a console and with one: as fast as they go, which keeps the cores busy, and
 * changes also at a steady rate that does not. The pages are in sight and ask what those of a browser ask (three show the processes, three
 * the tail, two the groups and two the connections), or they are ten tabs of Chromium. CPU is that of the system without the console; the
 * console's own is a part, and so is that of the pages, which run on another machine in reality and have the lowest priority here.
 */
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
import type { Question as PagesQuestion } from './baselines/console-pages.ts';
import type { Faults, Question } from './baselines/receivers.ts';
import { BrowserTabs } from './lib/browser-tabs.ts';
import { Child } from './lib/child.ts';
import { cpuByName, cpuMicroseconds, cpuPerUnit } from './lib/cpu.ts';
import { GraphSocket, requestHead } from './lib/graph-clients.ts';
import { measuredLoop } from './lib/measured-loop.ts';
import { idOf } from './lib/numbered.ts';
import { readOptions, seededText } from './lib/options.ts';
import { inRounds, report, type Sample, type Variant } from './lib/report.ts';
import { Latencies } from './lib/statistics.ts';
import { connectBus, mutateAll } from './lib/store-client.ts';
import { ADMIN, otherCheckout, profiling, startSystem } from './lib/system.ts';

const SOCKETS = 1000;
const IN_FLIGHT = { writes: 64, changes: 8 };
const WRITERS = 16;
const TYPE = 'ogit/Bench';
/** Changes per second of the steady rate: the edge needs half a core for them. */
const STEADY = 20;
/** A process that has just started compiles its code. */
const WARM_UP_MS = 3000;
const EARLY_MS = 500;
const LATE_MS = 10_000;
/** Ten tabs load one after the other on few cores. */
const LOADING_MS = 4000;
const PAGES = ['groups', 'groups', 'connections', 'connections', 'now', 'now', 'now', 'tail', 'tail', 'tail'];
/** How often a page asks again; the others have a stream. */
const POLL_MS = { groups: 2000, connections: 3000 };

const options = readOptions({ seconds: 3, seed: 1, rounds: 5 });
const text = seededText(256, options.seed);

await using parts = new AsyncDisposableStack();
const receivers = parts.use(await Child.start('receivers'));
const ask = <Answer>(question: Question): Promise<Answer> => receivers.ask<Answer>(question);
const system = parts.use(await startSystem());
const bus = await connectBus(system.nats.url);
parts.defer(() => bus.close());
const writers = await Promise.all(
  Array.from({ length: WRITERS }, () => GraphSocket.open(system.hiro.port, '/api/graph-ws/6.1/', system.token)),
);
const filter = { 'filter-id': 'bench', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` };
await ask<number>({
  ask: 'open',
  name: 'events',
  port: system.hiro.port,
  path: '/api/events-ws/6.2/',
  protocols: ['events-1.0.0', `token-${system.token}`],
  first: [JSON.stringify({ type: 'register', args: filter })],
  kind: { by: 'number', prefix: '{"', offset: 8 },
  count: SOCKETS,
});
const whole = {
  'hiro-edge': system.hiro.pid,
  'graph-store': system.store.pid,
  nats: system.nats.pid,
  postgres: system.postgres.pid,
  redis: system.redis.pid,
};
let nextRequest = 1;
let nextChange = 1;
let isHeard = false;

const WITH = ', console and ten pages';
const TABS = ', console and ten tabs of Chromium';
const pages = parts.use(await Child.startElsewhere('console-pages'));
const browser = parts.use(await BrowserTabs.start());
const loads: readonly (readonly [name: string, measure: Measure])[] = [
  ['writes', writes],
  ['deliveries', (beside) => deliveries(flood, beside)],
  ['steady deliveries', (beside) => deliveries(steadily, beside)],
];
/** The console of this version and, with `BENCH_CHECKOUT`, that of another one. */
const consoles: readonly (readonly [suffix: string, checkout?: string])[] =
  otherCheckout === undefined ? [['']] : [[''], [' of the other version', otherCheckout]];
const variants = loads.flatMap(([name, measure]): Variant[] => [
  { name, measure: () => measure({}) },
  ...consoles.flatMap(([suffix, checkout]): Variant[] => [
    { name: `${name}${WITH}${suffix}`, measure: () => withConsole(checkout, openPages, { pages: pages.pid }, measure) },
    { name: `${name}${TABS}${suffix}`, measure: () => withConsole(checkout, openTabs, { browser: browser.pid }, measure) },
  ]),
]);
const samples = await inRounds(variants, options);
report({
  name: 'console',
  unit: `one acknowledged write with ${IN_FLIGHT.writes} in flight; one delivery to ${SOCKETS} sockets with ${IN_FLIGHT.changes} changes in flight, or ${STEADY} changes a second`,
  options,
  samples,
  goals: loads.flatMap(([by]) =>
    consoles.flatMap(([suffix]) => [
      { of: `${by}${WITH}${suffix}`, by, figure: 'cpuUs' as const, atMost: 1.05 },
      { of: `${by}${WITH}${suffix}`, by, figure: 'rate' as const, atLeast: 0.95 },
      { of: `${by}${TABS}${suffix}`, by, figure: 'cpuUs' as const, atMost: 1.05 },
      // Where the cores are busy, a browser on them takes its part of the rate.
      { of: `${by}${TABS}${suffix}`, by, figure: 'rate' as const },
    ]),
  ),
});
await parts.disposeAsync();
process.exit(0);

/** @param beside processes whose CPU is a part of the sample, and not the system's */
type Measure = (beside: Readonly<Record<string, number>>) => Promise<Sample>;

/** Measures beside a console whose pages are open. */
async function withConsole(
  checkout: string | undefined,
  openAll: (console: RunningService) => Promise<() => Promise<void>>,
  viewers: Readonly<Record<string, number>>,
  measure: Measure,
): Promise<Sample> {
  const env = { NATS_URL: system.nats.url, LOG_LEVEL: 'warn', CONSOLE_EDGES: `hiro=${system.hiro.url}`, ...profiling('console') };
  await using console = await startService({ name: 'console', ...(checkout === undefined ? {} : { checkout }), env });
  const closeAll = await openAll(console);
  try {
    return await measure({ console: console.pid, ...viewers });
  } finally {
    await closeAll();
  }
}

/** Ten tabs, the tail in front. */
async function openTabs({ url }: RunningService): Promise<() => Promise<void>> {
  await browser.logIn(url, ADMIN);
  const closeAll = await browser.open(PAGES.map((page) => `${url}/${page === 'now' ? '' : page}`));
  await new Promise((resolve) => setTimeout(resolve, LOADING_MS));
  return closeAll;
}

async function openPages({ url }: RunningService): Promise<() => Promise<void>> {
  const question: PagesQuestion = { ask: 'open', url, token: system.token, pages: PAGES, everyMs: POLL_MS };
  if ((await pages.ask<boolean | undefined>(question)) !== true) throw new Error('the pages do not open');
  return async () => void (await pages.ask<boolean>({ ask: 'close' }));
}

async function writes(beside: Readonly<Record<string, number>>): Promise<Sample> {
  const { sample } = await measuredLoop(
    { ...whole, ...beside },
    {
      inFlight: IN_FLIGHT.writes,
      warmUpMs: WARM_UP_MS,
      ms: options.seconds * 1000,
      start: (lane, answered) => {
        const request = nextRequest++;
        const rest = `"type":"create","headers":{"ogit/_type":"ogit/Beside"},"body":{"ogit/name":"${text}"}}`;
        writers[lane % WRITERS]?.ask(request, `${requestHead(request)},${rest}`, answered);
      },
    },
  );
  return ofSystem(sample);
}

async function deliveries(
  run: (ms: number, latencies?: Latencies) => Promise<void>,
  beside: Readonly<Record<string, number>>,
): Promise<Sample> {
  // At first a filter may not be in force yet.
  while (!isHeard) {
    isHeard = await turn(IN_FLIGHT.changes, EARLY_MS);
    if (!isHeard) await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  }
  await run(WARM_UP_MS);
  await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  const pids = { ...whole, ...beside };
  const latencies = new Latencies();
  const before = cpuByName(pids);
  const driver = cpuMicroseconds([receivers.pid]);
  const began = performance.now();
  await run(options.seconds * 1000, latencies);
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(pids);
  const used = cpuMicroseconds([receivers.pid]) - driver;
  const { messages, lost, duplicates } = await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  return ofSystem({
    ...cpuPerUnit(before, after, messages),
    rate: messages / seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    ...{ lost, duplicates },
    driver: used / seconds / 1_000_000,
  });
}

/** Changes that are committed together; whether all sockets have them in time. */
async function turn(changes: number, withinMs: number): Promise<boolean> {
  const all = ask<boolean>({ ask: 'await', name: 'events', messages: changes * SOCKETS, withinMs });
  const operations = Array.from({ length: changes }, (_, at) => ({
    ...({ op: 'create', type: TYPE } as const),
    id: idOf(nextChange + at),
    attributes: { 'ogit/name': text },
  }));
  nextChange += changes;
  await mutateAll(bus, system.scope, operations);
  return all;
}

async function flood(ms: number, latencies?: Latencies): Promise<void> {
  for (const until = performance.now() + ms; performance.now() < until; ) {
    const at = performance.now();
    if (await turn(IN_FLIGHT.changes, LATE_MS)) latencies?.add(performance.now() - at);
  }
}

/** One change after the other, at fixed times; what is late counts from when it was due. */
async function steadily(ms: number, latencies?: Latencies): Promise<void> {
  const first = performance.now();
  for (let at = first; at < first + ms; at += 1000 / STEADY) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
    if (await turn(1, LATE_MS)) latencies?.add(performance.now() - at);
  }
}

/** The CPU of the console and of its pages is a part, and not counted as the system's. */
function ofSystem(sample: Sample): Sample {
  const { memoryMiB: _, ...figures } = sample;
  const { console = 0, pages = 0, browser = 0 } = sample.parts ?? {};
  return { ...figures, ...(sample.cpuUs === undefined ? {} : { cpuUs: sample.cpuUs - console - pages - browser }) };
}
