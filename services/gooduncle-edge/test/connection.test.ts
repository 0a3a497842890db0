import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { Client } from './client.ts';
import { RawClient } from './raw.ts';
import { AS_BY_DEFAULT, type System, startSystem, USERS } from './system.ts';

const parts = new AsyncDisposableStack();
let system: System;
let url: string;
before(async () => {
  system = parts.use(await startSystem({ edge: AS_BY_DEFAULT }));
  url = system.edge.url;
});
after(() => parts.disposeAsync());

const READ = { type: 'read', topic: 'products', criteria: { kind: 'none' } };
// All of these mostly wait, so they wait together.
describe('a connection', { concurrency: true }, () => {
  test('gooduncle:F3 gooduncle:F9 T2 who never speaks is closed after three seconds of the real clock, not earlier', async () => {
    const began = performance.now();
    using client = await Client.open(url, undefined, { beats: false });
    const { code, reason, at } = await client.end();
    assert.deepEqual([code, reason], [4408, 'keep-alive timeout']);
    assert.ok(at - began >= 3000, `${at - began} ms`);
  });

  test('gooduncle:F5 T5 one character of any kind, and no character, get no answer', async () => {
    using client = await Client.open(url);
    for (const text of ['5', 'é', '😀', '', '7', '{', '"']) client.send(text);
    client.ws.send(Buffer.from('9'));
    await client.one(READ);
    assert.equal(client.answers.length, 1);
  });

  test('gooduncle:F6 T7 a request may come as a binary message', async () => {
    using client = await Client.open(url);
    client.ws.send(Buffer.from(JSON.stringify({ ...READ, name: 'é' })));
    assert.equal((await client.until(() => client.answers[0])).response.code, 'not found');
  });

  test('gooduncle:F10 T9 a message over 256 KiB closes with 1009', async () => {
    using client = await Client.open(url);
    client.send('x'.repeat(300 * 1024));
    assert.equal((await client.end()).code, 1009);
  });

  test('gooduncle:F1 gooduncle:F9 T11 an unmasked frame closes with 1002, and text that is not UTF-8 with 1007', async () => {
    using unmasked = new RawClient(url);
    unmasked.frame(0x81, '`', false);
    await unmasked.until(() => unmasked.closed !== undefined);
    assert.equal(unmasked.closed, 1002);
    using garbled = new RawClient(url);
    garbled.frame(0x81, Buffer.from([0xc3, 0x28, 0xff]));
    await garbled.until(() => garbled.closed !== undefined);
    assert.equal(garbled.closed, 1007);
  });

  test('gooduncle:F1 the sub-protocol is taken when offered, and other paths are not there', async () => {
    using offered = await Client.open(url, undefined, { protocols: ['other', 'gooduncle.v1'] });
    assert.equal(offered.ws.protocol, 'gooduncle.v1');
    const elsewhere = new WebSocket(`${url.replace('http', 'ws')}/else`);
    const status = await new Promise((resolve) =>
      elsewhere.once('unexpected-response', (_request, response) => resolve(response.statusCode)),
    );
    elsewhere.on('error', () => {});
    elsewhere.terminate();
    assert.equal(status, 404);
  });

  test('gooduncle:F49 new topic rules take effect without a restart, and bad ones are refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'topics-'));
    const file = join(folder, 'topics.yaml');
    const rules = (topics: object): Promise<void> => writeFile(file, JSON.stringify({ topics }));
    const free = { roles: { anonymous: { read: {}, create: {} } } };
    await rules({ a: free, b: free });
    const edge = await system.startEdge({ GOODUNCLE_TOPICS: file });
    using client = await Client.open(edge.url);
    const a = await client.subscribe({ subscription: 'a', topic: 'a', criteria: {} });
    const b = await client.subscribe({ subscription: 'b', topic: 'b', criteria: {} });
    // A mistake: everything stays.
    await rules({ a: { roles: { anonymous: { look: {} } } } });
    await until('they are refused', () => edge.log().includes('are invalid, the old ones stay'));
    assert.equal((await client.one({ type: 'create', topic: 'a', params: {} })).response.code, 'ok');
    // A topic goes, the other loses nothing.
    await rules({ b: free, c: free });
    await client.until(() => a.answers.at(-1)?.response.last, 'the end of a');
    assert.equal(a.answers.at(-1)?.response.code, 'not found');
    assert.equal((await client.one({ type: 'read', topic: 'c', criteria: {} })).response.code, 'not found');
    assert.equal((await client.one({ type: 'read', topic: 'a', criteria: {} })).response.errors[0]?.reason, 'unknown');
    assert.equal(b.later.length, 0);
    await rules({ b: { roles: { anonymous: { read: { fields: ['name'] } } } } });
    await client.until(() => b.answers.at(-1)?.response.last, 'the end of b');
    assert.equal(b.answers.at(-1)?.response.errors[0]?.reason, 'revoked');
    await rm(folder, { recursive: true });
  });

  test('gooduncle:F26 a `once` of another client reveals nothing that the session may not see', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'topics-'));
    const file = join(folder, 'topics.yaml');
    const anonymous = { create: {}, read: { fields: ['*', '-secret'] } };
    const own = { anonymous: { create: { set: { session: '$session.id' } }, read: { rows: { session: '$session.id' } } } };
    await writeFile(
      file,
      JSON.stringify({ topics: { letters: { roles: { anonymous, admin: { read: {}, create: {} } } }, own: { roles: own } } }),
    );
    const edge = await system.startEdge({ GOODUNCLE_TOPICS: file });
    using admin = await Client.open(edge.url, 'admin');
    using stranger = await Client.open(edge.url);
    const letter = { type: 'create', topic: 'letters', params: { title: 'a', secret: 'hidden' }, once: '1' };
    const first = (await admin.one(letter)).response.payload;
    assert.deepEqual(first, { id: first.id, title: 'a', secret: 'hidden' });
    assert.deepEqual((await stranger.one(letter)).response.payload, { id: first.id, title: 'a' });
    assert.deepEqual((await admin.one(letter)).response.payload, first);
    using another = await Client.open(edge.url);
    const note = { type: 'create', topic: 'own', params: { text: 'mine' }, once: '1' };
    const mine = (await stranger.one(note)).response.payload;
    assert.equal(mine.text, 'mine');
    assert.deepEqual((await another.one(note)).response.payload, { id: mine.id });
    await rm(folder, { recursive: true });
  });

  test('gooduncle:F49 a row that one role has written is not written again by another one, whose row it has become', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'topics-'));
    const file = join(folder, 'topics.yaml');
    const clerk = { read: {}, update: { rows: { status: 'open' }, check: {}, set: { by: 'clerk' } } };
    const customer = { read: {}, update: { rows: { status: 'closed' }, check: { audited: true }, set: { by: 'customer' } } };
    await writeFile(file, JSON.stringify({ topics: { cases: { roles: { clerk, customer, admin: { create: {} } } } } }));
    const edge = await system.startEdge({ GOODUNCLE_TOPICS: file });
    using admin = await Client.open(edge.url, 'admin');
    for (const [name, status] of [
      ['one', 'open'],
      ['two', 'closed'],
    ])
      await admin.one({ type: 'create', topic: 'cases', params: { name, status, audited: status === 'closed' } });
    using both = await Client.open(edge.url, 'clerk');
    assert.equal((await both.one({ type: 'upgrade', ...USERS.u1 })).response.code, 'ok');
    const closed = await both.one({ type: 'update', topic: 'cases', criteria: {}, params: { status: 'closed' } });
    assert.deepEqual([closed.response.code, closed.response.payload.count], ['ok', 2], JSON.stringify(closed.response));
    const rows = await both.ask({ type: 'read', topic: 'cases', criteria: {}, sort: ['name'] });
    assert.deepEqual(
      rows.map(({ response }) => response.payload.by),
      ['clerk', 'customer'],
    );
    await rm(folder, { recursive: true });
  });

  test('gooduncle:F56 metrics report sessions, subscriptions and beats', async () => {
    using client = await Client.open(url);
    await client.subscribe({ subscription: 's', topic: 'products', criteria: { kind: 'none' } });
    const text = await (await fetch(system.edge.metricsUrl)).text();
    for (const name of [
      'edge_connections',
      'edge_subscriptions',
      'edge_groups',
      'heartbeats_sent',
      'heartbeats_skipped',
      'heartbeat_delay',
      'edge_undecodable',
    ]) {
      assert.ok(text.includes(name), name);
    }
  });
});

