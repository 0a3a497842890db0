/**
 * A tenant moves from journal to journal under writers and subscribers, and in each leg something else is killed: its mover, a replica, NATS, Redis or
 * PostgreSQL. Then everything is compared: what was acknowledged is there once, in order, and every subscriber was given each change.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { MAIN } from '@polyedge/contracts/journal';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import type { Bus } from '@polyedge/service-kit/bus';
import type { RunningServer } from '@polyedge/testkit/servers/server-process';
import { requestOf } from '../../services/graph-store/test/running-store.ts';
import { checkJournal, checkWrites } from '../kill/check.ts';
import { type JournalRow, readTruth, type Truth } from '../kill/journal.ts';
import { type Random, randomFrom } from '../kill/random.ts';
import { publisherOf, type System, startSystem } from '../kill/system.ts';
import { Watcher } from '../kill/watcher.ts';
import { TENANT, Writer } from '../kill/writer.ts';
import { Probe } from './probe.ts';

const MOVED = 'acme';
const SECOND = 'second';
const WRITERS = 3;
/** Elements that one message makes. */
const AT_ONCE = 250;
/** How long a leg may take before it counts as stuck, and how long subscribers may take to be given everything. */
const LEG_MS = 600_000;
const CATCH_UP_MS = 30_000;

export type Fault = 'nothing' | 'the mover' | 'a replica' | 'the publisher' | 'NATS' | 'Redis' | 'PostgreSQL';
export const FAULTS: readonly Fault[] = ['nothing', 'the mover', 'a replica', 'the publisher', 'NATS', 'Redis', 'PostgreSQL'];

export interface Leg {
  readonly fault: Fault;
  readonly ms: number;
  /** How long the mover says that it had writes refused. */
  readonly fencedMs: number;
  /** The longest time without an acknowledged write of the tenant. */
  readonly outageMs: number;
}

export interface MoveResult {
  readonly legs: readonly Leg[];
  readonly acknowledged: number;
  readonly problems: readonly string[];
}

export interface MoveOptions {
  readonly seed: number;
  /** Elements that the tenant has before the first leg. */
  readonly elements: number;
  readonly faults: readonly Fault[];
  /** No leg begins after this time, but the first. */
  readonly untilMs?: number;
  readonly report: (line: string) => void;
}

export async function moveUnderLoad({
  seed,
  elements,
  faults,
  untilMs = Number.POSITIVE_INFINITY,
  report,
}: MoveOptions): Promise<MoveResult> {
  const random = randomFrom(seed);
  await using parts = new AsyncDisposableStack();
  const system = parts.use(await startSystem(2, false, {}, 'neighbour'));
  const bus = await system.bus('test-writer');
  const began = performance.now();
  await preload(bus, elements);
  if (elements > 0) report(`${elements} elements in ${Math.round(performance.now() - began)} ms`);
  const feed = openFeeds({ bus: await system.bus('test-edge') });
  parts.defer(() => feed.close());
  const watcher = new Watcher('the subscriber', feed, { tenant: MOVED }, true);
  parts.defer(() => watcher.close());
  const others = [TENANT, 'neighbour'].map((tenant, index) => ({ tenant, writer: new Writer(WRITERS + index, bus, random, tenant) }));
  const writers = Array.from({ length: WRITERS }, (_, index) => new Writer(index, bus, random, MOVED));
  const all = [...writers, ...others.map(({ writer }) => writer)];
  for (const writer of all) writer.start();
  const legs: Leg[] = [];
  const truths = new Map<string, readonly JournalRow[]>();
  let where = MAIN;
  try {
    for (const fault of faults) {
      if (legs.length > 0 && performance.now() > untilMs) break;
      const target = where === MAIN ? SECOND : MAIN;
      const leg = await runLeg(system, bus, random, fault, target);
      legs.push(leg);
      report(
        `to ${target} with ${fault} killed: ${leg.ms} ms, fenced for ${leg.fencedMs} ms, at most ${leg.outageMs} ms without an acknowledged write`,
      );
      where = target;
    }
  } finally {
    await Promise.all(all.map((writer) => writer.stop()));
  }
  const problems = [...system.crashes];
  for (const { journal, databaseUrl } of system.places) {
    const all = await readTruth(databaseUrl);
    truths.set(all.epoch, asWatched(all.rows));
    const truth = living(all);
    problems.push(...checkJournal(truth).map((problem) => `${journal}: ${problem}`));
    const left = truth.rows.filter(({ tenant }) => tenant === MOVED).length;
    if (journal !== where && left > 0) problems.push(`${left} changes are left in ${journal}`);
    for (const { tenant, writer } of others)
      if (tenant === (journal === MAIN ? TENANT : 'neighbour')) problems.push(...checkWrites(ofTenant(truth, tenant), writer.told, tenant));
    if (journal === where) {
      const told = writers.flatMap((writer) => writer.told);
      problems.push(...checkWrites(ofTenant(truth, MOVED), renumbered(truth, told), MOVED));
      const caughtUp = new Promise<boolean>((reached) => void feed.whenDelivered(MOVED, truth.epoch, truth.seq, CATCH_UP_MS, reached));
      if (!(await caughtUp)) problems.push('the feed has not handed out everything in time');
    }
  }
  for (const [epoch, rows] of truths) problems.push(...watcher.problems(rows, epoch));
  const acknowledged = writers.flatMap(({ told }) => told).filter(({ outcome }) => outcome === 'done').length;
  return { legs, acknowledged, problems };
}

