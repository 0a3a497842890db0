import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { subscription } from './metered.ts';
import { event, listen, RawSocket, wsUrl } from './sockets.ts';
import { newOrganization, pricing, pricingFile, Rest, type System, startSystem } from './system.ts';

/** The hex dump of the documentation, without its offsets. */
const DUMP = `
81 6f 34 32 2f 70 72 69 63 69 6e 67 73 2c 5b 22 6d 65 73 73 61 67 65 22 2c 7b 22 63 6f 64 65 22
3a 22 50 52 49 43 49 4e 47 5f 43 52 45 41 54 45 44 22 2c 22 64 65 74 61 69 6c 73 22 3a 7b 22 73
65 72 76 69 63 65 4e 61 6d 65 22 3a 22 57 69 72 65 4d 6f 63 6b 22 2c 22 70 72 69 63 69 6e 67 56
65 72 73 69 6f 6e 22 3a 22 32 30 32 34 22 7d 7d 5d`;

let system: System;
let url: string;
before(async () => {
  system = await startSystem({ SPACE_REMOTE_PRIVATE: 'true' });
  url = system.space.url;
});
after(() => system[Symbol.asyncDispose]());

test('space:6 space:7 space:8 space:45 a client receives the four events of the real operations, once each', async () => {
  const { rest } = await newOrganization(url);
  await using client = await listen(url);
  await using raw = await RawSocket.joined(url);
  const created = await rest.upload('/services', pricing('Zoom', '2024'));
  assert.equal(created.status, 201, JSON.stringify(created.body));
  assert.equal((await rest.upload('/services/Zoom/pricings', pricing('Zoom', '2025'))).status, 201);
  const archive = await rest.put('/services/Zoom/pricings/2024?availability=archived', { subscriptionPlan: 'FREE' });
  assert.equal(archive.status, 200, JSON.stringify(archive.body));
  assert.equal((await rest.put('/services/Zoom/pricings/2024?availability=active')).status, 200);
  assert.equal((await rest.delete('/services/Zoom')).status, 204);
  await until('five events at both', () => client.events.length >= 5 && raw.events.length >= 5);
  assert.deepEqual(client.events, [
    event('PRICING_CREATED', 'Zoom', '2024'),
    event('PRICING_CREATED', 'Zoom', '2025'),
    event('PRICING_ARCHIVED', 'Zoom', '2024'),
    event('PRICING_ACTIVED', 'Zoom', '2024'),
    event('SERVICE_DISABLED', 'Zoom'),
  ]);
  assert.equal(raw.events.at(-1), '42/pricings,["message",{"code":"SERVICE_DISABLED","details":{"serviceName":"Zoom"}}]');
});

