/**
 * `console`: what a console with ten open pages costs the system: writes over graph-ws (as `mutate` does them) and one change to 1,000 sockets of
 * events-ws (as `fanout` does it), each without a console and with one. The pages are in sight and ask what those of a browser ask (three show the
 * processes, three the tail, two the groups and two the connections), or they are ten tabs of Chromium, which cost it cores of its own. CPU is that
 * of the system without the console; the console's own is a part.
 */
import { type RunningService, startService } from '@polyedge/testkit/servers/service';
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
import { ADMIN, startSystem } from './lib/system.ts';

const SOCKETS = 1000;
const IN_FLIGHT = { writes: 64, changes: 8 };
const WRITERS = 16;
const TYPE = 'ogit/Bench';
const WARM_UP_MS = 1000;
const EARLY_MS = 500;
const LATE_MS = 10_000;
/** Ten tabs load one after the other on few cores. */
const LOADING_MS = 4000;
const PAGES = { streams: ['now', 'now', 'now', 'tail', 'tail', 'tail'], polls: ['groups', 'groups', 'connections', 'connections'] };
const POLL_MS: Readonly<Record<string, number>> = { groups: 2000, connections: 3000 };

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
const browser = parts.use(await BrowserTabs.start());
const variants: Variant[] = [
  { name: 'writes', measure: () => writes() },
  { name: `writes${WITH}`, measure: () => withConsole(openPages, writes) },
  { name: `writes${TABS}`, measure: () => withConsole(openTabs, writes) },
  { name: 'deliveries', measure: () => deliveries() },
  { name: `deliveries${WITH}`, measure: () => withConsole(openPages, deliveries) },
  { name: `deliveries${TABS}`, measure: () => withConsole(openTabs, deliveries) },
];
const samples = await inRounds(variants, options);
report({
  name: 'console',
  unit: `one acknowledged write with ${IN_FLIGHT.writes} in flight; one delivery to ${SOCKETS} sockets with ${IN_FLIGHT.changes} changes in flight`,
  options,
  samples,
  goals: ['writes', 'deliveries'].flatMap((name) => [
    { of: `${name}${WITH}`, by: name, figure: 'cpuUs' as const, atMost: 1.05 },
    { of: `${name}${WITH}`, by: name, figure: 'rate' as const, atLeast: 0.95 },
    { of: `${name}${TABS}`, by: name, figure: 'cpuUs' as const, atMost: 1.05 },
    // Chromium runs on the same cores.
    { of: `${name}${TABS}`, by: name, figure: 'rate' as const },
  ]),
});
await parts.disposeAsync();
process.exit(0);

type Measure = (console: RunningService) => Promise<Sample>;

/** Measures beside a console whose pages are open; what it costs itself is a part of the sample. */
async function withConsole(openAll: (console: RunningService) => Promise<() => Promise<void>>, measure: Measure): Promise<Sample> {
  const env = { NATS_URL: system.nats.url, LOG_LEVEL: 'warn', CONSOLE_EDGES: `hiro=${system.hiro.url}` };
  await using console = await startService({ name: 'console', env });
  const closeAll = await openAll(console);
  try {
    return await measure(console);
  } finally {
    await closeAll();
  }
}

/** Ten tabs, the tail in front. */
async function openTabs({ url }: RunningService): Promise<() => Promise<void>> {
  await browser.logIn(url, ADMIN);
  const paths = [...PAGES.polls, ...PAGES.streams].map((page) => (page === 'now' ? '' : page));
  const closeAll = await browser.open(paths.map((path) => `${url}/${path}`));
  await new Promise((resolve) => setTimeout(resolve, LOADING_MS));
  return closeAll;
}

async function openPages({ url }: RunningService): Promise<() => Promise<void>> {
  const ended = new AbortController();
  const headers = { authorization: `Bearer ${system.token}` };
  const opened = PAGES.streams.map(async (page) => {
    const response = await fetch(`${url}/api/${page}`, { headers, signal: ended.signal });
    if (!response.ok) throw new Error(`${page}: HTTP ${response.status}`);
    void drain(response);
  });
  await Promise.all(opened);
  const polling = PAGES.polls.map((page) =>
    setInterval(() => {
      void fetch(`${url}/api/${page}`, { headers, signal: ended.signal })
        .then((response) => response.text())
        .catch(() => undefined);
    }, POLL_MS[page]),
  );
  return async () => {
    for (const timer of polling) clearInterval(timer);
    ended.abort();
  };
}

async function drain({ body }: Response): Promise<void> {
  try {
    for await (const _ of body ?? []);
  } catch {
    // It was ended, as it should be.
  }
}

async function writes(console?: RunningService): Promise<Sample> {
  const pids = console === undefined ? whole : { ...whole, console: console.pid };
  const { sample } = await measuredLoop(pids, {
    inFlight: IN_FLIGHT.writes,
    warmUpMs: WARM_UP_MS,
    ms: options.seconds * 1000,
    start: (lane, answered) => {
      const request = nextRequest++;
      const rest = `"type":"create","headers":{"ogit/_type":"ogit/Beside"},"body":{"ogit/name":"${text}"}}`;
      writers[lane % WRITERS]?.ask(request, `${requestHead(request)},${rest}`, answered);
    },
  });
  return withoutConsole(sample);
}

async function deliveries(console?: RunningService): Promise<Sample> {
  const { changes } = IN_FLIGHT;
  const turn = async (withinMs: number): Promise<boolean> => {
    const all = ask<boolean>({ ask: 'await', name: 'events', messages: changes * SOCKETS, withinMs });
    const operations = Array.from({ length: changes }, (_, at) => ({
      ...({ op: 'create', type: TYPE } as const),
      id: idOf(nextChange + at),
      attributes: { 'ogit/name': text },
    }));
    await mutateAll(bus, system.scope, operations);
    nextChange += changes;
    return all;
  };
  // At first a filter may not be in force yet.
  while (!isHeard) {
    isHeard = await turn(EARLY_MS);
    if (!isHeard) await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  }
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until; ) await turn(LATE_MS);
  await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  const pids = { ...whole, ...(console === undefined ? {} : { console: console.pid }) };
  const latencies = new Latencies();
  const before = cpuByName(pids);
  const driver = cpuMicroseconds([receivers.pid]);
  const began = performance.now();
  while (performance.now() - began < options.seconds * 1000) {
    const at = performance.now();
    if (await turn(LATE_MS)) latencies.add(performance.now() - at);
  }
  const seconds = (performance.now() - began) / 1000;
  const after = cpuByName(pids);
  const used = cpuMicroseconds([receivers.pid]) - driver;
  const { messages, lost, duplicates } = await ask<Faults>({ ask: 'faults', name: 'events', next: nextChange });
  return withoutConsole({
    ...cpuPerUnit(before, after, messages),
    rate: messages / seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    ...{ lost, duplicates },
    driver: used / seconds / 1_000_000,
  });
}

/** The console's own CPU is a part, and not counted as the system's. */
function withoutConsole(sample: Sample): Sample {
  const own = sample.parts?.console ?? 0;
  return { ...sample, ...(sample.cpuUs === undefined ? {} : { cpuUs: sample.cpuUs - own }) };
}
