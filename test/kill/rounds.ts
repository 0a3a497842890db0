/** Rounds of the kill test: writers and subscribers at work while things are killed and stopped; then everything is compared. */
import { openFeed } from '@polyedge/edge-kit/feed/feed';
import { checkJournal, checkRedis, checkWrites } from './check.ts';
import { runFaults } from './faults.ts';
import { HiroWatcher, HiroWriter, hiroToken, touchHiro } from './hiro.ts';
import { readTruth } from './journal.ts';
import { type Random, randomFrom } from './random.ts';
import { type System, startSystem } from './system.ts';
import { Watcher } from './watcher.ts';
import { COUNTERS, TENANT, Writer } from './writer.ts';

const WRITERS = 4;
/** How long subscribers may take to be told everything once nothing goes wrong any more. */
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
  /** No further round than the first begins after this time. */
  readonly untilMs?: number;
  readonly report: (line: string) => void;
  /** Other servers than one of each; with faults of their own. */
  readonly on?: Ground;
}

/** What is broken under the clients. */
export interface Ground {
  readonly start: () => Promise<System>;
  readonly faults: (random: Random, round: number, begins: (line: string) => void, acknowledged: () => number) => Promise<void>;
  /** Whether a fault may begin a new epoch, of which every watcher is told. */
  readonly startsOver: boolean;
}

/** Starts a system of its own and runs the rounds on it; ends with the first round that finds a problem. */
export async function runRounds({ seed, rounds, untilMs = Number.POSITIVE_INFINITY, report, on }: RoundsOptions): Promise<Result> {
  const random = randomFrom(seed);
  let faults = 0;
  const count = (line: string): void => {
    faults += 1;
    report(line);
  };
  await using system = await (on?.start() ?? startSystem(2, true));
  const work = await begin(system, random, on?.startsOver);
  let result: Result = { rounds: 0, writes: 0, acknowledged: 0, unknown: 0, changes: 0, faults: 0, problems: [] };
  try {
    for (let round = 0; round < rounds && result.problems.length === 0 && (round === 0 || performance.now() < untilMs); round += 1) {
      report(`round ${round + 1} (seed ${seed})`);
      for (const writer of [...work.writers, ...work.hiroWriters]) writer.start();
      const acknowledged = (): number => work.writers.reduce((sum, { told }) => sum + told.length, 0);
      await (on?.faults(random, round, count, acknowledged) ?? runFaults(system, random, round, count));
      await Promise.all([...work.writers, ...work.hiroWriters].map((writer) => writer.stop()));
      const problems = await compare(system, work);
      const outcomes = [...work.writers.flatMap(({ told }) => told), ...work.hiroWriters.flatMap(({ sent }) => sent)].map(
        ({ outcome }) => outcome,
      );
      result = {
        rounds: round + 1,
        writes: outcomes.length,
        acknowledged: outcomes.filter((outcome) => outcome === 'done').length,
        unknown: outcomes.filter((outcome) => outcome === 'unknown' || outcome.startsWith('503')).length,
        changes: work.changes,
        faults,
        problems,
      };
      report(`  ${result.acknowledged} of ${result.writes} writes acknowledged, ${result.unknown} unknown, ${result.changes} changes`);
      await work.watchLater(round);
    }
  } finally {
    work.close();
  }
  return result;
}

interface Work {
  readonly writers: readonly Writer[];
  readonly watchers: Watcher[];
  readonly hiroWriters: readonly HiroWriter[];
  readonly hiroWatchers: readonly HiroWatcher[];
  changes: number;
  /** Further subscribers, which begin in the middle of the journal. */
  watchLater(round: number): Promise<void>;
  /** Resolves when every feed has handed out everything up to `seq`. */
  delivered(epoch: string, seq: number): Promise<boolean>;
  close(): void;
}

async function begin(system: System, random: Random, startsOver = false): Promise<Work> {
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, async (_, index) => new Writer(index, await system.bus(`test-writer-${index}`), random)),
  );
  const feeds = await Promise.all(
    [false, true].map(async (far) => openFeed({ bus: await system.bus(far ? 'test-far-edge' : 'test-edge', far) })),
  );
  const watchers: Watcher[] = [];
  const add = (name: string): void => {
    for (const [index, feed] of feeds.entries()) {
      const edge = index === 0 ? 'near' : 'far';
      watchers.push(new Watcher(`${name} everything ${edge}`, feed, { tenant: TENANT }, startsOver));
      watchers.push(new Watcher(`${name} notes ${edge}`, feed, { tenant: TENANT, type: 'test/Note' }, startsOver));
      watchers.push(new Watcher(`${name} a counter ${edge}`, feed, { tenant: TENANT, owner: COUNTERS[0] }, startsOver));
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
  const { hiro } = system;
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
      const all = feeds.map(
        (feed) => new Promise<boolean>((resolve) => void feed.whenDelivered('default', epoch, seq, CATCH_UP_MS, resolve)),
      );
      return (await Promise.all(all)).every((reached) => reached);
    },
    close() {
      for (const socket of [...watchers, ...hiroWriters, ...hiroWatchers]) socket.close();
      for (const feed of feeds) feed.close();
    },
  };
}

async function compare(system: System, work: Work): Promise<string[]> {
  const truth = await readTruth(system.postgres.url);
  work.changes = truth.rows.length;
  const problems = [...system.crashes];
  if (!(await work.delivered(truth.epoch, truth.seq))) problems.push(`a feed has not handed out everything up to ${truth.seq} in time`);
  problems.push(...checkJournal(truth));
  problems.push(
    ...checkWrites(
      truth,
      work.writers.flatMap((writer) => writer.told),
    ),
  );
  for (const watcher of work.watchers) problems.push(...watcher.problems(truth.rows));
  for (const writer of work.hiroWriters) problems.push(...writer.problems(truth));
  for (const watcher of work.hiroWatchers) problems.push(...(await watcher.problems(truth, CATCH_UP_MS)));
  problems.push(...(await checkRedis(system.redis.url, truth)));
  if (problems.length > 0) for (const [index, store] of system.stores.entries()) problems.push(`graph-store ${index}:\n${store.log()}`);
  return problems;
}
