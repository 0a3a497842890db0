import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { graphGet, graphMutate, type MutationOutcome, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Bus } from '@polyedge/service-kit/bus';
import { silentLog } from '@polyedge/service-kit/log';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startPostgres } from '@polyedge/testkit/servers/postgres';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';

const tenant = 'default';
const stack = new AsyncDisposableStack();
let bus: Bus;

before(async () => {
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), startPostgres()]);
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
    { timeoutMs: 5000 },
  );
  assert.ok(reply.ok, JSON.stringify(reply));
  const [outcome] = reply.value.outcomes;
  assert.ok(outcome);
  return outcome;
}

test('what was created can be read, with the seq that made it', async () => {
  const created = await mutate({ op: 'create', type: 'ogit/Note', attributes: { name: 'first' } });
  assert.ok(created.ok, JSON.stringify(created));
  const [element] = created.value.operations[0]?.elements ?? [];
  assert.ok(element);
  const read = await bus.request(graphGet, graphGet.subject({ tenant }), { ids: [element.id] }, { timeoutMs: 5000 });
  assert.ok(read.ok, JSON.stringify(read));
  assert.deepEqual(read.value.elements, [element]);
  assert.equal(element.seq, created.value.last);
  assert.equal(read.value.seq >= element.seq, true);
});
