import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { graphGet, graphMutate, graphQuery, type MutationOutcome } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Lease, Leases } from '@polyedge/journal/lease';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { until } from '@polyedge/testkit/until';
import { Jobs } from './jobs.ts';
import type { RunRequest, RunResult } from './run.ts';
import { RunnableTable } from './runnable-table.ts';
import type { Runs } from './runs.ts';
import { Writing } from './writing.ts';

const stamp = { on: 1, by: 'a', app: 'a' };
const job: Element = {
  ...{
    tenant: 't',
    id: 'j',
    kind: 'vertex',
    type: 'saga/Job',
    scope: 's',
    version: 1,
    seq: 1,
    created: stamp,
    modified: stamp,
    deleted: false,
  },
  attributes: { name: 'j', body: '', schedule: '*/30 * * * *', timezone: 'UTC', enabled: true, version: 1 },
};

type Leased = Awaited<ReturnType<Leases['take']>>;

/** Jobs of a tenant with one, on a mocked clock. */
async function withJob(t: TestContext, now: string, take: (name: string) => Leased, start: Pick<Runs, 'start'>['start']) {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse(now) });
  const network = new LocalNetwork();
  const [bus, store] = [network.connect(), network.connect()];
  store.respond(graphQuery, async () => done({ epoch: 'e', seq: 1, elements: [job] }));
  store.respond(graphGet, async () => done({ epoch: 'e', seq: 1, elements: [job] }));
  // As graph-store does: what was done under an operation id is not done again.
  const known = new Set<string>();
  const written: unknown[] = [];
  store.respond(graphMutate, async ({ requests }) => {
    const outcomes = requests.map(({ operationId, operations }): MutationOutcome => {
      const repeated = known.has(operationId);
      known.add(operationId);
      if (!repeated) for (const operation of operations) if (operation.op === 'update') written.push(operation.set);
      return { ok: true, value: { first: 1, last: 1, repeated, operations: [] } };
    });
    return done({ epoch: 'e', outcomes });
  });
  const table = new RunnableTable(bus, 't', () => {});
  assert.ok((await table.upTo(0)).ok);
  const jobs = new Jobs({
    ...{ writing: new Writing(bus, new Wheel(systemClock)), tables: [table], log: silentLog, handOver: async () => false },
    leases: { take: async (name) => take(name) },
    runs: { start },
  });
  t.after(async () => {
    await jobs.close();
    table.close();
  });
  const { mock: looks } = t.mock.method(table, 'jobs');
  const lookedAt = async (time: string): Promise<void> => {
    t.mock.timers.setTime(Date.parse(`2026-05-01T${time}Z`));
    // Of two, one began after the clock was set.
    for (const before = looks.callCount(); looks.callCount() < before + 2; ) await setTimeout(10);
  };
  return { jobs, table, written, lookedAt };
}

const lease: Lease = { fence: 1, renew: async () => true, release: async () => {} };
const RETURNED: RunResult = { outcome: { is: 'returned' }, error: null };

test('saga:25 after the clock was set back, jobs run at the next times of their schedule, and none at a time at which it ran', async (t) => {
  const ran: string[] = [];
  const start = async ({ context }: RunRequest): Promise<RunResult> => {
    ran.push(String(context.scheduled_at).slice(11, 16));
    return RETURNED;
  };
  const { lookedAt } = await withJob(t, '2026-05-01T12:59:59.900Z', () => lease, start);
  const ranAt = async (time: string, expected: readonly string[]): Promise<void> => {
    await lookedAt(time);
    while (ran.length < expected.length) await setTimeout(10);
    assert.deepEqual(ran, expected);
  };
  await lookedAt('12:59:59');
  await ranAt('13:00:01', ['13:00']);
  await lookedAt('12:10:00');
  await ranAt('12:30:01', ['13:00', '12:30']);
  await ranAt('13:00:02', ['13:00', '12:30']);
  await ranAt('13:30:01', ['13:00', '12:30', '13:30']);
});

test('saga:25 a tick that cannot start is not recorded as a run, and the job shows its next one', async (t) => {
  let answer: Leased = 'unavailable';
  const ran: RunRequest[] = [];
  const start = async (wanted: RunRequest): Promise<RunResult> => {
    ran.push(wanted);
    return RETURNED;
  };
  const take = (name: string): Leased => (name.startsWith('job:') ? answer : lease);
  const { jobs, table, written, lookedAt } = await withJob(t, '2026-05-01T12:59:59.900Z', take, start);
  const [runnable] = table.jobs();
  assert.ok(runnable !== undefined);
  const wanted = { runnable } as RunRequest;
  await lookedAt('12:59:59');
  await lookedAt('13:00:01');
  await until('the tick is skipped', () => written.length === 1);
  assert.equal(await jobs.startNow(wanted), 'unavailable');
  answer = 'held';
  await lookedAt('13:30:01');
  await until('the second tick is skipped', () => written.length === 2);
  assert.equal(await jobs.startNow(wanted), 'running');
  assert.deepEqual(ran, []);
  answer = lease;
  await lookedAt('14:00:01');
  await until('the third tick has started', () => ran.length === 1);
  const at = (time: string): string => `2026-05-01T${time}:00.000Z`;
  assert.deepEqual(written, [
    { next_run_at: at('13:30') },
    { next_run_at: at('14:00') },
    { last_run_at: at('14:00'), next_run_at: at('14:30') },
  ]);
});

test('saga:25 a running job whose lease Redis has lost is leased again, and is released when it ends', async (t) => {
  const { promise: ended, resolve: end } = Promise.withResolvers<RunResult>();
  const released: number[] = [];
  let taken = 0;
  const take = (name: string): Leased => {
    if (!name.startsWith('job:')) return lease;
    taken += 1;
    const fence = taken;
    return { fence, renew: async () => fence > 1, release: async () => void released.push(fence) };
  };
  const { jobs, table } = await withJob(t, '2026-05-01T12:40:00Z', take, () => ended);
  const [runnable] = table.jobs();
  assert.ok(runnable !== undefined);
  assert.equal(await jobs.startNow({ runnable } as RunRequest), 'started');
  await until('it is leased again', () => taken === 2);
  end(RETURNED);
  await until('it is released', () => released.length > 0);
  assert.deepEqual(released, [2]);
});
