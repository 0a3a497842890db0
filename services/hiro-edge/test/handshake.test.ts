import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ManualClock } from '@polyedge/edge-kit/testing/manual-clock';
import { WebSocket } from 'ws';
import { Client } from './client.ts';
import { type LoneEdge, startLoneEdge } from './edge.ts';

let edge: LoneEdge;
before(async () => {
  // Its clock stands still: nothing that is tested with it waits for a timer.
  edge = await startLoneEdge({}, new ManualClock(Date.now()));
});
after(() => edge[Symbol.asyncDispose]());

const connect = (path: string, protocols: readonly string[], options = {}) => new Client(edge.port, path, protocols, options);

test('hiro:C1 every path of the documentation and of the clients leads to its API', async () => {
  const graph = [
    '/api/graph-ws/6/',
    '/api/graph-ws/6.1/',
    '/api/graph-ws/6.1',
    '/api/graph-ws/7.1/',
    '/api/graph-ws/6.1/connect',
    '/api/graph-ws/6.1/?',
  ];
  const events = [
    '/api/events-ws/6/?groupId=&offset=',
    '/api/events-ws/6.2?',
    '/api/events-ws/6.2/',
    '/api/events-ws/6.2?groupId=g&consumerId=x',
    '/api/events-ws/6.1/connect/',
  ];
  for (const [paths, own] of [
    [graph, 'graph-2.0.0'],
    [events, 'events-1.0.0'],
  ] as const) {
    for (const path of paths) {
      using client = connect(path, [own, `token-${edge.token()}`]);
      await client.open();
      assert.equal(client.ws.protocol, own, path);
    }
  }
});

test('hiro:C2 the paths of the npm client and of HIRO 6 work too', async () => {
  for (const path of ['/_g/', '/_g', '/_events/?groupId=g&offset=smallest', '/_events', '/api/6.1/graph-ws/', '/api/6.1/events-ws/']) {
    using client = connect(path, ['graph-2.0.0', `token-${edge.token()}`]);
    await client.open();
  }
});

test('an unknown path or version is 404', async () => {
  for (const path of ['/api/graph-ws/5/', '/api/graph-ws/8.1/', '/api/graph-ws/x/', '/api/action-ws/1.0/', '/nothing']) {
    using client = connect(path, ['graph-2.0.0', `token-${edge.token()}`]);
    assert.equal(await client.until(() => client.status), 404, path);
  }
});

/** Lets time pass while the clients of an edge are served; this one speaks meanwhile. */
async function pass(clock: ManualClock, client: Client, ms: number): Promise<void> {
  for (let left = ms; left > 0 && client.closed === undefined; left -= 100) {
    clock.advance(100);
    const { pongs } = client;
    client.ws.ping();
    await client.until(() => client.pongs > pongs || client.closed);
  }
}

/** An upgrade whose headers are exactly those given, as raw clients send them. */
async function upgrade(
  path: string,
  protocols: string | undefined,
  headers: Record<string, string> = {},
): Promise<Headers & { readonly accepted: string | null }> {
  const { connect: dial } = await import('node:net');
  const socket = dial(edge.port, '127.0.0.1');
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  if (protocols !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocols}`);
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const text = await new Promise<string>((resolve, reject) => {
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (received.includes('\r\n\r\n')) resolve(received);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
  socket.destroy();
  const [head = ''] = text.split('\r\n\r\n');
  const [status = '', ...fields] = head.split('\r\n');
  assert.match(status, /^HTTP\/1\.1 101 /, text);
  const found = new Headers(
    fields.map((field): [string, string] => [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 1).trim()]),
  );
  return Object.assign(found, { accepted: found.get('sec-websocket-protocol') });
}

test('hiro:C3 hiro:C4 the sub-protocol is the API`s own, else a known one, else none; never the token', async () => {
  const token = `token-${edge.token()}`;
  const cases: readonly [path: string, offered: string | undefined, accepted: string | null][] = [
    ['/api/graph-ws/6.1/', `graph-2.0.0, ${token}`, 'graph-2.0.0'],
    ['/api/graph-ws/6.1/', `${token},graph-2.0.0`, 'graph-2.0.0'],
    ['/_events/', `graph-2.0.0, ${token}`, 'graph-2.0.0'],
    ['/_events/', `graph-2.0.0, events-1.0.0, ${token}`, 'events-1.0.0'],
    ['/api/events-ws/6.2', `None, ${token}`, null],
    ['/api/events-ws/6.2/?', `6.2, ${token}`, null],
    ['/api/graph-ws/6.1/', token, null],
    ['/api/graph-ws/6.1/', undefined, null],
    ['/api/graph-ws/6.1/', `graph-2.0.0, ${token}, token-other`, 'graph-2.0.0'],
  ];
  for (const [path, offered, accepted] of cases) {
    const headers = await upgrade(path, offered);
    assert.equal(headers.accepted, accepted, `${path} ${offered}`);
    for (const [, value] of headers) assert.ok(!value.includes('token-'));
  }
});

