/** Every refusal, close and ignored event of this edge, over a socket: status or code with its text, as a client or an operator sees it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupProblem, Problem } from '../src/protocol/problems.ts';
import { DEFAULT_AUTH } from '../src/server-secret.ts';
import { Core, Page, Publisher, SECRET } from './doubles.ts';
import { startEdge } from './edge.ts';
import { raw, UPGRADE } from './raw.ts';
import { Socket } from './socket.ts';

const MiB = 1024 * 1024;
const members = (count: number) => Array.from({ length: count }, (_, at) => `"${at}":0`).join(',');

/** An event for each problem; those that only somebody who is logged in may send are marked by their type. */
const WRONG: Readonly<Record<Problem, string | Buffer>> = {
  'not UTF-8': Buffer.from([0x7b, 0xff, 0x7d]),
  'not a JSON object': '{"type":"x"',
  'an event without a type': '{"data":{}}',
  'the type of an event is a string': '{"type":[]}',
  'the data of this event must be an object': '{"type":"notify_client","data":"text"}',
  'the data of this event has too many members': `{"type":"notify_client","data":{${members(4097)}}}`,
  'a target must be a string': '{"type":"notify_group","data":{"target":["x"]}}',
};

const WRONG_USER: Readonly<Record<GroupProblem, unknown>> = {
  'the user of client_connected must be a string': { id: 7 },
  'the user of client_connected is too long': 'ü'.repeat(200),
};