test('gooduncle:F7 T12 a pause of the server closes no client', async () => {
  const edge = await system.startEdge();
  const clients = await Promise.all(Array.from({ length: 100 }, () => Client.open(edge.url)));
  const beats = (client: Client, more: number): Promise<unknown> => {
    const before = client.others.length;
    return client.until(() => client.others.length >= before + more, `${more} beats`);
  };
  await Promise.all(clients.map((client) => beats(client, 1)));
  edge.pause();
  // Longer than a client may be silent.
  await new Promise((resolve) => setTimeout(resolve, 3500));
  edge.resume();
  // Whom it takes for silent is closed with the first beat.
  await Promise.all(clients.map((client) => beats(client, 3)));
  for (const client of clients) {
    assert.equal(client.closed, undefined);
    client[Symbol.dispose]();
  }
});

test('gooduncle:F55 T14 an edge that shuts down answers first and closes with 1001', async () => {
  const edge = await system.startEdge();
  using client = await Client.open(edge.url, 'admin');
  using idle = await Client.open(edge.url);
  await client.one(READ);
  for (let at = 0; at < 50; at += 1) client.start({ type: 'create', topic: 'products', params: { kind: 'last', at } });
  await client.until(() => client.answers.length > 3);
  const stopped = edge.stop();
  assert.equal((await client.end()).code, 1001);
  assert.equal((await idle.end()).code, 1001);
  await stopped;
  const made = client.answers.filter(({ response }) => response.code === 'ok' && response.payload.kind === 'last').length;
  using reader = await Client.open(url);
  const read = await reader.one({ type: 'read', topic: 'products', criteria: { kind: 'last' }, count: true });
  assert.equal(read.response.payload.count, made);
});
