/** The keep-alive of both sides over real sockets, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done } from '@polyedge/contracts/errors';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { readConfig } from '@polyedge/service-kit/config';
import { localBus } from '@polyedge/service-kit/local-bus';
import { silentLog } from '@polyedge/service-kit/log';
import { noMetrics } from '@polyedge/service-kit/metrics';
import { startGoodUncleEdge } from '../src/app.ts';
import { settings } from '../src/config.ts';
import { Client } from './client.ts';
import { RawClient } from './raw.ts';

const READ = { type: 'read', topic: 'products', criteria: { kind: 'none' } };
const SILENT = { beats: false };

const parts = new AsyncDisposableStack();
const clock = new ManualClock();
const metrics = noMetrics();
const bus = localBus();
let url: string;

async function startEdge(env: Readonly<Record<string, string>> = {}): Promise<string> {
  const read = readConfig('gooduncle-edge', settings, { POLYEDGE_MODE: 'local', PORT: '0', GOODUNCLE_SCOPE: 's', ...env });
  assert.ok(read.ok, JSON.stringify(read));
  const context = { log: silentLog, metrics, ready: (): true => true, instance: 'lone' };
  const edge = await startGoodUncleEdge(read.config, context, bus, clock);
  parts.defer(() => edge.stop());
  return `http://127.0.0.1:${edge.port}`;
}

before(async () => {
  parts.defer(() => bus.close());
  const nothing: readonly Element[] = [];
  bus.respond(graphQuery, async () => done({ elements: [...nothing], seq: 1, epoch: 'e' }));
  url = await startEdge();
});
after(() => parts.disposeAsync());

/** Another client has an answer, so what was sent before has arrived: both ends are in this process. */
async function settle(): Promise<void> {
  using other = await Client.open(url, undefined, SILENT);
  await other.one(READ);
  await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass while the sockets are served. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) clock.advance(Math.min(left, 100));
  await settle();
}

const figure = (name: string): number =>
  Object.entries(metrics.figures(1000)).reduce((sum, [known, value]) => sum + (known.startsWith(name) ? value : 0), 0);

/** Sends something and waits until the edge has counted it. */
async function counted(name: string, send: () => void): Promise<void> {
  const before = figure(name);
  send();
  while (figure(name) === before) await new Promise((resolve) => setImmediate(resolve));
}

test('gooduncle:F1 gooduncle:F2 T1 a client receives one character every 300 ms, in a frame of three bytes, and nothing else', async () => {
  using client = new RawClient(url);
  await client.until(() => client.open);
  for (let beat = 1; beat <= 9; beat += 1) {
    clock.advance(300);
    await client.until(() => client.frames.length >= beat);
  }
  await settle();
  assert.deepEqual(
    client.frames.map(({ bytes }) => [...bytes]),
    Array.from({ length: 9 }, () => [0x81, 0x01, 0x60]),
  );
});

test('gooduncle:F3 gooduncle:F9 T2 who never speaks is closed after three seconds, not earlier', async () => {
  using client = await Client.open(url, undefined, SILENT);
  await pass(2990);
  assert.equal(client.closed, undefined);
  clock.advance(310);
  const { code, reason } = await client.end();
  assert.deepEqual([code, reason], [4408, 'keep-alive timeout']);
});

test('gooduncle:F3 T3 one character is life for three more seconds', async () => {
  using client = await Client.open(url, undefined, SILENT);
  await pass(2500);
  await counted('keep_alives_received', () => client.send('`'));
  await pass(2990);
  assert.equal(client.closed, undefined);
  clock.advance(310);
  assert.equal((await client.end()).code, 4408);
});

test('gooduncle:F4 T4 T8 text that is not JSON is life and gets no answer', async () => {
  using client = await Client.open(url, undefined, SILENT);
  for (const text of ['hello {', '[object Object]', 'hello {']) {
    await pass(2000);
    await counted('edge_undecodable', () => client.send(text));
  }
  await client.one(READ);
  assert.equal(client.answers.length, 1);
});

test('gooduncle:F1 gooduncle:F6 T6 pings are answered and are life; the server sends none', async () => {
  using client = await Client.open(url, undefined, SILENT);
  let pongs = 0;
  let pings = 0;
  client.ws.on('pong', () => {
    pongs += 1;
  });
  client.ws.on('ping', () => {
    pings += 1;
  });
  for (let second = 1; second <= 5; second += 1) {
    client.ws.ping();
    await client.until(() => pongs === second);
    await pass(1000);
  }
  assert.deepEqual([client.closed, pongs, pings], [undefined, 5, 0]);
});

test('gooduncle:F1 gooduncle:F6 T10 fragments are life, and together a request', async () => {
  using client = new RawClient(url);
  await client.until(() => client.open);
  const text = JSON.stringify(READ);
  for (let part = 0; part < 5; part += 1) {
    const from = part * 12;
    client.frame((part === 0 ? 0x01 : 0x00) | (part === 4 ? 0x80 : 0), part === 4 ? text.slice(from) : text.slice(from, from + 12));
    await settle();
    if (part < 4) await pass(1000);
  }
  await client.until(() => client.frames.some(({ payload }) => payload.length > 1));
  assert.equal(client.closed, undefined);
});

test('gooduncle:F2 T13 three hundred clients get their beat once every 300 ms, spread over them', async () => {
  const clients = await Promise.all(Array.from({ length: 300 }, () => Client.open(url, undefined, SILENT)));
  const least = (): number => Math.min(...clients.map(({ others }) => others.length));
  const most = (): number => Math.max(...clients.map(({ others }) => others.length));
  for (let beat = 1; beat <= 9; beat += 1) {
    clock.advance(20);
    await settle();
    const early = clients.filter(({ others }) => others.length === beat).length;
    assert.ok(early > 0 && early < 60, `${early} of them in the first 20 ms of beat ${beat}`);
    clock.advance(280);
    await clients[0]?.until(() => least() === beat);
    assert.equal(most(), beat);
  }
  for (const client of clients) {
    assert.equal(client.closed, undefined);
    client[Symbol.dispose]();
  }
});

test('gooduncle:F8 a client that was just sent something gets no beat, unless the edge is configured so', async () => {
  const beatsAt = async (at: string): Promise<number> => {
    using client = await Client.open(at);
    for (let round = 0; round < 20; round += 1) {
      await client.one(READ);
      clock.advance(100);
    }
    await client.one(READ);
    return client.others.length;
  };
  assert.equal(await beatsAt(url), 0);
  const beats = await beatsAt(await startEdge({ GOODUNCLE_HEARTBEAT_ALWAYS: 'true' }));
  assert.ok(beats === 6 || beats === 7, `${beats} beats in two seconds`);
});
