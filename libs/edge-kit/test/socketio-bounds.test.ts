/** Bounds of what the Socket.IO library does for a client before a message reaches a session. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { frame, RawClient } from './raw-client.ts';
import { serve } from './socketio-edge.ts';

const TEXT = 1;
const PING = 9;
const MOST = 32 * 1024 * 1024;
const text = (payload: string): Buffer => frame({ opcode: TEXT, payload });

/** Sends a frame again and again without reading, until the connection ends. Returns the bytes that were sent, at most 32 MiB. */
async function flood(client: RawClient, one: Buffer): Promise<number> {
  client.socket.pause();
  const block = Buffer.concat(Array.from({ length: Math.ceil(65_536 / one.length) }, () => one));
  let sent = 0;
  const ended = new Promise<void>((resolve) => client.socket.once('close', () => resolve()));
  while (!client.socket.destroyed && sent < MOST) {
    sent += block.length;
    if (client.socket.write(block)) continue;
    await Promise.race([ended, new Promise<void>((resolve) => client.socket.once('drain', () => resolve()))]);
  }
  client.destroy();
  return sent;
}

/** A WebSocket of Engine.IO that has received its first packet. */
async function webSocket(url: string, version: 3 | 4): Promise<RawClient> {
  const client = await RawClient.open(Number(new URL(url).port), { path: `/socket.io/?EIO=${version}&transport=websocket` });
  await client.frame();
  return client;
}

const floods: readonly (readonly [string, 3 | 4, Buffer, boolean])[] = [
  ['pings of its WebSocket', 4, frame({ opcode: PING, payload: 'x'.repeat(125) }), true],
  ['pings of Engine.IO 3', 3, text('2'), false],
  ['requests for unknown namespaces', 4, text('40/unknown,'), false],
  ['acknowledgements of nothing', 4, text('430[]'), true],
];

for (const [what, version, one, joins] of floods) {
  test(`a client that sends ${what} without end and reads nothing loses its connection, and no other does`, async () => {
    await using edge = await serve();
    const other = await edge.connect();
    const client = await webSocket(edge.url, version);
    if (joins) {
      client.send(text('40'));
      await client.frame();
    }
    assert.ok((await flood(client, one)) < MOST, 'it was ended');
    await until('its connection has ended', () => edge.listener.connections === 1);
    assert.equal(await other.timeout(60_000).emitWithAck('echo', 1), 'done');
  });
}

test('a client that joins a namespace again before it has joined has one session at most, and loses its connection', async () => {
  await using edge = await serve();
  const client = await webSocket(edge.url, 4);
  client.send(Buffer.concat(Array.from({ length: 50 }, () => text('40'))));
  await until('the end of the connection', () => client.ended);
  assert.equal(edge.driver.counts.opened, 1);
  client.destroy();
});

test('a client that leaves its only namespace and joins it again has a new session, from the same address', async () => {
  const addresses: string[] = [];
  await using edge = await serve({
    first: ({ address }) => {
      addresses.push(address);
      return [];
    },
  });
  const client = await webSocket(edge.url, 4);
  for (const packet of ['40', '41', '40']) {
    client.send(text(packet));
    await until('it has joined, or left', () => edge.driver.connections === (packet === '40' ? 1 : 0));
  }
  assert.deepEqual(addresses, ['127.0.0.1', '127.0.0.1']);
  client.send(text('42["again",1]'));
  await until('it is answered', async () => (await client.frame())?.payload.toString('utf8') === '42["again",1]');
  client.destroy();
});

test('a connection that has left its only namespace ends unless it joins again in time', async () => {
  await using edge = await serve({ listener: { connectTimeoutMs: 300 } });
  const client = await webSocket(edge.url, 4);
  for (const packet of ['40', '41', '40']) {
    client.send(text(packet));
    await until('it has joined, or left', () => edge.driver.connections === (packet === '40' ? 1 : 0));
  }
  // Longer than the time that it had to join.
  const other = await webSocket(edge.url, 4);
  await until('a connection that has joined nothing has ended', () => other.ended);
  assert.ok(!client.ended);
  client.send(text('41'));
  await until('the connection that has left has ended', () => client.ended);
});

test('a namespace of more than 512 characters is not repeated to a client', async () => {
  await using edge = await serve();
  const client = await webSocket(edge.url, 4);
  client.send(text(`40/${'x'.repeat(60_000)},`));
  assert.ok(!(await client.rest()).includes('xxx'));
});

/** Opens a connection over polling. */
async function poll(url: string, version: 3 | 4) {
  const base = `${url}/socket.io/?EIO=${version}&transport=polling`;
  const opened = await (await fetch(base)).text();
  const own = `${base}&sid=${/"sid":"([^"]+)"/.exec(opened)?.[1]}`;
  return {
    post: async (body: string | Buffer) => {
      const type = typeof body === 'string' ? 'text/plain;charset=UTF-8' : 'application/octet-stream';
      return (await fetch(own, { method: 'POST', body, headers: { 'content-type': type } })).status;
    },
    get: async () => {
      const response = await fetch(own);
      return response.status === 200 ? await response.text() : response.status;
    },
  };
}

/** A packet in a binary poll of version 3. */
const packet = (kind: 0 | 1, content: Buffer | string): Buffer => {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([Buffer.from([kind, ...String(bytes.length).split('').map(Number), 255]), bytes]);
};

const LONGEST = 3_000_000;
const polls: readonly (readonly [string, 3 | 4, string | Buffer])[] = [
  ['version 4 with a packet in two bytes', 4, `6${'\x1e6'.repeat(LONGEST / 2)}`],
  ['version 3 with a packet in three bytes', 3, '1:6'.repeat(LONGEST / 3)],
  ['version 3 with empty packets', 3, '0:'.repeat(LONGEST / 2)],
  ['version 3 with bytes that all end a length', 3, Buffer.alloc(LONGEST, 255)],
  ['version 3 with a binary packet in four bytes', 3, Buffer.concat(Array.from({ length: LONGEST / 4 }, () => packet(0, '6')))],
];

for (const [what, version, body] of polls) {
  test(`a poll of ${what} ends its connection, and costs little`, async () => {
    await using edge = await serve({
      limits: { maxFrameBytes: LONGEST + 2 },
      listener: { pingIntervalMs: 600_000, connectTimeoutMs: 600_000 },
    });
    const client = await poll(edge.url, version);
    const began = process.cpuUsage();
    assert.equal(await client.post(body), 200);
    const { user, system } = process.cpuUsage(began);
    await until('the connection has ended', () => edge.listener.connections === 0);
    assert.ok(user + system < 700_000, `${(user + system) / 1000} ms`);
  });
}

test('a poll of version 3 with binary packets arrives whole: text in UTF-8, and attachments', async () => {
  await using edge = await serve();
  const client = await poll(edge.url, 3);
  const attachment = packet(1, Buffer.from([4, 1, 2, 255, 0]));
  const [event, last] = ['451-["näme",{"_placeholder":true,"num":0}]', '42["läst","ß€😀"]'].map((of) => packet(0, of));
  assert.equal(await client.post(Buffer.concat([event ?? attachment, attachment, last ?? attachment])), 200);
  const answers: unknown[] = [];
  await until('both events', async () => {
    answers.push(await client.get());
    return answers.join('').includes('läst');
  });
  const answer = answers.join('');
  assert.match(answer, /42\["näme","binary"\]/);
  assert.match(answer, /42\["läst","ß€😀"\]/);
});