test("space:2 space:5 space:45 the frame is that of the documentation's hex dump, byte for byte", async () => {
  const { rest } = await newOrganization(url);
  await using raw = await RawSocket.joined(url);
  assert.match(raw.frames[0] ?? '', /^0\{"sid":"[^"]+","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/);
  assert.match(raw.frames[1] ?? '', /^40\/pricings,\{"sid":"[^"]+"\}$/);
  // The socket below the client sees the bytes before anybody has read them.
  const { _socket: below } = raw.socket as unknown as { readonly _socket: import('node:net').Socket };
  const bytes: Buffer[] = [];
  below.prependListener('data', (chunk: Buffer) => bytes.push(Buffer.from(chunk)));
  assert.equal((await rest.upload('/services', pricingFile('wiremock'))).status, 201);
  await raw.frame(2);
  assert.equal(Buffer.concat(bytes).toString('hex'), DUMP.replace(/\s/g, ''));
  raw.send('41/pricings,');
  // The library refuses to join again in the same moment.
  assert.equal((await rest.get('/services')).status, 200);
  raw.send('40/pricings,');
  assert.match(await raw.frame(3), /^40\/pricings,/);
});

test('space:3 the root namespace is open, others are refused, and the transport stays up', async () => {
  await using raw = await RawSocket.open(url);
  raw.send('40/events/pricings,');
  assert.equal(await raw.frame(1), '44/events/pricings,{"message":"Invalid namespace"}');
  raw.send('40');
  assert.match(await raw.frame(2), /^40\{"sid":"[^"]+"\}$/);
  raw.send('40/pricings,');
  assert.match(await raw.frame(3), /^40\/pricings,/);
  await using other = await RawSocket.joined(url);
  other.send('40');
  assert.match(await other.frame(2), /^40\{/);
  assert.equal(raw.closed || other.closed, false);
});

test('messages of a client are ignored, and never acknowledged', async () => {
  const { rest } = await newOrganization(url);
  await using raw = await RawSocket.joined(url);
  raw.send('42/pricings,["message",{"code":"PRICING_CREATED","details":{"serviceName":"forged","pricingVersion":"1"}}]');
  raw.send('42/pricings,7["anything",1]');
  await using other = await RawSocket.joined(url);
  assert.equal((await rest.upload('/services', pricing('Ignoring', '1'))).status, 201);
  await until('an event', () => raw.events.length > 0 && other.events.length > 0);
  assert.equal(raw.events.length + other.events.length, 2);
  assert.equal(raw.frames.length, 3);
});

test('space:4 space:11 polling is served as well, and every origin may connect', async () => {
  const handshake = await fetch(`${url}/events/?EIO=4&transport=polling`, { headers: { origin: 'https://anywhere.example' } });
  assert.equal(handshake.status, 200);
  assert.equal(handshake.headers.get('access-control-allow-origin'), '*');
  const preflight = await fetch(`${url}/events/?EIO=4&transport=polling`, {
    method: 'OPTIONS',
    headers: { origin: 'https://anywhere.example' },
  });
  assert.equal(preflight.status, 204);
  const { rest } = await newOrganization(url);
  await using client = await listen(url, { transports: ['polling'] });
  await using upgraded = await listen(url, { transports: ['polling', 'websocket'] });
  assert.equal((await rest.upload('/services', pricing('Polled', '1'))).status, 201);
  await until('an event by polling', () => client.events.length > 0 && upgraded.events.length > 0);
  assert.deepEqual(
    [client.events, upgraded.events],
    [[event('PRICING_CREATED', 'Polled', '1')], [event('PRICING_CREATED', 'Polled', '1')]],
  );
  assert.equal((await fetch(`${url}/events?EIO=4&transport=polling`)).status, 404);
});

test('space:9 an event leaves before the answer of its call, and its state can be read by then', async () => {
  const { rest } = await newOrganization(url);
  await using client = await listen(url);
  const read: Promise<{ readonly status: number }>[] = [];
  client.socket.on('message', ({ details }: { details: { serviceName: string; pricingVersion: string } }) => {
    read.push(rest.get(`/services/${details.serviceName}/pricings/${details.pricingVersion}`));
  });
  assert.equal((await rest.upload('/services', pricing('Readable', '0'))).status, 201);
  for (let version = 1; version < 10; version += 1) {
    assert.equal((await rest.upload('/services/Readable/pricings', pricing('Readable', String(version)))).status, 201);
  }
  await until('all events', () => client.events.length === 10);
  assert.deepEqual(new Set((await Promise.all(read)).map(({ status }) => status)), new Set([200]));
});

test('space:7 space:10 calls that change nothing, fail or have no event by rule send nothing', async () => {
  const { rest } = await newOrganization(url);
  await using client = await listen(url);
  await rest.upload('/services', pricing('Quiet', '1'));
  await rest.upload('/services/Quiet/pricings', pricing('Quiet', '2'));
  await until('both created', () => client.events.length === 2);
  assert.equal((await rest.post('/contracts', subscription(`quiet-${Date.now()}`, 'Quiet', 'FREE'))).status, 201);
  const statuses = [
    // Already active; the last active one; no fallback; a fallback that does not exist; an unknown version; a broken file; a wrong name.
    (await rest.put('/services/Quiet/pricings/1?availability=active')).status,
    (await rest.put('/services/Quiet/pricings/1?availability=archived')).status,
    (await rest.put('/services/Quiet/pricings/1?availability=archived', { subscriptionPlan: 'GOLD' })).status,
    (await rest.put('/services/Quiet/pricings/9', { subscriptionPlan: 'FREE' })).status,
    (await rest.put('/services/Quiet/pricings/1?availability=gone')).status,
    (await rest.upload('/services', 'nothing')).status,
    (await rest.upload('/services', pricing('Quiet', '3'))).status,
    (await rest.upload('/services/Quiet/pricings', pricing('quiet', '3'))).status,
    (await rest.upload('/services/Quiet/pricings', pricing('Quiet', '2'))).status,
    (await rest.delete('/services/Quiet/pricings/1')).status,
    (await rest.delete('/services/Loud')).status,
    (await rest.put('/services/Quiet', { name: 'Silent' })).status,
  ];
  assert.deepEqual(statuses, [200, 400, 400, 404, 400, 400, 400, 400, 400, 404, 404, 200]);
  assert.equal((await rest.put('/services/Silent/pricings/1', { subscriptionPlan: 'FREE' })).status, 200);
  assert.equal((await rest.put('/services/Silent/pricings/1', { subscriptionPlan: 'FREE' })).status, 200);
  assert.equal((await rest.put('/services/Silent/pricings/2', { subscriptionPlan: 'FREE' })).status, 400);
  assert.equal((await rest.delete('/services/Silent/pricings/1')).status, 204);
  assert.deepEqual((await rest.delete('/services')).body, { message: 'Pruned 1 services' });
  await rest.upload('/services', pricing('Last', '1'));
  await until('the last one', () => client.events.length >= 4);
  assert.deepEqual(client.events.slice(2), [event('PRICING_ARCHIVED', 'Silent', '1'), event('PRICING_CREATED', 'Last', '1')]);
});

test('space:6 space:16 space:26 a service is created from a URL, revived from one, and keeps the fetched pricing', async () => {
  const files = new Map([
    ['/1.yml', pricing('Remote', '1')],
    ['/2.yml', pricing('Remote', '2')],
    ['/3.yml', pricing('Remote', '3')],
  ]);
  const server = createServer((request, response) => {
    const text = files.get(request.url ?? '');
    response.writeHead(text === undefined ? 404 : 200).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on TCP, so never a pipe's name.
  const remote = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { rest } = await newOrganization(url);
  await using client = await listen(url);
  const created = await rest.post('/services', { pricing: `${remote}/1.yml` });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  assert.deepEqual(Object.keys(created.body.activePricings?.['1'] ?? {}).sort(), ['_id', 'url']);
  assert.equal((await rest.post('/services/Remote/pricings', { pricing: `${remote}/2.yml` })).status, 201);
  assert.equal((await rest.delete('/services/Remote')).status, 204);
  const repeated = await rest.post('/services', { pricing: `${remote}/2.yml` });
  assert.equal(repeated.status, 400);
  assert.match(String(repeated.body.error), /already exists/);
  const revived = await rest.call('POST', '/services', `pricing=${encodeURIComponent(`${remote}/3.yml`)}`, {
    'content-type': 'application/x-www-form-urlencoded',
  });
  assert.equal(revived.status, 201, JSON.stringify(revived.body));
  assert.deepEqual(Object.keys(revived.body.activePricings ?? {}), ['3']);
  assert.deepEqual(Object.keys(revived.body.archivedPricings ?? {}), ['1', '2']);
  await new Promise((resolve) => server.close(resolve));
  const read = await rest.get('/services/Remote/pricings/1');
  assert.equal(read.status, 200);
  assert.equal(read.body.url, `${remote}/1.yml`);
  const gone = await rest.post('/services/Remote/pricings', { pricing: `${remote}/4.yml` });
  assert.equal(gone.status, 400);
  assert.match(String(gone.body.error), /could not be fetched/);
  await until('four events', () => client.events.length >= 4);
  assert.deepEqual(client.events, [
    event('PRICING_CREATED', 'Remote', '1'),
    event('PRICING_CREATED', 'Remote', '2'),
    event('SERVICE_DISABLED', 'Remote'),
    event('PRICING_CREATED', 'Remote', '3'),
  ]);
});

test('space:12 space:13 status, test event and health check need no key', async () => {
  const anybody = new Rest(url);
  assert.deepEqual((await anybody.get('/events/status')).body, { status: 'The WebSocket event service is active' });
  assert.deepEqual((await anybody.get('/healthcheck')).body, { message: 'Service is up and running!' });
  await using client = await listen(url);
  const sent = await anybody.post('/events/test-event', { serviceName: 'Any', pricingVersion: '7' });
  assert.deepEqual([sent.status, sent.body], [200, { success: true, message: 'Event sent successfully' }]);
  await until('the event', () => client.events.length > 0);
  assert.deepEqual(client.events, [event('PRICING_ARCHIVED', 'Any', '7')]);
  assert.equal((await anybody.post('/events/test-event', { serviceName: 'Any' })).status, 400);
  assert.equal((await anybody.post('/events/test-event', { serviceName: 'Any', pricingVersion: 7 })).status, 400);
});

test("space:42 a socket with a key receives only its own organizations' events, one without receives all, a wrong key is refused", async () => {
  const [one, other] = [await newOrganization(url), await newOrganization(url)];
  await using all = await listen(url);
  await using ofOne = await listen(url, { auth: { apiKey: one.key } });
  await using ofOther = await listen(url, { extraHeaders: { 'x-api-key': other.key } });
  await one.rest.upload('/services', pricing('Shared', '1'));
  await other.rest.upload('/services', pricing('Shared', '2'));
  await until('both events', () => all.events.length === 2 && ofOne.events.length > 0 && ofOther.events.length > 0);
  assert.deepEqual(ofOne.events, [event('PRICING_CREATED', 'Shared', '1')]);
  assert.deepEqual(ofOther.events, [event('PRICING_CREATED', 'Shared', '2')]);
  await using wrong = await listen(url, { auth: { apiKey: `org_${'0'.repeat(64)}` } });
  await until('the end', () => !wrong.socket.connected);
});

test('space:42 a socket whose key goes, or no longer gives what it gave, ends; others stay', async () => {
  const one = await newOrganization(url);
  const { admin, id } = one;
  const username = `listener${Date.now()}`;
  const added = await admin.post('/users', { username, password: 'long-enough', role: 'ADMIN' });
  assert.equal(added.status, 201, JSON.stringify(added.body));
  const keyOf = async (): Promise<string> => {
    const login = await new Rest(url).post('/users/authenticate', { username, password: 'long-enough' });
    return String(login.body.apiKey);
  };
  const second = await admin.post(`/organizations/${id}/api-keys`, { scope: 'EVALUATION' });
  const evaluating = String(second.body.apiKeys?.[1]?.key);
  const once = { reconnection: false };
  await using staying = await listen(url, { auth: { apiKey: one.key }, ...once });
  await using removed = await listen(url, { auth: { apiKey: evaluating }, ...once });
  assert.equal((await admin.delete(`/organizations/${id}/api-keys/${evaluating}`)).status, 200);
  await until('the end of the removed key', () => !removed.socket.connected);

  await using demoted = await listen(url, { auth: { apiKey: await keyOf() }, ...once });
  assert.equal((await admin.put(`/users/${username}/role`, { role: 'USER' })).status, 200);
  await until('the end of the demoted user', () => !demoted.socket.connected);

  await using joining = await listen(url, { auth: { apiKey: await keyOf() }, ...once });
  assert.equal((await admin.post(`/organizations/${id}/members`, { username, role: 'EVALUATOR' })).status, 200);
  await until('the end of what a new member heard before', () => !joining.socket.connected);
  await using member = await listen(url, { auth: { apiKey: await keyOf() }, ...once });
  assert.equal((await admin.delete(`/organizations/${id}/members/${username}`)).status, 200);
  await until('the end of the membership', () => !member.socket.connected);

  await using replaced = await listen(url, { auth: { apiKey: await keyOf() }, ...once });
  assert.equal((await admin.put(`/users/${username}/api-key`)).status, 200);
  await until('the end of the replaced key', () => !replaced.socket.connected);
  await using deleted = await listen(url, { auth: { apiKey: await keyOf() }, ...once });
  assert.equal((await admin.delete(`/users/${username}`)).status, 204);
  await until('the end of the deleted user', () => !deleted.socket.connected);

  await one.rest.upload('/services', pricing('Stays', '1'));
  await until('the event', () => staying.events.length > 0);
  assert.equal((await admin.delete(`/organizations/${id}`)).status, 204);
  await until('the end of the organization', () => !staying.socket.connected);
});

test('space:11 space:12 space:42 the strict switches: no polling, no test events, no socket without a key', async () => {
  const strict = await system.startSpace({ SPACE_TRANSPORTS: 'websocket', SPACE_TEST_EVENT: 'false', SPACE_REQUIRE_KEY: 'true' });
  const polling = await fetch(`${strict.url}/events/?EIO=4&transport=polling`);
  assert.deepEqual([polling.status, await polling.json()], [400, { code: 0, message: 'Transport unknown' }]);
  const plain = await fetch(`${strict.url}/events/?EIO=4&transport=websocket`);
  assert.deepEqual([plain.status, await plain.json()], [400, { code: 3, message: 'Bad request' }]);
  assert.equal((await new Rest(strict.url).post('/events/test-event', { serviceName: 'A', pricingVersion: '1' })).status, 404);
  await using client = await listen(strict.url);
  await until('the end', () => !client.socket.connected);
  await strict.stop();
});

test('space:1 sockets and REST share one port', async () => {
  assert.equal(wsUrl(url).replace(/^ws/, 'http'), url);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  const { settings } = await import('../src/config.ts');
  assert.deepEqual(settings.port.fallback, { kind: 'value', value: 5403 });
});

test('space:40 with a base path, sockets, REST and the tester page answer below it and without it', async () => {
  const based = await system.startSpace({ BASE_PATH: '/space/eu' });
  const below = `${based.url}/space/eu`;
  assert.equal((await new Rest(below).get('/healthcheck')).status, 200);
  assert.equal((await new Rest(based.url).get('/healthcheck')).status, 200);
  const page = `${below}/api/v1/events/client`;
  const script = /<script src="([^"]+)"/.exec(await (await fetch(page)).text())?.[1] ?? '';
  assert.equal((await fetch(new URL(script, page))).status, 200);
  await using client = await listen(based.url, { path: '/space/eu/events' });
  await using polling = await listen(based.url, { path: '/space/eu/events', transports: ['polling'] });
  await using root = await listen(based.url);
  await new Rest(below).post('/events/test-event', { serviceName: 'Based', pricingVersion: '1' });
  await until('the event', () => [client, polling, root].every(({ events }) => events.length === 1));
});
