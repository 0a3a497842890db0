import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphGet, graphMutate, type MutationOutcome, type Operation } from '@polyedge/contracts/bus/graph';
import { groupCommit, groupDelete, groupList, groupMoved, groupOpen, groupReset, INTERNAL_GROUPS } from '@polyedge/contracts/bus/groups';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import { until } from '@polyedge/testkit/until';

const tenant = 'default';
const stack = new AsyncDisposableStack();
let bus: Bus;

before(async () => {
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const server of [nats, redis, database]) stack.use(server);
  const env = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, POLYEDGE_MODE: 'local', LOG_LEVEL: 'warn' };
  stack.use(await startService({ name: 'graph-store', env }));
  const connected = await connectNatsBus({
    url: nats.url,
    service: 'test',
    instance: 'test',
    credentials: { kind: 'none' },
    log: silentLog,
  });
  assert.ok(connected.ok);
  bus = connected.value;
  stack.defer(() => bus.close());
});
after(() => stack.disposeAsync());

async function mutate(...operations: Operation[]): Promise<MutationOutcome> {
  const request = {
    operationId: operationId(Date.now(), randomBytes(10)),
    by: 'tester',
    app: 'test',
    origin: { protocol: 'test', way: 'job' as const, operation: 'test' },
    operations,
  };
  const reply = await bus.request(
    graphMutate,
    graphMutate.subject({ tenant }),
    { defaultScope: 's', requests: [request] },
    { timeoutMs: 30_000 },
  );
  assert.ok(reply.ok, JSON.stringify(reply));
  const [outcome] = reply.value.outcomes;
  assert.ok(outcome);
  return outcome;
}

test('a created element can be read, with the seq of its creation', async () => {
  const created = await mutate({ op: 'create', type: 'ogit/Note', attributes: { name: 'first' } });
  assert.ok(created.ok, JSON.stringify(created));
  const [element] = created.value.operations[0]?.elements ?? [];
  assert.ok(element);
  const read = await bus.request(graphGet, graphGet.subject({ tenant }), { ids: [element.id] }, { timeoutMs: 30_000 });
  assert.ok(read.ok, JSON.stringify(read));
  assert.deepEqual(read.value.elements, [element]);
  assert.equal(element.seq, created.value.last);
  assert.equal(read.value.seq >= element.seq, true);
});

test('a group is reset under another id, at the oldest change or the newest commit, and internal groups cannot be reset', async () => {
  const open = (name: string) => bus.request(groupOpen, groupOpen.subject({ tenant }), { name, start: 'largest' }, { timeoutMs: 30_000 });
  const reset = (id: number, to: 'smallest' | 'largest') =>
    bus.request(groupReset, groupReset.subject({ tenant }), { id, to }, { timeoutMs: 30_000 });
  const remove = (id: number) => bus.request(groupDelete, groupDelete.subject({ tenant }), { id }, { timeoutMs: 30_000 });
  const moved: string[] = [];
  const hearing = bus.subscribe(groupMoved, groupMoved.pattern({ tenant }), (_body, subject) => moved.push(subject));
  await mutate({ op: 'create', type: 'T', attributes: {} });
  const made = await open('reset');
  assert.ok(made.ok);
  const oldest = await reset(made.value.id, 'smallest');
  assert.ok(oldest.ok && oldest.value.id !== made.value.id);
  const newest = await reset(oldest.value.id, 'largest');
  assert.ok(newest.ok && newest.value.position > oldest.value.position);
  const late = { group: made.value.id, partition: 0, fence: 9, position: 10_000_000 };
  const committed = await bus.request(
    groupCommit,
    groupCommit.subject({}),
    { epoch: made.value.epoch, positions: [late], touched: [] },
    { timeoutMs: 30_000 },
  );
  assert.deepEqual(committed.ok && committed.value.gone, [made.value.id]);
  const listed = await bus.request(groupList, groupList.subject({ tenant }), {}, { timeoutMs: 30_000 });
  const known = listed.ok ? listed.value.groups.find(({ name }) => name === 'reset') : undefined;
  assert.equal(known?.id, newest.value.id);
  assert.ok(known?.positions.every(({ position }) => position === newest.value.position));
  assert.equal((await reset(made.value.id, 'largest')).ok, false, 'the group that was is no more');
  assert.ok((await remove(newest.value.id)).ok);
  const own = await open(`${INTERNAL_GROUPS}test`);
  assert.ok(own.ok);
  for (const refused of [await reset(own.value.id, 'smallest'), await remove(own.value.id)])
    assert.equal(!refused.ok && refused.failure.code, 'not-allowed');
  await until('the end of the last one is told', () => moved.length >= 3);
  assert.equal(moved.filter((subject) => subject.endsWith('.reset')).length, 3);
  hearing.unsubscribe();
});