test('a bearer token in the Authorization header of the upgrade counts where no token is offered', async () => {
  using client = connect('/api/graph-ws/6.1/', ['graph-2.0.0'], { headers: { authorization: `Bearer ${edge.token()}` } });
  await client.open();
  client.send({ id: '1', type: 'nonsense' });
  const [frame] = await client.answer('1');
  assert.deepEqual(frame, { id: '1', error: { code: 400, message: 'unknown type "nonsense"' } });
});

test('hiro:C5 hiro:C6 a bad or missing token: 101, one 401 frame, close 1008 with a JSON reason, without any delay', async () => {
  for (const path of ['/api/graph-ws/6.1/', '/api/events-ws/6.2/']) {
    for (const token of [
      ['token-bad'],
      [],
      ['token-'],
      [`token-${edge.token({ lifetimeMs: -1000 })}`],
      [`token-${edge.token().slice(0, -4)}AAAA`],
    ]) {
      using client = connect(path, ['graph-2.0.0', ...token]);
      const { code, reason } = await client.end();
      assert.deepEqual([code, reason], [1008, '{"error":{"message":"authentication required"}}']);
      assert.deepEqual(client.texts, ['{"error":{"code":401,"message":"authentication required"}}']);
    }
  }
});

test('hiro:C11 pings are answered at once and unasked pongs are fine', async () => {
  using client = connect('/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
  await client.open();
  let pongs = 0;
  client.ws.on('pong', () => {
    pongs += 1;
  });
  client.ws.pong('unasked');
  client.ws.ping('a');
  await client.until(() => pongs === 1);
});

test('hiro:C11 a client that stops answering is pinged and then cut with 1001, one that answers is not', async () => {
  const clock = new ManualClock(Date.now());
  await using quick = await startLoneEdge({ HIRO_PING_INTERVAL_MS: '1000', HIRO_IDLE_MS: '2000' }, clock);
  using dead = new Client(quick.port, '/api/events-ws/6.2/', ['events-1.0.0', `token-${quick.token()}`], { autoPong: false });
  using alive = new Client(quick.port, '/api/events-ws/6.2/', ['events-1.0.0', `token-${quick.token()}`]);
  const pings = { dead: 0, alive: 0 };
  dead.ws.on('ping', () => (pings.dead += 1));
  alive.ws.on('ping', () => (pings.alive += 1));
  await Promise.all([dead.open(), alive.open()]);
  await pass(clock, alive, 1900);
  assert.deepEqual([dead.closed, pings.dead, pings.alive], [undefined, 1, 0], 'the other one speaks by itself');
  await pass(clock, alive, 1000);
  assert.equal((await dead.end()).code, 1001);
  // Silent from now on, except for the answers to pings.
  for (let cycle = 1; cycle <= 4; cycle += 1) {
    clock.advance(1300);
    await alive.until(() => pings.alive >= cycle);
    // Its pong is behind its ping's.
    await alive.arrived();
  }
  assert.equal(alive.closed, undefined);
});

test('hiro:C12 illegal close codes and broken frames end that socket and nothing else', async () => {
  using bystander = connect('/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
  await bystander.open();
  const close = (code: number): Buffer => Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff]);
  for (const bytes of [
    close(200),
    close(1006),
    close(1005),
    Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]),
    Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x81, 0x01, 0x41]),
  ]) {
    using client = connect('/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
    await client.open();
    // The library refuses to send such things itself.
    (client.ws as unknown as { readonly _socket: import('node:net').Socket })._socket.write(bytes);
    await client.end();
  }
  bystander.send({ id: 1, type: 'x' });
  await bystander.answer(1);
});

