import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceStatus } from '@polyedge/contracts/bus/console';
import { ProcessStatuses } from './process-statuses.ts';

const status = (more: Partial<ServiceStatus> = {}): ServiceStatus => ({
  service: 'hiro-edge',
  instance: 'one',
  version: '0.1.0',
  beat: 1,
  uptimeMs: 1000,
  ready: true,
  memoryBytes: 100,
  heapBytes: 50,
  cpu: 0.25,
  loopDelayMs: 2,
  loopDelayMaxMs: 5,
  figures: {},
  ...more,
});

test('connections are counted by edge, over its APIs and replicas', () => {
  const statuses = new ProcessStatuses(() => 'main');
  statuses.take(
    status({ figures: { 'edge_connections{edge="hiro",api="graph-ws"}': 2, 'edge_connections{edge="hiro",api="events-ws"}': 3 } }),
    0,
  );
  statuses.take(status({ instance: 'two', figures: { 'edge_connections{edge="hiro",api="graph-ws"}': 4 } }), 0);
  assert.deepEqual(statuses.tick(0, 0).connections, { hiro: 9 });
});

test('a rate is the difference since the last received beat, divided by the number of beats', () => {
  const statuses = new ProcessStatuses(() => 'main');
  statuses.take(status({ beat: 5, figures: { 'edge_lane_frames{edge="hiro"}': 1000 } }), 0);
  assert.equal(statuses.tick(0, 0).deliveries, 0, 'nothing is known of the time before');
  statuses.take(status({ beat: 7, figures: { 'edge_lane_frames{edge="hiro"}': 1600 } }), 2000);
  assert.equal(statuses.tick(2000, 0).deliveries, 300);
});

test("changes and the head are those that replicas report of the tenant's journal, whichever of them publishes", () => {
  const statuses = new ProcessStatuses(() => 'main');
  const report = (instance: string, beat: number, published: number, head: number) =>
    statuses.take(
      status({
        ...{ service: 'graph-store', instance, beat },
        figures: {
          'publisher_changes{journal="main"}': published,
          'publisher_head{journal="main"}': head,
          'publisher_changes{journal="b"}': beat * 9,
        },
      }),
      0,
    );
  report('one', 1, 40, 40);
  report('two', 1, 0, 0);
  statuses.tick(0, 0);
  report('one', 2, 60, 60);
  report('two', 2, 10, 70);
  const { changes, head } = statuses.tick(1000, 0);
  assert.deepEqual({ changes, head }, { changes: 30, head: 70 });
});

test('a process that says nothing is silent after 5 s, counts no more, and is forgotten after a minute', () => {
  const statuses = new ProcessStatuses(() => 'main');
  statuses.take(status(), 0);
  assert.equal(statuses.tick(6000, 0).cpu, 0);
  assert.equal(statuses.processes(6000)[0]?.silent, true);
  assert.deepEqual(statuses.running(6000), []);
  statuses.tick(61_000, 0);
  assert.deepEqual(statuses.processes(61_000), []);
});

test('ten minutes of samples are kept', () => {
  const statuses = new ProcessStatuses(() => 'main');
  for (let at = 0; at < 700; at += 1) statuses.tick(at * 1000, at);
  assert.equal(statuses.samples.length, 600);
  assert.equal(statuses.samples[0]?.at, 100);
});

test('journals are those that stores speak of, main first, with the moves that any replica has seen', () => {
  const statuses = new ProcessStatuses(() => 'main');
  const store = (instance: string, figures: ServiceStatus['figures']): ServiceStatus =>
    status({ service: 'graph-store', instance, figures });
  statuses.take(
    store('one', { 'publisher_active{journal="main"}': 1, 'publisher_lag_ms{journal="main"}': 7, 'tenants_leaving{journal="main"}': 1 }),
    0,
  );
  statuses.take(
    store('two', {
      'store_batches{journal="alpha"}': 3,
      'tenants_arriving{journal="alpha"}': 1,
      'tenants_arriving_part{journal="alpha"}': 0.25,
    }),
    0,
  );
  statuses.take(status({ instance: 'edge', figures: { 'groups_lag{journal="beta"}': 3 } }), 0);
  assert.deepEqual(statuses.journals(0), [
    { name: 'main', publishes: true, lagMs: 7, arriving: 0, leaving: 1, copiedPart: 0 },
    { name: 'alpha', publishes: false, lagMs: 0, arriving: 1, leaving: 0, copiedPart: 0.25 },
  ]);
  assert.deepEqual(statuses.journals(6000), [], 'nobody has said anything for seconds');
});
