import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Interest } from '@polyedge/contracts/interest';
import { FakeClock, type FakeFaults, FakeNetwork } from '@polyedge/testkit/fake-bus';
import fc from 'fast-check';
import { answerFrom, ModelJournal, ModelPublisher, WatchRecord } from '../testing/feed-model.ts';
import { openFeed } from './feed.ts';

const INTERESTS: Interest[] = [
  { tenant: 't' },
  { tenant: 'u' },
  { tenant: 't', type: 'A' },
  { tenant: 't', type: 'B' },
  { tenant: 't', owner: 'x' },
  { tenant: 't', owner: 'y' },
  { tenant: 'u', owner: 'x' },
  { tenant: 't', type: 'nobody' },
];

/** What happens in a run. Numbers are choices that the step interprets. */
const step = fc.oneof(
  { weight: 32, arbitrary: fc.record({ do: fc.constant('commit' as const), n: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 32, arbitrary: fc.record({ do: fc.constant('wait' as const), n: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('long-wait' as const), n: fc.integer({ min: 1000, max: 8000 }) }) },
  { weight: 16, arbitrary: fc.record({ do: fc.constant('watch' as const), n: fc.nat(INTERESTS.length - 1) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('close' as const), n: fc.nat(100) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('disconnect' as const), n: fc.constant(0) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('reconnect' as const), n: fc.constant(0) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('fail-over' as const), n: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('stale' as const), n: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('mute' as const), n: fc.boolean().map(Number) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('store' as const), n: fc.boolean().map(Number) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), n: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), n: fc.nat(20) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('own' as const), n: fc.nat(3) }) },
);
const scenario = fc.record({
  seed: fc.integer(),
  lossPercent: fc.constantFrom(0, 0, 2, 20),
  doubledPercent: fc.constantFrom(0, 10),
  hugePercent: fc.constantFrom(0, 10),
  failedPercent: fc.constantFrom(0, 10, 40),
  page: fc.constantFrom(1, 3, 1000),
  /** Small bounds, so that every one of them is reached. */
  tight: fc.boolean(),
  /** Whether histories are restored and trimmed; without that nothing may be lost at all. */
  unkept: fc.boolean(),
  steps: fc.array(step, { maxLength: 80, size: 'max' }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

const totals = { delivered: 0, lost: 0, rangeFetches: 0, seqFetches: 0, gaps: 0, dropped: 0, reached: 0, runs: 0 };

async function play(run: Scenario): Promise<void> {
  let state = run.seed | 0;
  const random = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const percent = (chance: number): boolean => random() * 100 < chance;
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;

  const clock = new FakeClock();
  const faults: FakeFaults = {
    latencyMs: () => 1 + random() * 20,
    copies: () => (percent(run.lossPercent) ? 0 : percent(run.doubledPercent) ? 2 : 1),
    answer: () => (percent(run.failedPercent) ? pick([{ code: 'busy' }, { code: 'unavailable' }, 'silence'] as const) : undefined),
  };
  const network = new FakeNetwork(clock, faults);
  const storeBus = network.connect();
  const edgeBus = network.connect();
  const journal = new ModelJournal();
  const huge = new Set<number>();
  answerFrom(journal, storeBus, () => run.page);
  const isHuge = (seq: number) => huge.has(seq);
  let publisher = new ModelPublisher(journal, storeBus, { fence: 1, published: 0 }, isHuge);
  let old = publisher;
  let muted = false;
  clock.every(70, () => {
    if (!muted) publisher.publish(5);
  });

  const feed = openFeed({
    bus: edgeBus,
    surroundings: {
      now: () => clock.now(),
      random,
      soon: (go) => clock.soon(go),
      after: (ms, go) => clock.after(ms, go),
      every: (ms, go) => clock.every(ms, go),
    },
    settings: {
      requestTimeoutMs: 700,
      ...(run.tight ? { maxStagedBytes: 4_000, maxPending: 6, maxHeldSeqs: 7, maxChangesPerTick: 3 } : {}),
    },
  });
  const records: WatchRecord[] = [];
  let mayLose = false;
  let problem: string | undefined;
  /** What `WatchHandler.waits` promises: a change comes when every other watch has had what comes before it, or says that it waits. */
  const inCommonOrder = ({ position, epoch }: WatchRecord): void => {
    for (const record of records) {
      if (mayLose || record.closed || record.failure !== undefined || record.epoch !== epoch) continue;
      const next = record.next();
      if (next === undefined || next >= position) continue;
      if (record.waiting === undefined || record.waiting > next) problem ??= `at ${position}, and ${next} did not come before it`;
    }
  };
  const watch = (interest: Interest) => {
    records.push(
      new WatchRecord(feed, journal, interest, (record, change) => {
        if (change !== undefined) inCommonOrder(record);
        // From within a handler.
        if (percent(2)) watch(pick(INTERESTS));
        if (percent(2)) pick(records).close();
      }),
    );
  };
  const newEpoch = (keep: number, fence: number) => {
    mayLose = true;
    journal.restore(keep);
    old = publisher;
    publisher = new ModelPublisher(journal, storeBus, { fence, published: Math.min(publisher.published, journal.seq) }, isHuge);
  };

  for (const interest of INTERESTS.slice(0, 3)) watch(interest);
  await clock.run(100);
  for (const { do: what, n } of run.steps) {
    if (!run.unkept && (what === 'restore' || what === 'trim')) continue;
    if (what === 'commit') {
      for (let i = 0; i < n; i += 1) {
        journal.commit({ tenant: pick(['t', 't', 'u']), type: pick(['A', 'B']), owners: pick([['x'], ['y'], ['x', 'y'], ['z']]) });
        if (percent(run.hugePercent)) huge.add(journal.seq);
      }
    } else if (what === 'wait' || what === 'long-wait') await clock.run(n);
    else if (what === 'watch') watch(INTERESTS[n] as Interest);
    else if (what === 'close') records[n % (records.length || 1)]?.close();
    else if (what === 'disconnect') edgeBus.disconnect();
    else if (what === 'reconnect') edgeBus.reconnect();
    else if (what === 'fail-over') {
      old = publisher;
      const published = Math.max(0, publisher.published - n);
      publisher = new ModelPublisher(journal, storeBus, { fence: publisher.fence + 1, published }, isHuge);
    } else if (what === 'stale') old.publish(n);
    else if (what === 'mute') muted = n === 1;
    else if (what === 'store') faults.answer = n === 1 ? () => 'silence' : () => undefined;
    else if (what === 'restore') newEpoch(Math.min(journal.seq, n), n % 2 === 0 ? publisher.fence + 1 : Math.max(1, publisher.fence - 1));
    else if (what === 'trim') {
      // Whoever still needs what goes may be lost.
      mayLose = true;
      journal.oldest = Math.max(journal.oldest, journal.seq - n);
    } else {
      const epoch = journal.epoch;
      const seq = Math.max(0, journal.seq - n);
      const here = records.filter((record) => record.epoch === epoch);
      feed.whenDelivered('default', epoch, seq, 2_000, (reached) => {
        if (!reached) return;
        totals.reached += 1;
        for (const record of here) {
          if (record.closed || record.failure !== undefined || epoch !== journal.epoch) continue;
          // A watch that was lost and is told of it in the next tick is in order: only a loss allows that.
          if (!mayLose) problem ??= record.missing(seq);
        }
      });
    }
  }

  // Everything heals, and then nothing may be missing.
  faults.copies = () => 1;
  faults.answer = () => undefined;
  muted = false;
  edgeBus.reconnect();
  publisher.published = Math.min(publisher.published, journal.seq);
  const wrong = (): string | undefined => {
    if (publisher.published < journal.seq) return 'not published';
    for (const record of records) {
      if (record.closed || record.failure !== undefined) continue;
      if (record.epoch === undefined) return 'never live';
      if (record.epoch !== journal.epoch) return `not told of the epoch ${journal.epoch}`;
      const missing = record.missing(journal.seq);
      if (missing !== undefined) return missing;
      if (record.waiting !== undefined) return `waits for ${record.waiting} with nothing missing`;
    }
    return undefined;
  };
  const deadline = clock.now() + 30_000;
  do await clock.run(200);
  while (wrong() !== undefined && clock.now() < deadline);
  problem ??= wrong();
  feed.close();

  for (const { failure, epoch, problem: own } of records) {
    problem ??= own;
    if (failure === undefined || mayLose) continue;
    if (epoch !== undefined || failure.code !== 'unavailable') problem ??= `lost without reason: ${JSON.stringify(failure)}`;
  }
  const { stats } = feed;
  assert.equal(problem, undefined);
  assert.equal(stats.thrown, 0);
  totals.runs += 1;
  totals.delivered += stats.delivered;
  totals.lost += stats.lost;
  totals.rangeFetches += stats.rangeFetches;
  totals.seqFetches += stats.seqFetches;
  totals.gaps += stats.gaps;
  totals.dropped += stats.dropped;
}

test('every watch gets each change of its interest once and in order, or ends with lost, whatever fails', async () => {
  await fc.assert(fc.asyncProperty(scenario, play), { numRuns: Number(process.env.FEED_RUNS ?? 600) });
  // The faults were really met, and most of the work was done by delivering.
  for (const count of Object.values(totals)) assert.ok(count > 0, JSON.stringify(totals));
  if (process.env.FEED_RUNS !== undefined) console.log(totals);
});
