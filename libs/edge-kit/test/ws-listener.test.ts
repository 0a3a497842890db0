import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { done, failed } from '@polyedge/contracts/errors';
import { EVERYTHING } from '@polyedge/query/filter';
import { until } from '@polyedge/testkit/until';
import { WebSocket } from 'ws';
import { ANN } from '../src/testing/connection-scene.ts';
import { changeOf } from '../src/testing/fake-feed.ts';
import { echoEdge } from './echo-edge.ts';
import { heldRequests } from './held-requests.ts';
import { closePayload, frame, handshake, RawClient } from './raw-client.ts';

/** The status and JSON body that answer a handshake. */
async function refusal(port: number, request: string): Promise<{ status: number; head: string; body: unknown }> {
  const client = await RawClient.dial(port);
  client.send(request);
  const head = await client.head();
  const body = await client.rest();
  return { status: Number(head.split(' ')[1]), head, body: body === '' ? undefined : JSON.parse(body) };
}

test('a handshake is accepted, text and bytes are echoed unchanged, and the sample key gets its known answer', async () => {
  await using edge = await echoEdge();
  const client = await RawClient.open(edge.port);
  assert.match(client.head, /sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i);
  client.send(frame({ opcode: 1, payload: 'grüß 😀' }));
  client.send(frame({ opcode: 2, payload: Buffer.from([0, 255, 128]) }));
  const text = await client.frame();
  assert.deepEqual([text?.opcode, text?.fin, text?.masked, text?.payload.toString()], [1, true, false, 'grüß 😀']);
  const bytes = await client.frame();
  assert.deepEqual([bytes?.opcode, bytes?.payload], [2, Buffer.from([0, 255, 128])]);
  client.send(frame({ opcode: 8, payload: closePayload(1000) }));
  assert.equal(await client.closeCode(), 1000);
  await until('the connection is forgotten', () => edge.driver.connections === 0);
});

test('an open socket does not keep its request, whose headers and query may have a token', async () => {
  await using edge = await echoEdge();
  const collected = heldRequests(edge.server);
  const client = await RawClient.open(edge.port);
  assert.equal(await collected(), 1);
  client.send(frame({ opcode: 1, payload: 'still here' }));
  assert.equal((await client.frame())?.payload.toString(), 'still here');
});

