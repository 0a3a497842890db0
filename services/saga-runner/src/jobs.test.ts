import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { graphGet, graphMutate, graphQuery, type MutationOutcome } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { Jobs } from './jobs.ts';
import { RunnableTable } from './runnable-table.ts';
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

test('saga:25 after the clock was set back, jobs run at the next times of their schedule, and none at a time at which it ran', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-05-01T12:59:59.900Z') });
  const network = new LocalNetwork();
  const [bus, store] = [network.connect(), network.connect()];
  store.respond(graphQuery, async () => done({ epoch: 'e', seq: 1, elements: [job] }));
  store.respond(graphGet, async () => done({ epoch: 'e', seq: 1, elements: [job] }));
  // As graph-store does: what was done under an operation id is not done again.
  const known = new Set<string>();
  store.respond(graphMutate, async ({ requests }) => {
    const outcomes = requests.map(({ operationId }): MutationOutcome => {
      const repeated = known.has(operationId);
      known.add(operationId);
      return { ok: true, value: { first: 1, last: 1, repeated, operations: [] } };
    });
    return done({ epoch: 'e', outcomes });
  });
  const table = new RunnableTable(bus, 't', () => {});
  assert.ok((await table.upTo(0)).ok);
  const ran: string[] = [];
  const lease = { fence: 1, renew: async () => true, release: async () => {} };
  const jobs = new Jobs({
    ...{ writing: new Writing(bus, new Wheel(systemClock)), tables: [table], log: silentLog, handOver: async () => false },
    leases: { take: async () => lease },
    runs: {
      start: async ({ context }) => {
        ran.push(String(context.scheduled_at).slice(11, 16));
        return { outcome: { is: 'returned' }, error: null };
      },
    },
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
