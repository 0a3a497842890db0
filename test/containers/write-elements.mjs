// Run inside a container of hiro-edge, with its rights: node --input-type=module - TENANT COUNT. Makes elements of a tenant, wherever it is.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { RoutedBus } from '@polyedge/service-kit/journal-bus';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { KnownPlacements } from '@polyedge/service-kit/placements';

const [tenant = '', count = '0'] = process.argv.slice(-2);
const { NATS_URL: url, NATS_PASSWORD_FILE: file = '' } = process.env;
const user = 'hiro-edge';
const credentials = { kind: 'password', user, password: readFileSync(file, 'utf8').trim() };
const connected = await connectNatsBus({ url, service: user, credentials });
if (!connected.ok) throw new Error(connected.failure.detail);
const placements = new KnownPlacements(connected.value);
placements.start();
await placements.refresh();
const bus = new RoutedBus(connected.value, placements);
const requests = Array.from({ length: Number(count) }, () => ({
  operationId: operationId(Date.now(), randomBytes(10)),
  by: 'test',
  app: 'test',
  origin: { protocol: 'test', way: 'socket', operation: 'create' },
  operations: [{ op: 'create', type: 'test/Thing', id: randomBytes(8).toString('hex'), attributes: { text: 'made' } }],
}));
const reply = await bus.request(graphMutate, graphMutate.subject({ tenant }), { defaultScope: 'scope', requests }, { timeoutMs: 10_000 });
if (!reply.ok || reply.value.outcomes.some(({ ok }) => !ok)) throw new Error(JSON.stringify(reply).slice(0, 500));
process.exit(0);
