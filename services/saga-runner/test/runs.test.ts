import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { graphMutate, type MutationOutcome } from '@polyedge/contracts/bus/graph';
import { done } from '@polyedge/contracts/errors';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { JsonObject } from '@polyedge/query/json';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { Api } from '../src/api/api.ts';
import { Packages } from '../src/packages/packages.ts';
import { Pool } from '../src/pool.ts';
import { Records } from '../src/records.ts';
import type { RunRequest } from '../src/run.ts';
import type { Runnable } from '../src/runnable.ts';
import { Runs } from '../src/runs.ts';
import { Stats } from '../src/stats.ts';
import { Writing } from '../src/writing.ts';

const network = new LocalNetwork();
const [bus, store] = [network.connect(), network.connect()];
const stored: MutationOutcome = { ok: true, value: { first: 0, last: 0, operations: [] } };
/** Ids of stored records. */
const records: string[] = [];
const recorded = new Map<string, JsonObject>();
store.respond(graphMutate, async ({ requests }) => {
  // Takes longer than everything that does not wait for it.
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
  for (const { operations } of requests)
    for (const operation of operations)
      if (operation.op === 'create') {
        records.push(operation.id ?? '');
        recorded.set(operation.id ?? '', operation.attributes);
      }
  return done({ epoch: 'e', outcomes: requests.map(() => stored) });
});
const writing = new Writing(bus, new Wheel(systemClock));
const packages = new Packages({ bus, writing, log: silentLog, enabled: false, registry: undefined });
/** Runs in one process of their own at a time. */
function startRuns(logLines = 1): Runs {
  const pool = new Pool({ shared: 1, alone: 1, perProcess: 2, onRoom: () => runs.pump(), onEnd: () => {}, bundle: () => undefined });
  const runs: Runs = new Runs({
    api: new Api({ bus, writing, requestTimeoutMs: 1000, outward: { fetch: 'off', fetchHosts: undefined } }),
    records: new Records(writing),
    ...{ pool, packages, stats: new Stats(noMetrics(), 1), log: silentLog, table: () => undefined },
    limits: {
      ...{ wallMs: 60_000, cpuMs: 30_000, memoryMb: 32, logLines, logBytes: 65_536 },
      ...{ calls: 10, callsPerSecond: 10, resultBytes: 65_536 },
    },
    ...{ jobWallMs: 60_000, chains: { depth: 2, runs: 10, perMs: 60_000 }, perTenant: 1, perRunnable: 1, maxFired: 2 },
  });
  after(() => pool.close());
  return runs;
}
const runs = startRuns();

const runnable: Runnable = {
  ...{ plural: 'scripts', tenant: 't', id: 's1', name: 'one', path: '/requests/x', body: 'return "done";', enabled: true, logging: false },
  ...{ schedule: undefined, timezone: 'UTC', version: 1, seq: 1, created: 1, scope: 's' },
};
const wanted = (call: string, until: number): RunRequest => ({
  ...{ runnable, call, seed: call, at: 1, parameters: [{ name: '0', value: {} }], context: {}, orderKey: undefined, property: undefined },
  ...{ depth: 1, chain: call, parentCall: undefined, testData: false, http: true, until },
});

test('saga:32 a call of an HTTP script is not carried out when its caller has stopped waiting, and the next one is', async () => {
  const [late, timely] = await Promise.all([
    runs.start(wanted('c1', performance.now())),
    runs.start(wanted('c2', Number.POSITIVE_INFINITY)),
  ]);
  assert.deepEqual(late.outcome, { is: 'refused', problem: 'its caller stopped waiting before it could start' });
  assert.equal(timely.outcome.is, 'returned');
  assert.deepEqual([runs.waiting, runs.running, runs.stats.refused, runs.stats.succeeded], [0, 0, 1, 1]);
});

