/**
 * Moves a tenant from journal to journal under writers and subscribers. In each leg another process is killed: the mover, a replica, NATS, Redis or
 * PostgreSQL. Then everything is compared: acknowledged writes exist once and in order, and every subscriber has received every change.
 */
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { MAIN } from '@polyedge/contracts/journal';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import type { Bus } from '@polyedge/service-kit/bus';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { requestOf } from '../../services/graph-store/test/running-store.ts';
import { checkJournal, checkWrites } from '../kill/check.ts';
import { type JournalRow, readTruth, type Truth } from '../kill/journal.ts';
import { randomFrom } from '../kill/random.ts';
import { startSystem } from '../kill/system.ts';
import { Watcher } from '../kill/watcher.ts';
import { TENANT, Writer } from '../kill/writer.ts';
import { type Fault, type Leg, runLeg, type Strike, WITHIN_MS } from './leg.ts';

const MOVED = 'acme';
const SECOND = 'second';
const WRITERS = 3;
/** Elements per message when the tenant is filled. */
const AT_ONCE = 250;
/** Such messages in flight. */
const LOADING = 4;
/** How long subscribers may take to receive everything. */
const CATCH_UP_MS = 30_000;

const FAULTS: readonly Fault[] = [
  'the mover',
  'PostgreSQL of the source',
  'PostgreSQL of the target',
  'a replica',
  'the publisher',
  'NATS',
  'Redis',
];

/** What is killed in one leg, and when. */
interface LegPlan {
  readonly name: string;
  readonly strikes: readonly Strike[];
}

/** One process after the other during the copying, and the mover and its databases again at the end. */
export const EACH_IN_TURN: LegPlan = {
  name: 'each process killed in turn',
  strikes: [
    ...FAULTS.map((fault, place) => ({ fault, at: place / FAULTS.length })),
    { fault: 'the mover', at: 'compared' },
    { fault: 'PostgreSQL of the source', at: 'removing' },
    { fault: 'the mover', at: 'removing' },
  ],
};
export const UNDISTURBED: LegPlan = { name: 'nothing killed', strikes: [] };
const moments = [0, 0.5, 'compared', 'removing'] as const;
/** Legs with one process each, which is killed in every part of the leg. */
export const ONE_EACH: readonly LegPlan[] = FAULTS.map((fault) => ({
  name: `${fault} killed`,
  strikes: moments.map((at) => ({ fault, at })),
}));

export interface MoveResult {
  readonly legs: readonly (Leg & { readonly name: string })[];
  readonly acknowledged: number;
  readonly problems: readonly string[];
}

export interface MoveOptions {
  readonly seed: number;
  /** Elements of the tenant before the first leg. */
  readonly elements: number;
  readonly plans: readonly LegPlan[];
  /** No leg except the first begins after this time. */
  readonly untilMs?: number;
  readonly report: (line: string) => void;
}

export async function moveUnderLoad({
  seed,
  elements,
  plans,
  untilMs = Number.POSITIVE_INFINITY,
  report,
}: MoveOptions): Promise<MoveResult> {
  const random = randomFrom(seed);
  await using parts = new AsyncDisposableStack();
  const system = parts.use(await startSystem(2, false, { second: await startPostgres() }, 'neighbour'));
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
  const legs: MoveResult['legs'][number][] = [];
  const truths = new Map<string, readonly JournalRow[]>();
  let where = MAIN;
  try {
    for (const { name, strikes } of plans) {
      if (legs.length > 0 && performance.now() > untilMs) break;
      let leg: Leg;
      let withinMs = WITHIN_MS;
      do {
        const target = where === MAIN ? SECOND : MAIN;
        leg = await runLeg({ system, bus, random, tenant: MOVED, source: where, target, strikes, withinMs });
        report(`to ${target} with ${legLine({ name, ...leg })}`);
        where = target;
        withinMs = Math.floor(withinMs / 2);
        // A fast move has ended before its mover was to be killed, and has shown nothing: the same again, with shorter pauses.
      } while (strikes.length > 0 && leg.struck.length === 0 && withinMs > 0);
      legs.push({ name, ...leg });
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

const legLine = ({ name, struck, awayMs, ms, comparedMs, decidedMs, fencedMs, outageMs }: MoveResult['legs'][number]): string =>
  `${name}: ${ms} ms, of which ${comparedMs} to copy, ${decidedMs - comparedMs} to compare and decide, ${ms - decidedMs} to remove what was left; fenced for ${fencedMs} ms, at most ${outageMs} ms without an acknowledged write, with a server away for ${awayMs} ms at most (killed: ${struck.join(', ') || 'nothing'})`;

async function preload(bus: Bus, elements: number): Promise<void> {
  let next = 0;
  const load = async (): Promise<void> => {
    while (next < elements) {
      const from = next;
      next += AT_ONCE;
      await make(bus, from, Math.min(AT_ONCE, elements - from));
    }
  };
  await Promise.all(Array.from({ length: LOADING }, load));
}

async function make(bus: Bus, from: number, count: number): Promise<void> {
  const requests = Array.from({ length: count }, (_, at) =>
    requestOf({
      op: 'create',
      type: 'test/Loaded',
      id: `loaded-${from + at}`,
      xid: `x-${from + at}`,
      attributes: { at: from + at, text: 'loaded' },
    }),
  );
  const body = { defaultScope: 'scope', requests };
  const reply = await bus.request(graphMutate, graphMutate.subject({ tenant: MOVED }), body, { timeoutMs: 30_000 });
  if (!reply.ok || reply.value.outcomes.some(({ ok }) => !ok))
    throw new Error(`the elements were not made: ${JSON.stringify(reply).slice(0, 300)}`);
}

/** Emptied changes of a tenant that has left keep only their seqs. */
const isLeft = ({ tenant, scope }: JournalRow): boolean => tenant === '' && scope === 'system';
const living = (truth: Truth): Truth => ({
  ...truth,
  rows: truth.rows.map((row) => (isLeft(row) ? { ...row, id: `left-${row.seq}`, operationId: `left-${row.seq}`, version: 1 } : row)),
  elements: withLeft(truth),
});

/** Elements for emptied changes, since the comparison expects one for every change. */
function withLeft({ rows, elements }: Truth): Truth['elements'] {
  const all = new Map(elements);
  for (const row of rows.filter(isLeft)) all.set(`/left-${row.seq}`, { ...row, version: 1 });
  return all;
}

const ofTenant = (truth: Truth, tenant: string): Truth => ({ ...truth, rows: truth.rows.filter((row) => row.tenant === tenant) });

/** Changes as a subscriber receives them. */
const asWatched = (rows: readonly JournalRow[]): readonly JournalRow[] =>
  rows.map((row) => (isLeft(row) ? { ...row, tenant: MOVED, scope: '' } : row));

/** Writes acknowledged in another journal have other seqs now. */
function renumbered({ rows }: Truth, told: Writer['told']): Writer['told'] {
  const now = new Map(rows.map((row) => [row.operationId, row]));
  return told.map((write) => {
    const row = now.get(write.operationId);
    return row === undefined ? write : { ...write, first: row.first, last: row.last };
  });
}
