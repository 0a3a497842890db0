import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Client } from './client.ts';
import { RawClient } from './raw.ts';
import { type System, startSystem } from './system.ts';

const parts = new AsyncDisposableStack();
let system: System;
let url: string;
before(async () => {
  system = parts.use(await startSystem());
  url = system.edge.url;
});
after(() => parts.disposeAsync());

const READ = { type: 'read', topic: 'products', criteria: { kind: 'none' } };
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** How much later than asked for a timer of this process comes: time windows are widened by it. */
async function measured<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  let delay = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    delay = Math.max(delay, now - last - 20);
    last = now;
  }, 20);
  try {
    return [await work(), Math.ceil(delay)];
  } finally {
    clearInterval(timer);
  }
}

/** How much later than every 300 ms the beats of the edge came, in all: its own clock for clients stands still while it does. */
const held = (heard: readonly number[]): number => heard.reduce((sum, at, nr) => sum + Math.max(0, at - (heard[nr - 1] ?? at) - 300), 0);

// All of these mostly wait, so they wait together.
describe('a connection', { concurrency: true }, () => {
  test('gooduncle:F1 gooduncle:F2 T1 a client receives one character every 300 ms, in a frame of three bytes, and nothing else', async () => {
    using client = new RawClient(url);
    const [, late] = await measured(async () => {
      for (let beat = 0; beat < 10; beat += 1) {
        await wait(300);
        client.frame(0x81, '`');
      }
    });
    const count = client.frames.length;
    const most = 12 + Math.ceil(late / 300);
    assert.ok(count >= 8 && count <= most, `${count} beats`);
    for (const { bytes } of client.frames) assert.deepEqual([...bytes], [0x81, 0x01, 0x60]);
  });

  test('gooduncle:F3 gooduncle:F9 T2 who never speaks is closed after three seconds, not earlier', async () => {
    // The edge counts from some moment between the two: never earlier is judged from the first, soon enough from the second.
    const began = performance.now();
    const [[opened, end, heard], late] = await measured(async () => {
      using client = await Client.open(url, undefined, { beats: false });
      return [client.openedAt, await client.end(), client.heard] as const;
    });
    assert.deepEqual([end.code, end.reason], [4408, 'keep-alive timeout']);
    assert.ok(end.at - began >= 3000, `${end.at - began} ms`);
    const took = end.at - opened;
    assert.ok(took <= 3400 + late + held(heard), `${took} ms`);
  });

  test('gooduncle:F3 T3 one character is life for three more seconds', async () => {
    const [[took, heard], late] = await measured(async () => {
      using client = await Client.open(url, undefined, { beats: false });
      await wait(2500);
      client.send('`');
      const sent = performance.now();
      return [(await client.end()).at - sent, client.heard] as const;
    });
    assert.ok(took >= 2990 && took <= 3400 + late + held(heard), `${took} ms`);
  });

  test('gooduncle:F4 T4 T8 text that is not JSON is life and gets no answer', async () => {
    using client = await Client.open(url, undefined, { beats: false });
    for (const text of ['hello {', '[object Object]', 'hello {']) {
      await wait(2000);
      client.send(text);
    }
    await client.one(READ);
    assert.equal(client.answers.length, 1);
  });

  test('gooduncle:F5 T5 one character of any kind, and no character, get no answer', async () => {
    using client = await Client.open(url);
    for (const text of ['5', 'é', '😀', '', '7', '{', '"']) client.send(text);
    client.ws.send(Buffer.from('9'));
    await client.one(READ);
    assert.equal(client.answers.length, 1);
  });

  test('gooduncle:F1 gooduncle:F6 T6 pings are answered and are life; the server sends none', async () => {
    using client = await Client.open(url, undefined, { beats: false });
    let pongs = 0;
    let pings = 0;
    client.ws.on('pong', () => {
      pongs += 1;
    });
    client.ws.on('ping', () => {
      pings += 1;
    });
    for (let second = 0; second < 5; second += 1) {
      client.ws.ping();
      await wait(1000);
    }
    assert.deepEqual([client.closed, pongs, pings], [undefined, 5, 0]);
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

  test('gooduncle:F1 gooduncle:F6 T10 fragments are life, and together a request', async () => {
    using client = new RawClient(url);
    const text = JSON.stringify(READ);
    for (let part = 0; part < 5; part += 1) {
      const from = part * 12;
      client.frame((part === 0 ? 0x01 : 0x00) | (part === 4 ? 0x80 : 0), part === 4 ? text.slice(from) : text.slice(from, from + 12));
      if (part < 4) await wait(1000);
    }
    await client.until(() => client.frames.some(({ payload }) => payload.length > 1));
    assert.equal(client.closed, undefined);
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

  test('gooduncle:F2 T13 three hundred clients with a heartbeat are never silent', async () => {
    const [clients, late] = await measured(async () => {
      const opened = await Promise.all(Array.from({ length: 300 }, () => Client.open(url)));
      await wait(3000);
      return opened;
    });
    for (const client of clients) {
      const gaps = client.heard.map((at, index) => at - (client.heard[index - 1] ?? client.openedAt));
      client[Symbol.dispose]();
      assert.equal(client.closed, undefined);
      assert.ok(Math.max(...gaps) < 1000 + late, `${Math.max(...gaps)} ms`);
    }
  });

  test('gooduncle:F8 a client that was just sent something gets no beat, unless the edge is configured so', async () => {
    const [always] = await Promise.all([system.startEdge({ GOODUNCLE_HEARTBEAT_ALWAYS: 'true' })]);
    const beatsDuring = async (at: string): Promise<number> => {
      using client = await Client.open(at);
      for (let round = 0; round < 20; round += 1) {
        await client.one(READ);
        await wait(100);
      }
      return client.others.length;
    };
    const [few, all] = await Promise.all([beatsDuring(url), beatsDuring(always.url)]);
    assert.ok(few <= 2, String(few));
    assert.ok(all >= 5, String(all));
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
    await wait(1500);
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
  await wait(400);
  edge.pause();
  await wait(3500);
  edge.resume();
  await wait(1000);
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