test('saga:24 a runner that ends records the runs that have ended', async () => {
  void runs.start(wanted('c3', Number.POSITIVE_INFINITY));
  while (runs.running === 0) await setImmediate();
  await runs.stop();
  assert.ok(records.includes('c3'));
});

test('saga:24 a runner that ends leaves the runs that wait: their callers hear of it, or another runner takes them', async () => {
  const ending = startRuns();
  const running = ending.start(wanted('r1', Number.POSITIVE_INFINITY));
  while (ending.running === 0) await setImmediate();
  const handedOver: string[] = [];
  const handOver = (call: string, taken: boolean) => async (): Promise<boolean> => {
    handedOver.push(call);
    await setImmediate();
    return taken;
  };
  const waiting = [
    ending.start(wanted('r2', Number.POSITIVE_INFINITY)),
    ending.start({ ...wanted('r3', Number.POSITIVE_INFINITY), orderKey: 'k' }),
    ending.start({ ...wanted('r4', Number.POSITIVE_INFINITY), orderKey: 'k' }),
    ending.start({ ...wanted('r5', Number.POSITIVE_INFINITY), handOver: handOver('r5', true) }),
    ending.start({ ...wanted('r6', Number.POSITIVE_INFINITY), handOver: handOver('r6', false) }),
  ];
  assert.equal(ending.waiting, waiting.length);
  await ending.stop();
  const late = ending.start({ ...wanted('r7', Number.POSITIVE_INFINITY), handOver: handOver('r7', true) });
  for (const { outcome } of await Promise.all([...waiting, late])) assert.deepEqual(outcome, { is: 'left', begun: false });
  assert.equal((await running).outcome.is, 'returned');
  assert.deepEqual(handedOver, ['r5', 'r6', 'r7']);
  // Nobody else records the one that no runner took.
  assert.deepEqual(records.filter((id) => id.startsWith('r')).sort(), ['r1', 'r6']);
  assert.deepEqual([ending.waiting, ending.running], [0, 0]);
});

const HOUR_MS = 3_600_000;

test('saga:22 suspensions and chains last as long as they should when the clock is set', async (t) => {
  const runs = startRuns();
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const chained = (call: string): RunRequest => ({ ...wanted(call, Number.POSITIVE_INFINITY), chain: 'one' });
  const broken = { ...runnable, id: 's2', body: 'console.log(1); console.log(2);' };
  const breaks = (call: string): RunRequest => ({ ...wanted(call, Number.POSITIVE_INFINITY), runnable: broken });
  for (let n = 0; n < 10; n += 1) assert.equal((await runs.start(chained(`t${n}`))).outcome.is, 'returned');
  for (let n = 0; n < 5; n += 1) assert.equal((await runs.start(breaks(`u${n}`))).outcome.is, 'broke');
  for (const hours of [1, -2]) {
    t.mock.timers.setTime(Date.now() + hours * HOUR_MS);
    const [more, again] = await Promise.all([runs.start(chained(`t${hours}`)), runs.start(breaks(`u${hours}`))]);
    assert.match(more.error?.message ?? '', /the chain had more than 10 runs/);
    const until = Date.parse(/until (\S+),/.exec(again.error?.message ?? '')?.[1] ?? '');
    assert.ok(until > Date.now() && until <= Date.now() + 10_000, again.error?.message);
  }
});

test('saga:24 a run takes as long as it does when the clock is set meanwhile', async (t) => {
  const runs = startRuns();
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const run = runs.start(wanted('v1', Number.POSITIVE_INFINITY));
  while (runs.running === 0) await setImmediate();
  t.mock.timers.setTime(Date.now() + HOUR_MS);
  await run;
  const { started_at: from, finished_at: to, duration } = recorded.get('v1') ?? {};
  assert.ok(typeof duration === 'number' && duration >= 0 && duration < HOUR_MS, `${duration}`);
  assert.equal(Date.parse(String(to)) - Date.parse(String(from)), duration);
});