test('hiro:C13 fragments of a request are put together again', async () => {
  using client = connect('/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
  await client.open();
  const text = JSON.stringify({ id: 'big', type: 'nonsense', body: { '/a': 'x'.repeat(20_000) } });
  for (let at = 0; at < text.length; at += 4096) client.ws.send(text.slice(at, at + 4096), { fin: at + 4096 >= text.length });
  await client.answer('big');
});

test('hiro:C14 a message over the limit closes 1009, a binary one 1003, invalid UTF-8 1007', async () => {
  await using small = await startLoneEdge({ HIRO_MAX_FRAME_BYTES: '2048' });
  const ended = async (act: (ws: WebSocket) => void): Promise<number> => {
    using client = new Client(small.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${small.token()}`]);
    await client.open();
    act(client.ws);
    return (await client.end()).code;
  };
  assert.equal(await ended((ws) => ws.send('x'.repeat(3000))), 1009);
  assert.equal(await ended((ws) => ws.send(Buffer.from('{}'))), 1003);
  assert.equal(await ended((ws) => ws.send(Buffer.from([0xc3, 0x28]), { binary: false })), 1007);
});

test('bad frames get the documented answer and the socket lives on', async () => {
  for (const path of ['/api/graph-ws/6.1/', '/api/events-ws/6.2/']) {
    using client = connect(path, ['graph-2.0.0', `token-${edge.token()}`]);
    await client.open();
    client.send('{}');
    for (const bad of [
      '',
      '{',
      '[]',
      'null',
      '"x"',
      '{"type":7}',
      `${'['.repeat(100_000)}`,
      `{"a":${'{"a":'.repeat(200)}1${'}'.repeat(201)}`,
    ])
      client.send(bad);
    await client.until(() => client.frames.length === 8);
    for (const frame of client.frames) assert.equal((frame as { error: { code: number } }).error.code, 400);
    assert.equal(client.ws.readyState, WebSocket.OPEN);
  }
});

test('hiro:C10 an events socket whose token expires receives 401 after the grace and is closed 1008', async () => {
  const clock = new ManualClock(Date.now());
  await using strict = await startLoneEdge({ HIRO_TOKEN_GRACE_MS: '0' }, clock);
  using client = new Client(strict.port, '/api/events-ws/6.2/', ['events-1.0.0', `token-${strict.token({ lifetimeMs: 20_000 })}`]);
  await client.open();
  await pass(clock, client, 19_000);
  assert.deepEqual([client.frames, client.closed], [[], undefined]);
  await pass(clock, client, 20_000);
  assert.equal((await client.end()).code, 1008);
  assert.deepEqual(client.frames, [{ error: { code: 401, message: 'token expired' } }]);
});

test('hiro:C7 hiro:C8 hiro:C10 tokens are renewed on both sockets, silently on events-ws and with ok on graph-ws', async () => {
  const clock = new ManualClock(Date.now());
  await using strict = await startLoneEdge({ HIRO_TOKEN_GRACE_MS: '0' }, clock);
  const first = `token-${strict.token({ lifetimeMs: 20_000 })}`;
  using events = new Client(strict.port, '/api/events-ws/6.2/', ['events-1.0.0', first]);
  using graph = new Client(strict.port, '/api/graph-ws/6.1/', ['graph-2.0.0', first]);
  using forgetful = new Client(strict.port, '/api/graph-ws/6.1/', ['graph-2.0.0', first]);
  await Promise.all([events.open(), graph.open(), forgetful.open()]);
  events.send({ type: 'token', args: { _TOKEN: strict.token() } });
  graph.send({ id: 't', type: 'token', _TOKEN: strict.token(), headers: {}, body: {} });
  await graph.answer('t');
  assert.deepEqual(graph.texts, ['{"id":"t","more":false,"body":"ok"}']);
  const codeOf = async (client: Client, id: string) => {
    client.send({ id, type: 'nonsense' });
    const [frame] = await client.answer(id);
    return (frame?.error as { readonly code?: number } | undefined)?.code;
  };
  assert.deepEqual([await codeOf(forgetful, 'u'), await codeOf(graph, 'u')], [400, 400]);
  // What the events socket sent is read before the ping behind it is answered; then its token is checked.
  await events.arrived();
  await pass(clock, forgetful, 40_000);
  assert.deepEqual([await codeOf(forgetful, 'v'), await codeOf(graph, 'v')], [401, 400]);
  await events.arrived();
  assert.deepEqual([events.frames, events.closed], [[], undefined]);
});

test('a revoked account loses both its sockets at once', async () => {
  const mine = ['/api/graph-ws/6.1/', '/api/events-ws/6.2/'].map((path) =>
    connect(path, ['graph-2.0.0', `token-${edge.token({ account: 'gone' })}`]),
  );
  using other = connect('/api/graph-ws/6.1/', ['graph-2.0.0', `token-${edge.token()}`]);
  await Promise.all([...mine, other].map((client) => client.open()));
  edge.revoke('gone');
  for (const client of mine) assert.equal((await client.end()).code, 1008);
  assert.equal(other.closed, undefined);
  for (const client of mine) client.ws.terminate();
});

test('draining makes every client reconnect elsewhere and refuses new ones', async () => {
  await using leaving = await startLoneEdge();
  using client = new Client(leaving.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${leaving.token()}`]);
  await client.open();
  const drained = leaving.drain();
  assert.equal((await client.end()).code, 1001);
  await drained;
  using late = new Client(leaving.port, '/api/graph-ws/6.1/', ['graph-2.0.0', `token-${leaving.token()}`]);
  assert.equal(await late.until(() => late.status), 503);
});