test('handshakes that are not RFC 6455 are refused with a status and a JSON body, and the server keeps working', async () => {
  await using edge = await echoEdge();
  const cases: [string, Parameters<typeof handshake>[0], number][] = [
    ['unknown path', { path: '/other' }, 404],
    ['POST', { method: 'POST' }, 405],
    ['no key', { headers: { 'Sec-WebSocket-Key': undefined } }, 400],
    ['short key', { headers: { 'Sec-WebSocket-Key': 'abc' } }, 400],
    ['old version', { headers: { 'Sec-WebSocket-Version': '7' } }, 426],
    ['no version', { headers: { 'Sec-WebSocket-Version': undefined } }, 426],
    ['HTTP/1.0', { version: 'HTTP/1.0' }, 400],
    ['two hosts', { headers: { host: 'other' } }, 400],
    ['a body', { headers: { 'Content-Length': '5' } }, 400],
    ['a body of unknown length', { headers: { 'Transfer-Encoding': 'chunked' } }, 400],
    ['a sub-protocol list that is none', { headers: { 'Sec-WebSocket-Protocol': 'a b;c' } }, 400],
    ['a sub-protocol twice', { headers: { 'Sec-WebSocket-Protocol': 'a, a' } }, 400],
  ];
  for (const [what, parts, status] of cases) {
    const answer = await refusal(edge.port, handshake(parts));
    assert.equal(answer.status, status, what);
    assert.match(answer.head, /content-type: application\/json/i, what);
    assert.equal((answer.body as { error: { code: number } }).error.code, status, what);
  }
  const other = await refusal(edge.port, handshake({ headers: { Upgrade: 'h2c', Connection: 'Upgrade, close' } }));
  assert.equal(other.status, 426);
  const plain = await refusal(edge.port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.equal(plain.status, 426);
  const long = await refusal(edge.port, handshake({ headers: { 'X-Long': 'x'.repeat(64 * 1024) } }));
  assert.equal(long.status, 431);
  (await RawClient.open(edge.port)).destroy();
  (await RawClient.open(edge.port, { path: 'http://localhost/', headers: { Upgrade: 'h2c, WebSocket' } })).destroy();
});

test('origins are only looked at where the edge lists them, and compared exactly', async () => {
  await using open = await echoEdge();
  (await RawClient.open(open.port, { headers: { Origin: 'https://evil.example' } })).destroy();
  await using edge = await echoEdge({ listener: { origins: ['https://app.example'] } });
  (await RawClient.open(edge.port, { headers: { Origin: 'https://app.example' } })).destroy();
  (await RawClient.open(edge.port)).destroy();
  for (const origin of ['null', 'https://app.example.evil', 'http://app.example', 'https://APP.example', 'https://app.example:8443']) {
    assert.equal((await refusal(edge.port, handshake({ headers: { Origin: origin } }))).status, 403, origin);
  }
});

const tokenRoute = {
  selectProtocol: ({ offered }: { readonly offered: readonly string[] }) => (offered.includes('events-1.0.0') ? 'events-1.0.0' : undefined),
  credentialFrom: ({ offered, query }: { readonly offered: readonly string[]; readonly query: Readonly<Record<string, string>> }) =>
    offered.find((entry) => entry.startsWith('token-'))?.slice(6) ?? query._TOKEN,
};

test('the sub-protocol is the one the edge selects, and a token among them is never echoed', async () => {
  await using edge = await echoEdge({ route: tokenRoute });
  const offer = (list: string) => RawClient.open(edge.port, { headers: { 'Sec-WebSocket-Protocol': list } });
  const both = await offer('token-good, events-1.0.0');
  assert.match(both.head, /sec-websocket-protocol: events-1\.0\.0$/im);
  assert.doesNotMatch(both.head, /good/);
  const none = await offer('None, token-good');
  assert.doesNotMatch(none.head, /sec-websocket-protocol/i);
  for (const { credential } of edge.openings) assert.deepEqual(credential, done(ANN));
  both.destroy();
  none.destroy();
});

test('a bad credential is refused before the upgrade, or passed to the session after it, as the edge chooses', async () => {
  await using before = await echoEdge({ route: tokenRoute });
  const bad = handshake({ headers: { 'Sec-WebSocket-Protocol': 'events-1.0.0, token-bad' } });
  const refused = await refusal(before.port, bad);
  assert.equal(refused.status, 401);
  assert.doesNotMatch(refused.head + JSON.stringify(refused.body), /bad/);
  await until('it is not counted any more', () => before.listener.connections === 0);

  await using after = await echoEdge({
    route: { ...tokenRoute, verify: 'after' },
    first: ({ credential }) =>
      credential?.ok === false
        ? [
            { do: 'send', frame: '{"error":{"code":401}}' },
            { do: 'close', code: 1008, reason: 'authentication required' },
          ]
        : [],
  });
  const client = await RawClient.open(after.port, { headers: { 'Sec-WebSocket-Protocol': 'events-1.0.0, token-bad' } });
  assert.equal((await client.frame())?.payload.toString(), '{"error":{"code":401}}');
  assert.equal(await client.closeCode(), 1008);
});

test('the token is taken out of the query before a session sees it', async () => {
  await using edge = await echoEdge({ route: tokenRoute });
  (await RawClient.open(edge.port, { path: '/?_TOKEN=good&offset=smallest&groupId=' })).destroy();
  assert.deepEqual({ ...edge.openings[0]?.query }, { _TOKEN: '***', offset: 'smallest', groupId: '' });
});

test('messages sent while the credential is still verified wait, in order', async () => {
  let verified: () => void = () => {};
  const waiting = new Promise<void>((resolve) => {
    verified = resolve;
  });
  await using edge = await echoEdge({ route: { ...tokenRoute, verify: 'after' }, verify: () => waiting.then(() => done(ANN)) });
  const client = await RawClient.dial(edge.port);
  const early = Buffer.concat([
    Buffer.from(handshake({ headers: { 'Sec-WebSocket-Protocol': 'events-1.0.0, token-x' } })),
    frame({ opcode: 1, payload: 'one' }),
  ]);
  client.send(early);
  await client.head();
  client.send(frame({ opcode: 1, payload: 'two' }));
  assert.equal(edge.openings.length, 0);
  verified();
  assert.equal((await client.frame())?.payload.toString(), 'one');
  assert.equal((await client.frame())?.payload.toString(), 'two');
  client.destroy();
});

test('a verification that fails for our reasons is a 503, and clients that leave meanwhile are forgotten', async () => {
  await using edge = await echoEdge({ route: tokenRoute, verify: () => failed('unavailable') });
  assert.equal((await refusal(edge.port, handshake({ path: '/?_TOKEN=x' }))).status, 503);
  await until('nothing is counted any more', () => edge.listener.connections === 0);
});

test('connections over the total are answered 503, over the number per address 429, and room is given back', async () => {
  await using total = await echoEdge({ limits: { maxConnections: 2 } });
  const [one, two] = [await RawClient.open(total.port), await RawClient.open(total.port)];
  const over = await refusal(total.port, handshake());
  assert.equal(over.status, 503);
  assert.match(over.head, /retry-after: \d+/i);
  one.destroy();
  await until('one is gone', () => total.listener.connections === 1);
  (await RawClient.open(total.port)).destroy();
  two.destroy();
  await using perAddress = await echoEdge({ limits: { maxConnectionsPerAddress: 1 } });
  const only = await RawClient.open(perAddress.port);
  assert.equal((await refusal(perAddress.port, handshake())).status, 429);
  only.destroy();
});

test('a handshake that never ends is ended after its time', async () => {
  await using edge = await echoEdge({ limits: { handshakeTimeoutMs: 200 } });
  const client = await RawClient.dial(edge.port);
  client.send('GET / HTTP/1.1\r\nHost: x\r\nUpgra');
  assert.match(await client.rest(), /^HTTP\/1\.1 408 /);
});

test('illegal close codes end only their own connection', async () => {
  await using edge = await echoEdge();
  const good = await RawClient.open(edge.port);
  for (const code of [0, 200, 999, 1004, 1005, 1006, 1015, 2000, 5000, 65_535]) {
    const client = await RawClient.open(edge.port);
    client.send(frame({ opcode: 8, payload: closePayload(code) }));
    assert.equal(await client.closeCode(), 1002, `code ${code}`);
  }
  good.send(frame({ opcode: 1, payload: 'alive' }));
  assert.equal((await good.frame())?.payload.toString(), 'alive');
  good.destroy();
});

test('a session may close with any code and reason; what may not be sent is replaced or cut between characters', async () => {
  await using edge = await echoEdge({
    handle: (input) => (input.kind === 'frame' ? [{ do: 'close', code: Number(input.frame), reason: 'ü'.repeat(100) }] : []),
  });
  for (const [asked, sent] of [
    ['1008', 1008],
    ['4321', 4321],
    ['1005', 1011],
    ['200', 1011],
  ] as const) {
    const client = await RawClient.open(edge.port);
    client.send(frame({ opcode: 1, payload: asked }));
    const close = await client.frame();
    assert.equal(close?.opcode, 8);
    assert.equal(close?.payload.readUInt16BE(0), sent);
    assert.equal(close?.payload.subarray(2).toString(), 'ü'.repeat(61));
    client.destroy();
  }
});

test('messages over the limit close 1009, also when only announced', async () => {
  await using edge = await echoEdge({ limits: { maxFrameBytes: 1000, maxFragments: 10 } });
  const whole = await RawClient.open(edge.port);
  whole.send(frame({ opcode: 2, payload: Buffer.alloc(1001) }));
  assert.equal(await whole.closeCode(), 1009);
  const announced = await RawClient.open(edge.port);
  announced.send(frame({ opcode: 2, claims: 2n ** 63n, lengthBits: 64 }));
  assert.equal(await announced.closeCode(), 1009);
  const pieces = await RawClient.open(edge.port);
  for (let at = 0; at < 12; at += 1) pieces.send(frame({ fin: false, opcode: at === 0 ? 1 : 0, payload: 'x' }));
  assert.equal(await pieces.closeCode(), 1008);
});

test('a text edge reports a binary message to the session, and a long answer is sent in fragments that clients accept', async () => {
  await using edge = await echoEdge({ route: { accepts: 'text' }, limits: { maxFrameBytes: 4_000_000, maxBufferedBytes: 8_000_000 } });
  const binary = await RawClient.open(edge.port);
  binary.send(frame({ opcode: 2, payload: 'x' }));
  assert.equal(await binary.closeCode(), 1003);
  const long = 'ä'.repeat(700_000);
  const client = await RawClient.open(edge.port);
  client.send(frame({ opcode: 1, payload: long }));
  client.send(frame({ opcode: 1, payload: 'next' }));
  const parts: Buffer[] = [];
  for (const [at, fin] of [false, false, true].entries()) {
    const part = await client.frame();
    assert.equal(part?.opcode, at === 0 ? 1 : 0);
    assert.equal(part?.fin, fin);
    assert.ok((part?.payload.length ?? 0) <= 512 * 1024);
    parts.push(part?.payload ?? Buffer.alloc(0));
  }
  assert.equal(Buffer.concat(parts).toString(), long);
  assert.equal((await client.frame())?.payload.toString(), 'next');
  client.destroy();
});

test('broadcast frames, answers and pongs reach a real client whole and in order', async () => {
  await using edge = await echoEdge({
    first: () => [{ do: 'subscribe', id: 's', to: { tenant: 't' }, view: { filter: EVERYTHING, shape: 'x'.repeat(300) } }],
  });
  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/`);
  const got: string[] = [];
  let pongs = 0;
  client.on('message', (data) => got.push(String(data)));
  client.on('pong', () => {
    pongs += 1;
  });
  await once(client, 'open');
  await until('the subscription is there', () => edge.feed.watches === 1);
  for (let seq = 1; seq <= 500; seq += 1) {
    edge.feed.deliver(changeOf(seq));
    if (seq % 50 === 0) {
      client.ping();
      client.send(`echo ${seq}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await until('everything is received', () => got.length === 510 && pongs === 10);
  const seqs = got.filter((text) => text.startsWith('x')).map((text) => Number(text.slice(301)));
  assert.deepEqual(
    seqs,
    Array.from({ length: 500 }, (_, at) => at + 1),
  );
  client.terminate();
});

test('a client that stops reading is closed and costs at most its bound, others are not affected', async () => {
  await using edge = await echoEdge({
    limits: { maxBufferedBytes: 256 * 1024, closeTimeoutMs: 200 },
    first: () => [{ do: 'subscribe', id: 's', to: { tenant: 't' }, view: { filter: EVERYTHING, shape: 'y'.repeat(60_000) } }],
  });
  const stuck = await RawClient.open(edge.port);
  stuck.socket.pause();
  const good = new WebSocket(`ws://127.0.0.1:${edge.port}/`);
  let got = 0;
  good.on('message', () => {
    got += 1;
  });
  await once(good, 'open');
  await until('both are connected', () => edge.driver.connections === 2);
  let seq = 0;
  while (edge.driver.counts.slowClients === 0) {
    seq += 1;
    assert.ok(seq < 2000, 'the stuck client is cut in the end');
    edge.feed.deliver(changeOf(seq));
    await until('the good client keeps up', () => got === seq);
  }
  assert.ok(edge.driver.gauges().bufferedBytes <= 2 * 256 * 1024);
  await until('the stuck one is gone for good', () => edge.driver.connections === 1);
  good.terminate();
  stuck.destroy();
});

test('confirmations are pings, answered by a real client’s stack in order', async () => {
  await using edge = await echoEdge({
    handle: (input) => {
      if (input.kind === 'frame')
        return [
          { do: 'send', frame: 'before' },
          { do: 'confirm', id: '1' },
          { do: 'confirm', id: '2' },
        ];
      return input.kind === 'confirmed' ? [{ do: 'send', frame: `confirmed ${input.id}` }] : [];
    },
  });
  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/`);
  const got: string[] = [];
  client.on('message', (data) => got.push(String(data)));
  await once(client, 'open');
  client.send('go');
  await until('both confirmations are received', () => got.length === 3);
  assert.deepEqual(got, ['before', 'confirmed 1', 'confirmed 2']);
  client.terminate();
});

test('paused reading resumes at the same place', async () => {
  let release: (() => void) | undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using edge = await echoEdge({
    limits: { maxInFlight: 1 },
    verify: async (credential) => {
      if (credential === '0') await held;
      return failed('unauthenticated');
    },
    handle: (input) => {
      if (input.kind === 'frame') return [{ do: 'authenticate', id: String(input.frame), credential: String(input.frame), adopt: false }];
      return input.kind === 'authenticated' ? [{ do: 'send', frame: input.id }] : [];
    },
  });
  const client = await RawClient.open(edge.port);
  for (let at = 0; at < 200; at += 1) client.send(frame({ opcode: 1, payload: String(at) }));
  await until('the first is being worked on', () => edge.driver.gauges().inFlight === 1);
  release?.();
  for (let at = 0; at < 200; at += 1) assert.equal((await client.frame())?.payload.toString(), String(at));
  client.destroy();
});

test('drop ends TCP without a close frame, after the buffered bytes', async () => {
  await using edge = await echoEdge({
    handle: (input) => (input.kind === 'frame' ? [{ do: 'send', frame: 'last words' }, { do: 'drop' }] : []),
  });
  const client = await RawClient.open(edge.port);
  client.send(frame({ opcode: 1, payload: 'x' }));
  assert.equal((await client.frame())?.payload.toString(), 'last words');
  assert.equal(await client.closeCode(), 1006);
});

test('while draining, new handshakes get 503 and open sockets their goodbye', async () => {
  await using edge = await echoEdge();
  const client = await RawClient.open(edge.port);
  edge.listener.stopAccepting();
  assert.equal((await refusal(edge.port, handshake())).status, 503);
  const drained = edge.driver.drain(10);
  const goodbye = await client.frame();
  assert.equal(goodbye?.payload.readUInt16BE(0), 1001);
  client.send(frame({ opcode: 8, payload: closePayload(1001) }));
  await drained;
  assert.equal(edge.driver.connections, 0);
});
