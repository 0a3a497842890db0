/** What many services or large contracts need: more than one answer or one write of the store can hold. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { graphMutate, graphQuery, type Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import type { Bus } from '@polyedge/service-kit/bus';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { until } from '@polyedge/testkit/until';
import { created, organizationWith, rows } from './contracts-scene.ts';
import { hex, system } from './rest-scene.ts';
import type { Json } from './system.ts';

const TIMEOUT = { timeoutMs: 60_000 };
const TENANT = { tenant: 'default' };
const KiB = 1024;

let connection: Promise<Bus> | undefined;
after(async () => (await connection)?.close());

async function connect(): Promise<Bus> {
  const connected = await connectNatsBus({ url: system.natsUrl, service: 'test', credentials: { kind: 'none' } });
  assert.ok(connected.ok, 'NATS does not answer');
  return connected.value;
}

function toStore(): Promise<Bus> {
  connection ??= connect();
  return connection;
}

/** Writes elements as another protocol could, so many in one mutation. */
async function write(operations: readonly Operation[], atOnce: number): Promise<void> {
  for (let from = 0; from < operations.length; from += atOnce) {
    const request = {
      operationId: operationId(Date.now(), randomBytes(10)),
      by: 'test',
      app: 'test',
      origin: { protocol: 'hiro', way: 'rest', operation: 'test' },
      operations: operations.slice(from, from + atOnce),
    } as const;
    const written = await (await toStore()).request(
      graphMutate,
      graphMutate.subject(TENANT),
      { defaultScope: 'test', requests: [request] },
      TIMEOUT,
    );
    assert.ok(written.ok, JSON.stringify(written));
    assert.ok(
      written.value.outcomes.every(({ ok }) => ok),
      JSON.stringify(written.value.outcomes[0]),
    );
  }
}

const ofOrganization = (type: string, organizationId: string) =>
  ({
    all: [
      { test: 'equal', path: ['type'], value: type },
      { test: 'equal', path: ['attributes', 'organizationId'], value: organizationId },
    ],
  }) as const;

/** How many living elements of a type an organization has. */
async function counted(type: string, organizationId: string): Promise<number | undefined> {
  const request = { filter: ofOrganization(type, organizationId), limit: 0, count: true };
  const found = await (await toStore()).request(graphQuery, graphQuery.subject(TENANT), request, TIMEOUT);
  assert.ok(found.ok, JSON.stringify(found));
  return found.value.count;
}

async function serviceIds(organizationId: string): Promise<readonly string[]> {
  const request = { filter: ofOrganization('space/Service', organizationId) };
  const found = await (await toStore()).request(graphQuery, graphQuery.subject(TENANT), request, TIMEOUT);
  assert.ok(found.ok, JSON.stringify(found));
  return found.value.elements.map(({ id }) => id);
}

test('more than ten thousand services of an organization are pruned by one call', async () => {
  const { rest, id } = await organizationWith('Zoom');
  const services = Array.from({ length: 10_100 }, (_, number): Operation => {
    const name = `Service ${number}`;
    const attributes = { name, key: `${id}/${name}`, organizationId: id, disabled: false, activePricings: {} };
    return { op: 'create', type: 'space/Service', id: hex(12), attributes };
  });
  await write(services, 500);
  const pruned = await rest.delete('/services');
  assert.deepEqual([pruned.status, pruned.body], [200, { message: 'Pruned 10101 services' }]);
  for (const type of ['space/Service', 'space/Pricing']) assert.equal(await counted(type, id), 0, type);
});

test('services are pruned whose pricings are together too large for one write, even those of one service', async () => {
  const { rest, id } = await organizationWith('Zoom', 'Drive');
  const text = 'x'.repeat(1900 * KiB);
  const [one = '', other = ''] = await serviceIds(id);
  const pricings = Array.from({ length: 22 }, (_, number): Operation => {
    const attributes = { organizationId: id, serviceId: number < 20 ? one : other, text };
    return { op: 'create', type: 'space/Pricing', id: hex(12), attributes };
  });
  await write(pricings, 2);
  const pruned = await rest.delete('/services');
  assert.deepEqual([pruned.status, pruned.body], [200, { message: 'Pruned 2 services' }]);
  for (const type of ['space/Service', 'space/Pricing']) assert.equal(await counted(type, id), 0, type);
});

/** Contracts of a group like one that was made, of about so many KiB each, with levels as large. */
async function largeContracts(count: number, kib: number) {
  const organization = await organizationWith('Zoom');
  const { rest, id } = organization;
  const groupId = `group-${hex(4)}`;
  const { id: model } = await created(rest, { groupId });
  const found = await (await toStore()).request(
    graphQuery,
    graphQuery.subject(TENANT),
    { filter: { test: 'equal', path: ['attributes', 'organizationId'], value: id } },
    TIMEOUT,
  );
  assert.ok(found.ok, JSON.stringify(found));
  const contract = found.value.elements.find((element) => element.id === String(model));
  const usage = found.value.elements.find(({ type }) => type === 'space/UsageLevels');
  assert.ok(contract !== undefined && usage !== undefined);
  const made = Array.from({ length: count }, (): Operation[] => {
    const contractId = hex(12);
    const userId = `user-${hex(6)}`;
    const long = 'x'.repeat(kib * KiB);
    const contact = { userId, username: 'ann', phone: long };
    const usageId = usage.id.replace(String(model), contractId);
    const levels = { ...usage.attributes, userId, contract: contractId, note: long };
    return [
      { op: 'create', type: contract.type, id: contractId, attributes: { ...contract.attributes, userId, userContact: contact } },
      { op: 'create', type: usage.type, id: usageId, attributes: levels },
    ];
  });
  await write(made.flat(), Math.max(2, 2 * Math.floor(3000 / (2 * kib))));
  assert.equal(await counted('space/UsageLevels', id), count + 1);
  return { ...organization, groupId };
}

test('contracts are pruned that are together too large for one answer or one write', async () => {
  const { rest, id } = await largeContracts(24, 1500);
  const pruned = await rest.delete('/contracts');
  assert.equal(pruned.status, 204, JSON.stringify(pruned.body));
  for (const type of ['space/Contract', 'space/UsageLevels']) assert.equal(await counted(type, id), 0, type);
});

test('a group of contracts that are together too large for one answer or one write is changed, by its group and by its service', async () => {
  const { rest, groupId } = await largeContracts(24, 1500);
  const novated = await rest.put(`/contracts?groupId=${groupId}`, {
    contractedServices: { zoom: '1' },
    subscriptionPlans: { zoom: 'PRO' },
    subscriptionAddOns: {},
  });
  assert.equal(novated.status, 200, JSON.stringify(novated.body).slice(0, 300));
  assert.equal((await rest.put('/services/Zoom', { name: 'Meet' })).status, 200);
  await until('the contracts follow their service', async () =>
    rows(await rest.get('/services/Meet/novations')).every(({ state }: Json) => String(state) === 'done'),
  );
  let seen = 0;
  for (let offset = 0; ; offset += 10) {
    const page = rows(await rest.get(`/contracts?limit=10&offset=${offset}`));
    for (const one of page) {
      assert.deepEqual([one.subscriptionPlans, one.contractedServices], [{ meet: 'PRO' }, { meet: '1' }]);
      seen += 1;
    }
    if (page.length < 10) break;
  }
  assert.equal(seen, 25);
});
