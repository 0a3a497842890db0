/** Rounds of the kill test: writers and subscribers are active while processes are killed and stopped; then everything is compared. */
import { MAIN } from '@polyedge/contracts/journal';
import { openFeeds } from '@polyedge/edge-kit/feed/feeds';
import { checkJournal, checkRedis, checkWrites } from './check.ts';
import { runFaults } from './faults.ts';
import { HiroWatcher, HiroWriter, hiroToken, touchHiro } from './hiro.ts';
import { readTruth } from './journal.ts';
import { type Random, randomFrom } from './random.ts';
import { type Place, type System, startSystem } from './system.ts';
import { Watcher } from './watcher.ts';
import { COUNTERS, Writer } from './writer.ts';

const WRITERS = 4;
/** How long subscribers may take to receive everything after the last fault. */
const CATCH_UP_MS = 20_000;

export interface Result {
  readonly rounds: number;
  readonly writes: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly changes: number;
  readonly faults: number;
  readonly problems: readonly string[];
}

export interface RoundsOptions {
  readonly seed: number;
  readonly rounds: number;
  /** No round except the first begins after this time. */
  readonly untilMs?: number;
  readonly report: (line: string) => void;
  /** Other servers than one of each, with their own faults. */
  readonly on?: Ground;
  /** A second journal, with this tenant; without HIRO's clients. */
  readonly second?: string;
}

/** The faults under the clients. */
export interface Ground {
  readonly start: () => Promise<System>;
  readonly faults: (random: Random, round: number, begins: (line: string) => void, acknowledged: () => number) => Promise<void>;
  /** Whether a fault may begin a new epoch, of which every watcher is notified. */
  readonly startsOver: boolean;
}

/** Starts a new system and runs the rounds on it; stops after the first round with a problem. */
export async function runRounds({ seed, rounds, untilMs = Number.POSITIVE_INFINITY, report, on, second }: RoundsOptions): Promise<Result> {
  const random = randomFrom(seed);
  let faults = 0;
  const count = (line: string): void => {
    faults += 1;
    report(line);
  };
  await using system = await (on?.start() ?? startSystem(2, second === undefined, {}, second));
  const works = await Promise.all(system.places.map((place) => begin(system, place, random, on?.startsOver)));
  let result: Result = { rounds: 0, writes: 0, acknowledged: 0, unknown: 0, changes: 0, faults: 0, problems: [] };
  try {
    for (let round = 0; round < rounds && result.problems.length === 0 && (round === 0 || performance.now() < untilMs); round += 1) {
      report(`round ${round + 1} (seed ${seed})`);
      const writers = works.flatMap((work) => work.writers);
      const all = [...writers, ...works.flatMap((work) => work.hiroWriters)];
      for (const writer of all) writer.start();
      const acknowledged = (): number => writers.reduce((sum, { told }) => sum + told.length, 0);
      await (on?.faults(random, round, count, acknowledged) ?? runFaults(system, random, round, count));
      await Promise.all(all.map((writer) => writer.stop()));
      const problems = (await Promise.all(works.map((work) => compare(system, work)))).flat();
      const outcomes = works
        .flatMap((work) => [...work.writers.flatMap(({ told }) => told), ...work.hiroWriters.flatMap(({ sent }) => sent)])
        .map(({ outcome }) => outcome);
      result = {
        rounds: round + 1,
        writes: outcomes.length,
        acknowledged: outcomes.filter((outcome) => outcome === 'done').length,
        unknown: outcomes.filter((outcome) => outcome === 'unknown' || outcome.startsWith('503')).length,
        changes: works.reduce((sum, { changes }) => sum + changes, 0),
        faults,
        problems,
      };
      report(`  ${result.acknowledged} of ${result.writes} writes acknowledged, ${result.unknown} unknown, ${result.changes} changes`);
      for (const work of works) await work.watchLater(round);
    }
  } finally {
    for (const work of works) work.close();
  }
  return result;
}