test('jssocket:26 each thing that can be wrong with an event closes a client with its reason, and is logged about a core and a publisher', async () => {
  await using edge = await startEdge();
  using core = await Core.start(edge.port);
  using publisher = await Publisher.start(edge.port);
  for (const [problem, message] of Object.entries(WRONG)) {
    using page = await Page.login(edge.port);
    page.send(message);
    assert.deepEqual(await page.end(), { code: 1011, reason: problem });
    core.socket.send(message);
    publisher.socket.send(message);
  }
  using page = await Page.login(edge.port);
  const toPublic = { data: { target: page.target, authenticated: false }, type: 'client_connected' };
  for (const user of Object.values(WRONG_USER)) {
    core.socket.event('client_connected', { target: page.target, user, authenticated: false });
    assert.deepEqual(await page.next(), toPublic);
  }
  // After it, everything before it was handled.
  await publisher.progress(page.target, 'done');
  const logged = edge.lines.flatMap((line) => /^an event was ignored: (.*) \{/.exec(line)?.[1] ?? []);
  const twice = Object.keys(WRONG).flatMap((problem) => [problem, problem]);
  assert.deepEqual(logged.sort(), [...twice, ...Object.keys(WRONG_USER)].sort());
});

test('jssocket:16 jssocket:29 every other close: who ends it, with which code and reason', async () => {
  await using edge = await startEdge({
    JSSOCKET_MAX_FRAME_BYTES: '1024',
    JSSOCKET_MAX_TRUSTED_FRAME_BYTES: String(2 * MiB),
    JSSOCKET_MAX_BUFFERED_BYTES: '65536',
    JSSOCKET_MAX_PER_USER: '1',
  });
  using core = await Core.start(edge.port);
  const visit = () => Page.visit(edge.port);
  const trusted = () => new Socket(`ws://127.0.0.1:${edge.port}/ws`, { headers: { auth: SECRET } }).open();
  /** Reads nothing until it was sent more than the system and the edge buffer for it. */
  const slow = async (page: Page) => {
    page.ws.pause();
    using publisher = await Publisher.start(edge.port);
    for (let at = 0; at < 16; at += 1) await publisher.progress(page.target, 'x'.repeat(MiB));
    page.ws.resume();
  };
  const cases: readonly (readonly [
    what: string,
    open: () => Promise<Socket>,
    act: (socket: Socket) => unknown,
    code: number,
    reason: string,
  ])[] = [
    ['client_disconnect', visit, (page) => page.event('client_disconnect'), 1000, ''],
    ['client_disconnect of a core', trusted, (socket) => socket.event('client_disconnect'), 1000, ''],
    ['no secret', visit, (page) => page.event('server_connect', {}), 1000, ''],
    ['a wrong secret', visit, (page) => page.event('server_connect', { auth: 'wrong' }), 1000, ''],
    ['a long message', visit, (page) => page.send('x'.repeat(1025)), 1009, ''],
    ['a long message of a core', trusted, (socket) => socket.send('x'.repeat(2 * MiB + 1)), 1009, ''],
    [
      'a second connection of a user',
      visit,
      (page) => page.event('client_connect', { token: 'token-ann' }),
      1013,
      'too many connections of this user',
    ],
  ];
  using _ann = await Page.login(edge.port, 'token-ann');
  for (const [what, open, act, code, reason] of cases) {
    using socket = await open();
    act(socket);
    assert.deepEqual({ what, ...(await socket.end()) }, { what, code, reason });
    if (what.includes('secret')) assert.deepEqual(await socket.next(), { type: 'server_connect', data: false });
  }
  using page = await Page.login(edge.port);
  await slow(page);
  assert.deepEqual(await page.end(), { code: 1013, reason: 'too slow' });
  using bystander = await Page.login(edge.port);
  using publisher = await Publisher.start(edge.port);
  await edge.drain();
  assert.deepEqual(await bystander.end(), { code: 1001, reason: 'going away' });
  // Without a close frame: after one the core would never come back.
  for (const socket of [core.socket, publisher.socket]) assert.deepEqual(await socket.end(), { code: 1006, reason: '' });
});

/** The code and the reason of a close frame at the end of what came. */
function closeOf(received: string): string {
  const bytes = Buffer.from(received, 'latin1');
  const at = bytes.indexOf('\r\n\r\n') + 4;
  const length = bytes[at + 1] ?? 0;
  return bytes[at] === 0x88 ? `${bytes.readUInt16BE(at + 2)} ${bytes.toString('utf8', at + 4, at + 2 + length)}` : 'no close';
}

test('jssocket:26 jssocket:29 what RFC 6455 forbids is closed as it says', async () => {
  await using edge = await startEdge({ JSSOCKET_MAX_FRAME_BYTES: '1024' });
  const mask = [0, 0, 0, 0];
  const frames: readonly (readonly [what: string, bytes: readonly number[], close: RegExp])[] = [
    ['a frame without a mask', [0x81, 0x01, 0x78], /^1002 /],
    ['a reserved bit', [0xc1, 0x81, ...mask, 0x78], /^1002 /],
    ['a reserved kind', [0x83, 0x80, ...mask], /^1002 /],
    ['a part of nothing', [0x80, 0x80, ...mask], /^1002 /],
    ['a ping in parts', [0x09, 0x80, ...mask], /^1002 /],
    ['a close with half a code', [0x88, 0x81, ...mask, 0x03], /^1002 /],
    ['a close with a code that is never sent', [0x88, 0x82, ...mask, 0x03, 0xed], /^1002 /],
    ['text that is not UTF-8', [0x81, 0x81, ...mask, 0xff], /^1007 /],
    ['a message announced as too long', [0x81, 0xfe, 0x04, 0x01, ...mask], /^1009 /],
  ];
  for (const [what, bytes, close] of frames) {
    const received = await raw(edge.port, ['GET /ws HTTP/1.1', ...UPGRADE], {
      after: Uint8Array.from(bytes),
      enough: (text) => closeOf(text) !== 'no close',
    });
    assert.match(closeOf(received), close, what);
  }
});

test('jssocket:5 jssocket:44 every refusal over HTTP: a status and a text', async () => {
  await using edge = await startEdge({
    SOCKET_AUTH: DEFAULT_AUTH,
    JSSOCKET_STRICT_PATH: '/ws',
    JSSOCKET_ALLOWED_ORIGINS: 'https://app.example',
    JSSOCKET_TRUST_PROXY: 'true',
    JSSOCKET_LEGACY_ADMIN: 'true',
    JSSOCKET_MAX_CONNECTIONS_PER_ADDRESS: '1',
    JSSOCKET_MAX_CONNECTIONS: '2',
  });
  const upgrade = (without = '', ...added: readonly string[]) => [
    'GET /ws HTTP/1.1',
    ...UPGRADE.filter((line) => without === '' || !line.startsWith(without)),
    ...added,
  ];
  const said = async (lines: readonly string[]) => {
    const received = await raw(edge.port, lines, { enough: () => false });
    const [head = '', body = ''] = received.split('\r\n\r\n');
    return `${head.split(' ')[1]} ${body.trim()}`;
  };
  const json = (status: number, message: string) => `${status} ${JSON.stringify({ error: { code: status, message } })}`;
  using _one = await new Socket(`ws://127.0.0.1:${edge.port}/ws`, { headers: { 'X-Forwarded-For': '1.1.1.1' } }).open();
  const cases: readonly (readonly [lines: readonly string[], answer: string])[] = [
    [['GET /ws HTTP/1.1', 'Host: x'], '426 This is a WebSocket endpoint: connect with a WebSocket client.'],
    [['PUT /ws HTTP/1.1', 'Host: x', 'Content-Length: 0'], '400 Only GET is answered here.'],
    [['GET /hash HTTP/1.1', 'Host: x', 'pass: y'], '401 The auth header is missing or wrong.'],
    [['GET /terminate HTTP/1.1', 'Host: x', 'auth: wrong'], '401 The auth header is missing or wrong.'],
    [['GET /hash HTTP/1.1', 'Host: x', `auth: ${SECRET}`], '500 The pass header is missing.'],
    [['GET /healthz HTTP/1.1', 'Host: x y', 'Connection: close'], json(400, 'the Host of the request is none')],
    [upgrade('', 'Host: y'), json(400, 'a request has one Host')],
    [['GET /ws HTTP/1.0', ...UPGRADE], json(400, 'a WebSocket handshake needs HTTP/1.1')],
    [['POST /ws HTTP/1.1', ...UPGRADE], json(405, 'a WebSocket handshake is a GET')],
    [upgrade('', 'Content-Length: 2'), json(400, 'a WebSocket handshake has no body')],
    [upgrade('Sec-WebSocket-Version', 'Sec-WebSocket-Version: 8'), json(426, 'the version of the WebSocket protocol is 13')],
    [upgrade('Sec-WebSocket-Key'), json(400, 'Missing or invalid Sec-WebSocket-Key header')],
    [upgrade('', 'Origin: https://evil.example'), json(403, 'this origin is not allowed')],
    [['GET /other HTTP/1.1', ...UPGRADE], json(404, 'there is nothing under this path')],
    [upgrade('', 'X-Forwarded-For: 1.1.1.1'), json(429, 'too many connections from this address')],
  ];
  const answers: (readonly [lines: readonly string[], answer: string])[] = [];
  for (const [lines] of cases) answers.push([lines, await said(lines)]);
  assert.deepEqual(answers, cases);

  using _two = await new Socket(`ws://127.0.0.1:${edge.port}/ws`, { headers: { 'X-Forwarded-For': '2.2.2.2' } }).open();
  assert.equal(await said(upgrade()), json(503, 'too many connections'));
  await edge.drain();
  assert.equal(await said(upgrade()), json(503, 'the server is going away'));
});

test('jssocket:44 a handshake whose secret has no place in the queue is 503, the newest is next, and the others do not hold up the end', async () => {
  // Ends after the edge: the others still wait then.
  using flood = new DisposableStack();
  await using edge = await startEdge({ SOCKET_AUTH: DEFAULT_AUTH });
  const sockets = Array.from({ length: 80 }, (_, at) =>
    flood.use(new Socket(`ws://127.0.0.1:${edge.port}/ws`, { headers: { auth: `wrong ${at}` } })),
  );
  await sockets[0]?.until(() => sockets.some(({ status }) => status === 503));
  // A close frame right behind a handshake that waits.
  const received = await raw(edge.port, ['GET /ws HTTP/1.1', ...UPGRADE, `auth: ${SECRET}`], {
    after: Uint8Array.from([0x88, 0x80, 0, 0, 0, 0]),
    enough: (text) => text.endsWith('\x88\x00'),
  });
  assert.match(received, /^HTTP\/1.1 101 /);
  assert.ok(sockets.some(({ ws, status }) => ws.readyState === ws.CONNECTING && status === undefined));
  await edge.drain();
});
