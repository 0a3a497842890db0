import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { graphMutate, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { connectNatsBus, type NatsBus } from '@polyedge/service-kit/nats-bus';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres, sharedRedis } from '@polyedge/testkit/servers/shared';
import { Core, Page, USERS } from './doubles.ts';
import { type Replicas, startReplicas } from './replicas.ts';

const parts = new AsyncDisposableStack();
let replicas: Replicas;
let bus: NatsBus;

const rules = {
  rules: [
    {
      type: 'ogit/Note',
      group: 'ogit/owner',
      filter: { not: { test: 'equal', path: ['attributes', 'draft'], value: 'yes' } },
    },
    { type: 'saga/Message', group: 'rooms' },
  ],
};

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jssocket-bridge-'));
  parts.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'bridge.json');
  writeFileSync(file, JSON.stringify(rules));
  const [redis, postgres] = await Promise.all([sharedRedis(), sharedPostgres()]);
  parts.use(redis);
  parts.use(postgres);
  replicas = await startReplicas({ POLYEDGE_JSSOCKET_BRIDGE: file }, async (nats) => {
    const env = {
      NATS_URL: nats.url,
      REDIS_URL: redis.url,
      DATABASE_URL: postgres.url,
      LOG_LEVEL: 'warn',
      POLYEDGE_ADMIN_PASSWORD: 'x'.repeat(12),
    };
    parts.use(await startService({ name: 'graph-store', env }));
  });
  parts.use(replicas);
  const connected = await connectNatsBus({ url: replicas.nats.url, service: 'hiro-edge', instance: 'test' });
  if (!connected.ok) throw new Error(connected.failure.detail);
  bus = connected.value;
  parts.defer(() => bus.close());
});
after(() => parts.disposeAsync());

/** A write as hiro-edge sends it. */
async function write(...operations: readonly Operation[]): Promise<void> {
  const origin = { protocol: 'hiro', way: 'socket', operation: 'create' } as const;
  const request = { operationId: operationId(Date.now(), randomBytes(10)), by: 'ann', app: 'test', origin, operations: [...operations] };
  const outcome = await bus.request(
    graphMutate,
    graphMutate.subject({ tenant: 'default' }),
    { defaultScope: 'scope1', requests: [request] },
    { timeoutMs: 30_000 },
  );
  assert.ok(outcome.ok && outcome.value.outcomes.every(({ ok }) => ok), JSON.stringify(outcome));
}

test('a write of HIRO reaches the pages of the group that its attribute names, once, on every replica', async () => {
  using _core = await Core.start(replicas.b.port);
  using there = await Page.login(replicas.a.port, 'token-ann');
  using here = await Page.login(replicas.b.port, 'token-ann');
  using bob = await Page.login(replicas.a.port, 'token-bob');
  const owner = USERS['token-ann'] ?? '';
  const note = (id: string, attributes: Readonly<Record<string, string>>): Operation => ({
    op: 'create',
    type: 'ogit/Note',
    id,
    attributes,
  });
  await write(note('n1', { 'ogit/owner': owner, 'ogit/name': 'first' }));
  await write(note('n2', { 'ogit/owner': owner, draft: 'yes' }));
  await write({ op: 'create', type: 'ogit/Other', id: 'n3', attributes: { 'ogit/owner': owner } });
  await write(note('n4', { 'ogit/name': 'of nobody' }));
  await write({ op: 'update', target: { id: 'n1' }, set: { 'ogit/name': 'second' } });
  await write({ op: 'delete', target: { id: 'n1' } });
  await write({ op: 'create', type: 'saga/Message', id: 'm1', attributes: { rooms: [owner, 'public', owner, USERS['token-bob'] ?? ''] } });
  for (const page of [there, here]) {
    const body = { 'ogit/owner': owner, 'ogit/name': 'first' };
    assert.deepEqual(await page.next(), { type: 'ogit/Note', id: 'n1', action: 'create', body });
    assert.deepEqual(await page.next(), { type: 'ogit/Note', id: 'n1', action: 'update', body: { ...body, 'ogit/name': 'second' } });
    const deleted = (await page.next()) as { readonly action: string };
    assert.equal(deleted.action, 'delete');
    const message = (await page.next()) as { readonly id: string };
    assert.equal(message.id, 'm1');
    assert.deepEqual(page.left, []);
  }
  const only = (await bob.next()) as { readonly id: string };
  assert.equal(only.id, 'm1');
});