interface Work {
  readonly place: Place;
  readonly writers: readonly Writer[];
  readonly watchers: Watcher[];
  readonly hiroWriters: readonly HiroWriter[];
  readonly hiroWatchers: readonly HiroWatcher[];
  changes: number;
  /** Additional subscribers, which begin in the middle of the journal. */
  watchLater(round: number): Promise<void>;
  /** Resolves when every feed has delivered everything up to `seq`. */
  delivered(epoch: string, seq: number): Promise<boolean>;
  close(): void;
}

async function begin(system: System, place: Place, random: Random, startsOver = false): Promise<Work> {
  const { tenant } = place;
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, async (_, index) => new Writer(index, await system.bus(`test-writer-${index}`), random, tenant)),
  );
  const feeds = await Promise.all(
    [false, true].map(async (far) => openFeeds({ bus: await system.bus(far ? 'test-far-edge' : 'test-edge', far) })),
  );
  const watchers: Watcher[] = [];
  const add = (name: string): void => {
    for (const [index, feed] of feeds.entries()) {
      const edge = index === 0 ? 'near' : 'far';
      watchers.push(new Watcher(`${name} everything ${edge}`, feed, { tenant }, startsOver));
      watchers.push(new Watcher(`${name} notes ${edge}`, feed, { tenant, type: 'test/Note' }, startsOver));
      watchers.push(new Watcher(`${name} a counter ${edge}`, feed, { tenant, owner: COUNTERS[0] }, startsOver));
    }
  };
  const live = async (): Promise<void> => {
    const deadline = performance.now() + CATCH_UP_MS;
    while (!watchers.every((watcher) => watcher.live)) {
      if (performance.now() > deadline) throw new Error('the feeds did not go live');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  add('first');
  await live();
  const hiro = place.journal === MAIN ? system.hiro : undefined;
  const token = hiro === undefined ? '' : await hiroToken(hiro);
  const hiroWatchers =
    hiro === undefined
      ? []
      : await Promise.all(['events-ws one', 'events-ws two'].map((name) => HiroWatcher.open(name, hiro, () => touchHiro(hiro, token))));
  const hiroWriters =
    hiro === undefined
      ? []
      : await Promise.all(['graph-ws one', 'graph-ws two', 'graph-ws three'].map((name) => HiroWriter.open(name, hiro)));
  return {
    place,
    writers,
    watchers,
    hiroWriters,
    hiroWatchers,
    changes: 0,
    async watchLater(round) {
      if (round > 3) return;
      add(`round ${round + 1}`);
      await live();
    },
    async delivered(epoch, seq) {
      const all = feeds.map((feed) => new Promise<boolean>((resolve) => void feed.whenDelivered(tenant, epoch, seq, CATCH_UP_MS, resolve)));
      return (await Promise.all(all)).every((reached) => reached);
    },
    close() {
      for (const socket of [...watchers, ...hiroWriters, ...hiroWatchers]) socket.close();
      for (const feed of feeds) feed.close();
    },
  };
}

async function compare(system: System, work: Work): Promise<string[]> {
  const { journal, tenant, databaseUrl } = work.place;
  const truth = await readTruth(databaseUrl);
  work.changes = truth.rows.length;
  const problems = [...system.crashes];
  if (!(await work.delivered(truth.epoch, truth.seq))) problems.push(`a feed has not handed out everything up to ${truth.seq} in time`);
  problems.push(...checkJournal(truth));
  problems.push(
    ...checkWrites(
      truth,
      work.writers.flatMap((writer) => writer.told),
      tenant,
    ),
  );
  for (const watcher of work.watchers) problems.push(...watcher.problems(truth.rows));
  for (const writer of work.hiroWriters) problems.push(...writer.problems(truth));
  for (const watcher of work.hiroWatchers) problems.push(...(await watcher.problems(truth, CATCH_UP_MS)));
  problems.push(...(await checkRedis(system.redis.url, truth, undefined, journal)));
  if (problems.length > 0) for (const [index, store] of system.stores.entries()) problems.push(`graph-store ${index}:\n${store.log()}`);
  return problems;
}