async function preload(bus: Bus, elements: number): Promise<void> {
  for (let from = 0; from < elements; from += AT_ONCE) {
    const requests = Array.from({ length: Math.min(AT_ONCE, elements - from) }, (_, at) =>
      requestOf({
        op: 'create',
        type: 'test/Loaded',
        id: `loaded-${from + at}`,
        xid: `x-${from + at}`,
        attributes: { at: from + at, text: 'loaded' },
      }),
    );
    const reply = await bus.request(
      graphMutate,
      graphMutate.subject({ tenant: MOVED }),
      { defaultScope: 'scope', requests },
      { timeoutMs: 30_000 },
    );
    if (!reply.ok || reply.value.outcomes.some(({ ok }) => !ok))
      throw new Error(`the elements were not made: ${JSON.stringify(reply).slice(0, 300)}`);
  }
}

async function runLeg(system: System, bus: Bus, random: Random, fault: Fault, target: string): Promise<Leg> {
  const began = performance.now();
  const deadline = began + LEG_MS;
  const probe = new Probe(bus, MOVED);
  const breaking = breakSomething(system, random, fault);
  let output = '';
  let kills = fault === 'the mover' ? 3 : 0;
  for (;;) {
    if (performance.now() > deadline) throw new Error(`the move to ${target} is not done: ${output.slice(-2000)}`);
    const mover = startMover(system, target, (text) => {
      output += text;
    });
    // It is killed wherever it is by then, three times, and then not any more.
    const killing = kills > 0 ? setTimeout(() => mover.kill('SIGKILL'), 400 + random.integer(0, 900)) : undefined;
    kills -= 1;
    const [code] = await once(mover, 'exit');
    clearTimeout(killing);
    if (code === 0) break;
    if (code !== null) throw new Error(`the mover ended with ${code}: ${output.slice(-2000)}`);
  }
  const ms = Math.round(performance.now() - began);
  await breaking;
  await bus.placements?.refresh();
  const outageMs = await probe.stop();
  const fences = [...output.matchAll(/refused for (\d+) ms/g)].map(([, found]) => Number(found));
  return { fault, ms, fencedMs: Math.max(0, ...fences), outageMs };
}

function startMover({ places }: System, target: string, heard: (text: string) => void): ChildProcess {
  const program = resolve(import.meta.dirname, '../../services/graph-store/src/tenants.ts');
  const urls = new Map(places.map(({ journal, databaseUrl }) => [journal, databaseUrl]));
  const databases = { DATABASE_URL: urls.get(MAIN), POLYEDGE_JOURNALS: `${SECOND}=${urls.get(SECOND)}` };
  const mover = spawn(process.execPath, [program, 'move', MOVED, target], {
    env: { ...process.env, ...databases },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [mover.stdout, mover.stderr]) stream.setEncoding('utf8').on('data', heard);
  return mover;
}

async function breakSomething({ stores, nats, redis, postgres }: System, random: Random, fault: Fault): Promise<void> {
  const [first] = stores;
  const servers: Readonly<Record<Fault, RunningServer | undefined>> = {
    nothing: undefined,
    'the mover': undefined,
    'a replica': first,
    'the publisher': stores[(await publisherOf(stores)) ?? 0],
    NATS: nats,
    Redis: redis,
    PostgreSQL: postgres,
  };
  const server = servers[fault];
  if (server === undefined) return;
  await new Promise((done) => setTimeout(done, 400 + random.integer(0, 900)));
  await server.kill();
  await new Promise((done) => setTimeout(done, random.integer(0, 700)));
  await server.restart();
}

/** What is left of a tenant that has gone keeps its numbers only. */
const isLeft = ({ tenant, scope }: JournalRow): boolean => tenant === '' && scope === 'system';
const living = (truth: Truth): Truth => ({
  ...truth,
  rows: truth.rows.map((row) => (isLeft(row) ? { ...row, id: `left-${row.seq}`, operationId: `left-${row.seq}`, version: 1 } : row)),
  elements: withLeft(truth),
});

/** As if what is left were elements, which the comparison expects of every change. */
function withLeft({ rows, elements }: Truth): Truth['elements'] {
  const all = new Map(elements);
  for (const row of rows.filter(isLeft)) all.set(`/left-${row.seq}`, { ...row, version: 1 });
  return all;
}

const ofTenant = (truth: Truth, tenant: string): Truth => ({ ...truth, rows: truth.rows.filter((row) => row.tenant === tenant) });

/** As a subscriber has seen them. */
const asWatched = (rows: readonly JournalRow[]): readonly JournalRow[] =>
  rows.map((row) => (isLeft(row) ? { ...row, tenant: MOVED, scope: '' } : row));

/** What was acknowledged in another journal has other numbers now. */
function renumbered({ rows }: Truth, told: Writer['told']): Writer['told'] {
  const now = new Map(rows.map((row) => [row.operationId, row]));
  return told.map((write) => {
    const row = now.get(write.operationId);
    return row === undefined ? write : { ...write, first: row.first, last: row.last };
  });
}
